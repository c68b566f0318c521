"""Variants that an interrupted run has finished: kept, so that the next run of the same command need not train them."""

import json
import logging
import shutil
from pathlib import Path

from recbole_idp.bundle import versions
from recbole_idp.derived_config import given_values
from recbole_idp.files import fingerprint, write_json

# Keys on which no number hangs: where things lie and are put, what is shown, and which variants stand beside this one.
# The content of data and bundle counts, not the place.
_PLACES = ("cache_path", "checkpoint_dir", "data_path", "pretrained", "result_dir")
_SHOWN = ("log_wandb", "show_progress", "state", "wandb_project")
NO_MATTER = (*_PLACES, *_SHOWN, "variants")


class Unfinished:
    """What is known of a run that has not saved its result yet.

    outcome of each variant -> ``checkpoint_dir/unfinished-<fingerprint>/<variant>.json`` -> result, folder removed

    The fingerprint stands for every key that numbers hang on, for the data, for the bundle and for the packages.

    Args:
        config (Config): The configuration.
        data_fingerprint (str): Stands for the target's content.
        bundle (Bundle | None): What was pre-trained.

    Attributes:
        folder (Path): Where the outcomes are.
        resumed (list[str]): Variants that were taken from an earlier run.
    """

    def __init__(self, config, data_fingerprint, bundle=None):
        values = {key: value for key, value in given_values(config).items() if key not in NO_MATTER}
        digits = fingerprint([values, data_fingerprint, bundle and bundle.description, versions()])
        self.folder = Path(config["checkpoint_dir"]) / f"unfinished-{digits}"
        self.resumed = []

    def find(self, variant):
        """Returns the outcome of a variant that was finished before, or None.

        Args:
            variant (str): The variant.

        Returns:
            dict | None: What was given to :meth:`keep`; None also where its checkpoint is gone or the file is damaged.
        """
        path = self._path(variant)
        try:
            outcome = json.loads(path.read_text(encoding="utf-8"))
            whole = {"test", "valid", "seconds"} <= outcome.keys() and Path(outcome["checkpoint"]).is_file()
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        if not whole:
            return None
        logging.getLogger().info(f"{variant}: finished by an interrupted run with the same data and settings: {path}")
        self.resumed.append(variant)
        return outcome

    def keep(self, variant, outcome):
        """Saves the outcome of a variant until the run's result is saved.

        Args:
            variant (str): The variant.
            outcome (dict): JSON-serialisable, with ``checkpoint``.

        Raises:
            UserError: It cannot be written.
        """
        write_json(self._path(variant), outcome)

    def discard(self):
        """Removes what was kept, as the result has it now."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, variant):
        return self.folder / f"{variant}.json"
