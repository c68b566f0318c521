"""Training of Recformer on a target in two stages, from what was pre-trained (arXiv 2305.13731, algorithm 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.errors import UserError
from recbole_idp.models.recformer.pretrain import find_or_pretrain
from recbole_idp.models.recformer.schedule import ScheduledTrainer

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.dataloader import AbstractDataLoader

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.domains import TargetLoader
    from recbole_idp.models.recformer.model import Recformer

STARTS = ("scratch", "zero_shot", "fine_tune")


class RecformerTrainer(ScheduledTrainer):
    """Start Recformer from the source domains, then train it in two stages.

    Stage 1: the vectors of items are made again at the start of each epoch, until validation stops it.
    Stage 2: from the best model of stage 1 with its vectors of items, which stay as they are; the optimizer and its
    schedule are new. Its models have to be better than the best one of stage 1.

    ``transfer`` says what it starts from: ``fine_tune``, the pre-trained weights; ``zero_shot``, these, not trained;
    ``scratch``, the first weights.

    Attributes:
        second (int): 1 in the second stage, else 0.
    """

    model: Recformer
    counters: tuple[str, ...] = (*ScheduledTrainer.counters, "second")

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Reject starts that Recformer does not have, and keys as :class:`SequenceTrainer` does."""
        super().check_config(config)
        if config["transfer"] not in STARTS:
            raise UserError(f"{config['model']} takes transfer {', '.join(STARTS)}, but is {config['transfer']!r}")

    def __init__(self, config: Config, model: Recformer) -> None:
        self.check_config(config)
        super().__init__(config, model)
        self.second = 0

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Load the pre-trained weights into the model."""
        if self.config["transfer"] != "scratch":
            self.model.start_from(find_or_pretrain(self.config).state)

    def is_trained(self) -> bool:
        """Return whether the model is trained on the target: not with ``zero_shot``."""
        return self.config["transfer"] != "zero_shot"

    def _train_epoch(self, *arguments: Any, **keywords: Any) -> float:
        """Train one epoch; in stage 1 the vectors of items are made before."""
        if not self.second:
            self.model.refresh_items()
        return super()._train_epoch(*arguments, **keywords)

    def _train(
        self, train_data: AbstractDataLoader | TargetLoader, valid_data: Any, verbose: bool, saved: bool, *more: Any
    ) -> tuple[float, dict[str, float]]:
        """Train in both stages, or resume; arguments and result as of :meth:`Resumable.fit`."""
        state = super()._saved_state()
        if state is None or not state[1]["counters"]["second"]:
            best = super()._train(train_data, valid_data, verbose, saved, *more)
            # Without a validation there is no best state to go back to, and without a checkpoint none is kept.
            if not (self.config["second_epochs"] and saved and valid_data):
                return best
            self.restore(self.saved_model_file)
            self._begin_second()
            self._save_beginning(train_data)
        else:
            self._begin_second()
        return super()._train(train_data, valid_data, verbose, saved, *more)

    def _begin_second(self) -> None:
        """Begin the second stage: with a new optimizer, schedule and patience, and the best score so far."""
        self.second, self.steps = 1, 0
        self.epochs, self.stopping_step = self.config["second_epochs"], self.config["second_stopping_step"]
        self.start_epoch, self.cur_step = 0, 0
        self.optimizer = self._build_optimizer()
        self.logger.info("The second stage begins: the vectors of items stay as they are")

    def _saved_state(self) -> Any:
        """Return the saved state of the current stage; None if there is none."""
        saved = super()._saved_state()
        return saved if saved is not None and saved[1]["counters"]["second"] == self.second else None
