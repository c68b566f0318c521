"""Report each validation of a training to the Optuna study of a leaderboard, which may end what falls behind.

A leaderboard that tunes gives each trial the key ``tune_trial``: the file of its study, and its number there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.storages import RDBStorage
    from optuna.study import Study

OPTUNA_REMEDY = "pip install recbole-idp[tune]"
PRUNED = 3
"""Exit status of a training that its study has ended."""
PRUNER = "pruner"
"""Attribute of a study that names its pruner."""

_BEFORE_PRUNING = 5
_FIRST_EPOCH = 3
_SECONDS_FOR_A_LOCK = 60


class Pruned(UserError):
    """The study has ended a training that fell behind."""

    exit_status = PRUNED


def make_pruner(name: str) -> BasePruner:
    """Return the pruner of a name.

    Args:
        name: ``median``: the best validation of a training so far is compared, after its first three epochs, with the
            median of the trials before at that epoch, once five are complete; ``none``.
    """
    from optuna.pruners import MedianPruner, NopPruner

    return NopPruner() if name == "none" else MedianPruner(_BEFORE_PRUNING, _FIRST_EPOCH)


def open_storage(file: str | Path) -> RDBStorage:
    """Open the SQLite file of a study, or make it.

    Args:
        file: The file; its folder is there.

    Raises:
        UserError: It is damaged, or of another version of Optuna.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Optuna fills in what stands in braces.
    url = f"sqlite:///{Path(file).resolve()}".replace("{", "{{").replace("}", "}}")
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": _SECONDS_FOR_A_LOCK}})
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"cannot open the study {file} ({reason}): delete it, and finished trainings are found again"
        ) from error


class Reporter:
    """Reports the validation of one training.

    Args:
        place: Value of the key ``tune_trial``.

    Raises:
        UserError: The study has no such trial, or the trial has ended.
    """

    def __init__(self, place: str) -> None:
        import optuna

        file, _, number = place.rpartition("#")
        if not number.isdecimal() or not Path(file).is_file():
            raise UserError(
                f"tune_trial is {place}, and no file and number of a trial: a leaderboard with --tune sets it"
            )
        self.number, self.storage = int(number), open_storage(file)
        self.study = optuna.load_study(study_name=None, storage=self.storage)
        self.study.pruner = make_pruner(self.study.user_attrs[PRUNER])
        trials = {trial.number: trial for trial in self.study.get_trials(deepcopy=False)}
        if self.number not in trials or trials[self.number].state.is_finished():
            raise UserError(f"trial {number} of {file} has ended, or was never begun: remove tune_trial")
        self._id = trials[self.number]._trial_id

    def __call__(self, epoch: int, value: float) -> None:
        """Report the value of the validation metric after an epoch.

        Args:
            epoch: The epoch, from 0.
            value: The value.

        Raises:
            Pruned: The study ends the training.
        """
        if report(self.study, self.storage, self._id, epoch, value):
            raise Pruned(f"pruned after {epoch + 1} epochs: half of the trials before were better by then")

    def reported(self) -> list[tuple[int, float]]:
        """Return all that was reported of the training, before an interruption as well: epochs and values."""
        return sorted(self.storage.get_trial(self._id).intermediate_values.items())


def report(study: Study, storage: RDBStorage, trial_id: int, epoch: int, value: float) -> bool:
    """Report a value of a trial, and end the trial where the pruner says so.

    Args:
        study: The study.
        storage: Its storage.
        trial_id: The trial in its storage.
        epoch: The epoch, from 0.
        value: Value of the validation metric.

    Returns:
        Whether the trial was ended.
    """
    import optuna

    storage.set_trial_intermediate_value(trial_id, epoch, float(value))
    trial = storage.get_trial(trial_id)
    if not study.pruner.prune(study, trial):
        return False
    study.tell(trial.number, state=optuna.trial.TrialState.PRUNED)
    return True
