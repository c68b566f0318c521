"""Training in two phases: train, prune, retrain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from recbole_idp.errors import UserError
from recbole_idp.models.conure.masks import Phase
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config


class PrunedModel(Protocol):
    """A model whose encoder learns a task of several."""

    def begin(self, phase: Phase) -> None:
        """Use the weights of a phase, and freeze what it does not train."""

    def prune(self) -> None:
        """Give the task its weights; the others are free for later tasks."""


class TwoPhaseTrainer(SequenceTrainer):
    """Train a task on the free weights, prune them, and train what is kept (Conure, section 3).

    Each phase has a new optimizer, and stops early by itself. The best model of a run is that of the second phase. An
    interrupted training resumes in the phase in which it was.

    Attributes:
        retrains (int): 1 in the second phase, else 0.
    """

    shares_steps = False
    counters: tuple[str, ...] = (*SequenceTrainer.counters, "retrains")

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Reject weight decay, which would change the weights of earlier tasks."""
        super().check_config(config)
        if config["weight_decay"]:
            raise UserError(
                f"weight_decay is {config['weight_decay']}, but Conure takes none, as it would change the weights of "
                "earlier tasks: remove it"
            )

    def __init__(self, config: Config, model: Any) -> None:
        self.check_config(config)
        model.begin(Phase.TRAIN)
        super().__init__(config, model)
        self.retrains = 0

    def _train(self, train_data: Any, *arguments: Any) -> tuple[float, dict[str, float]]:
        """Train in both phases, or resume; arguments and result as of :meth:`Resumable.fit`."""
        saved = super()._saved_state()
        if saved is None or not saved[1]["counters"]["retrains"]:
            super()._train(train_data, *arguments)
            self.restore(self.saved_model_file)
            self.model.prune()
            self._begin_retraining()
            self._save_beginning(train_data)
        else:
            self._begin_retraining()
        return super()._train(train_data, *arguments)

    def _begin_retraining(self) -> None:
        """Begin the second phase: as a training of its own."""
        self.retrains = 1
        self.epochs, self.start_epoch, self.cur_step = self.config["retrain_epochs"], 0, 0
        self.best_valid_score = -float("inf") if self.valid_metric_bigger else float("inf")
        self.model.begin(Phase.RETRAIN)
        self.optimizer = self._build_optimizer()

    def _saved_state(self) -> Any:
        """Return the saved state of the current phase; None if there is none."""
        saved = super()._saved_state()
        return saved if saved is not None and saved[1]["counters"]["retrains"] == self.retrains else None

    def _restore_state(self, train_data: Any, *state: Any) -> None:
        """Restore a saved state, and enter its phase."""
        super()._restore_state(train_data, *state)
        self.model.begin(Phase.RETRAIN if self.retrains else Phase.TRAIN)
