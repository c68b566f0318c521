"""Trials that an interrupted run has finished, which the next run of the same command need not train again."""

import json
import logging
from pathlib import Path

from recbole_idp.config.derive import given_values
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.errors import UserError
from recbole_idp.report.ranks import SUFFIX, Ranks, load_ranks, save_ranks
from recbole_idp.run.trials import Outcome
from recbole_idp.storage.environment import versions
from recbole_idp.storage.files import fingerprint, remove_kept, write_json
from recbole_idp.storage.locks import alone
from recbole_idp.storage.sealed import content_digest


class Unfinished:
    """What is known of a run that has not saved its result yet.

    each epoch of a trial -> ``checkpoint_dir/unfinished-<fingerprint>/<trial>.latest.safetensors``
    outcome of the trial -> ``<trial>.json`` beside it, the other removed -> result, all of it removed

    The fingerprint stands for every key that numbers hang on, for the data, for the bundle and for the packages. The
    ranks of a trial lie beside its facts.

    Args:
        config (Config): The configuration.
        data_fingerprint (str): Stands for the target's content.
        bundle (Bundle | None): What was pre-trained.

    Attributes:
        folder (Path): Where the outcomes are.
        resumed (list[str]): Names of the trials that were taken from an earlier run.
    """

    def __init__(self, config, data_fingerprint, bundle=None):
        values = values_that_affect(given_values(config), config["model"], Affects.ALL)
        given = content_digest(config["pretrained"]) if config["pretrained"] and not bundle else None
        digits = fingerprint([values, data_fingerprint, bundle.description if bundle else given, versions()])
        self.folder = Path(config["checkpoint_dir"]) / f"unfinished-{digits}"
        self.resumed = []

    def find(self, trial):
        """Return the outcome of a trial that was finished before, or None.

        Args:
            trial (Trial): The trial.

        Returns:
            Outcome | None: What was given to :meth:`save`; None also where its checkpoint is gone or a file is damaged.
        """
        path = self._path(trial)
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            facts, digest = saved["facts"], saved["ranks"]
            complete = {"test", "valid", "seconds"} <= facts.keys() and (
                facts["checkpoint"] is None or Path(facts["checkpoint"]).is_file()
            )
            ranks = load_ranks(self._ranks_path(trial), digest).trials[trial.name] if digest else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, UserError):
            return None
        if not complete:
            return None
        logging.getLogger().info(f"{trial.name}: finished by an earlier run with the same data and settings: {path}")
        self.resumed.append(trial.name)
        return Outcome(facts, ranks)

    def save(self, trial, outcome):
        """Save the outcome of a trial until the run's result is saved.

        Args:
            trial (Trial): The trial.
            outcome (Outcome): What it has yielded.

        Raises:
            UserError: It cannot be written.
        """
        digest = None
        if outcome.ranks is not None:
            digest = save_ranks(self._ranks_path(trial), Ranks([], {trial.name: outcome.ranks}))
        # Last, as the outcome counts once this is there.
        write_json(self._path(trial), {"facts": outcome.facts, "ranks": digest})
        self.resume_file(trial).unlink(missing_ok=True)

    def resume_file(self, trial):
        """Return the file by which the training of a trial goes on where it was interrupted.

        Args:
            trial (Trial): The trial.

        Returns:
            Path: The file, whether or not it is there.
        """
        return self.folder / f"{trial.name}.latest.safetensors"

    def locked(self, trial):
        """Lock a trial: runs of the same command train it one after the other, and the later ones find it finished."""
        return alone(self.folder.with_name(f".{self.folder.name}-{trial.name}.lock"), trial.name)

    def discard(self, trials):
        """Remove what was saved of these trials, as the result has it now.

        Args:
            trials (Iterable[Trial]): Those of this run; another one of the same settings may have others.
        """
        remove_kept([path(trial) for trial in trials for path in (self._path, self._ranks_path, self.resume_file)])

    def _path(self, trial):
        return self.folder / f"{trial.name}.json"

    def _ranks_path(self, trial):
        return self.folder / f"{trial.name}{SUFFIX}"
