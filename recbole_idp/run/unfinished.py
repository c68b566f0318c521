"""Trials that an interrupted run has finished: the next run of the same command reuses them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.errors import UserError
from recbole_idp.report.ranks import SUFFIX, Ranks, load_ranks, save_ranks
from recbole_idp.run.trials import Outcome
from recbole_idp.storage.environment import versions
from recbole_idp.storage.files import fingerprint, parse_json, remove_kept, write_json
from recbole_idp.storage.locks import alone, alone_at_once
from recbole_idp.storage.sealed import content_digest

if TYPE_CHECKING:
    from recbole_idp.models.idp.bundle import Bundle
    from recbole_idp.run.trials import Trial


class Unfinished:
    """Saved trials and training states of a run that has not saved its result yet.

    each epoch of a trial -> ``checkpoint_dir/unfinished-<fingerprint>/<trial>.latest.safetensors``
    outcome of the trial -> ``<trial>.json`` beside it, the other removed -> result, all of it removed

    The fingerprint covers every key that numbers depend on, the data, the bundle and the versions of packages. The
    ranks of a trial lie beside its facts.

    Args:
        values: Value of every key.
        read: Fingerprint of what the model reads of the target.
        bundle: The bundle; None: nothing was pre-trained, or it is no bundle.

    Attributes:
        folder (Path): Folder of the outcomes.
        resumed (list[str]): Names of the trials that are reused from an earlier run.
    """

    def __init__(self, values: Mapping[str, Any], read: str, bundle: Bundle | None = None) -> None:
        pretrained, deciding = values.get("pretrained"), values_that_affect(values, values["model"], Affects.ALL)
        given = content_digest(pretrained) if pretrained and not bundle else None
        digits = fingerprint([deciding, read, bundle.description if bundle else given, versions()])
        self.folder = Path(values["checkpoint_dir"]) / f"unfinished-{digits}"
        self.resumed: list[str] = []

    def find(self, trial: Trial) -> Outcome | None:
        """Return the saved outcome of a trial.

        Args:
            trial: The trial.

        Returns:
            The outcome; None if none was saved, its checkpoint is missing, or a file is damaged.
        """
        path = self._path(trial)
        try:
            saved = parse_json(path)
            facts, digest = saved["facts"], saved["ranks"]
            needed = [facts["checkpoint"], *(one["checkpoint"] for one in facts.get("auto", {}).get("members", ()))]
            complete = {"test", "valid", "seconds"} <= facts.keys() and all(
                path is None or Path(path).is_file() for path in needed
            )
            ranks = load_ranks(self._ranks_path(trial), digest).trials[trial.name] if digest else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, UserError):
            return None
        if not complete:
            return None
        logging.getLogger().info(f"{trial.name}: finished by an earlier run with the same data and settings: {path}")
        self.resumed.append(trial.name)
        return Outcome(facts, ranks)

    def save(self, trial: Trial, outcome: Outcome) -> None:
        """Save the outcome of a trial until the run's result is saved.

        Args:
            trial: The trial.
            outcome: Its outcome.

        Raises:
            UserError: It cannot be written.
        """
        digest = None
        if outcome.ranks is not None:
            digest = save_ranks(self._ranks_path(trial), Ranks([], {trial.name: outcome.ranks}))
        # Last, as the outcome counts once this is there.
        write_json(self._path(trial), {"facts": outcome.facts, "ranks": digest})
        self.resume_file(trial).unlink(missing_ok=True)

    def forget(self, trials: Iterable[Trial]) -> None:
        """Remove the training states of some trials, and what was decided for them."""
        remove_kept([path(trial) for trial in trials for path in (self.resume_file, self.decisions_file)])

    def decisions_file(self, trial: Trial) -> Path:
        """Return the file of what a trial of several trainings has decided so far, whether it exists or not."""
        return self.folder / f"{trial.name}.decided.json"

    def resume_file(self, trial: Trial) -> Path:
        """Return the file of the training state of a trial, from which it resumes.

        Args:
            trial: The trial.

        Returns:
            The file, whether it exists or not.
        """
        return self.folder / f"{trial.name}.latest.safetensors"

    def locked(self, trial: Trial) -> AbstractContextManager[None]:
        """Lock a trial, so that of several runs of the same command one trains it and the others reuse it."""
        return alone(self._lock(trial), trial.name)

    def discard(self, trials: Iterable[Trial]) -> None:
        """Remove the files of these trials, once the result is saved.

        Args:
            trials: The trials of this run; another run of the same settings may have others. What another run is
                working on is left to it.
        """
        for trial in trials:
            with alone_at_once(self._lock(trial)) as free:
                if free:
                    remove_kept([path(trial) for path in (self._path, self._ranks_path, self.resume_file)])

    def _lock(self, trial: Trial) -> Path:
        """Return the lock of a trial."""
        return self.folder.with_name(f".{self.folder.name}-{trial.name}.lock")

    def _path(self, trial: Trial) -> Path:
        """Return the file of a trial's facts."""
        return self.folder / f"{trial.name}.json"

    def _ranks_path(self, trial: Trial) -> Path:
        """Return the file of a trial's ranks."""
        return self.folder / f"{trial.name}{SUFFIX}"
