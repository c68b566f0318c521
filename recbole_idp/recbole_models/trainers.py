"""Trainers for RecBole's own models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.trainer import TraditionalTrainer, Trainer
from recbole.utils import ModelType, get_trainer

from recbole_idp import compat
from recbole_idp.recbole_models.trimmed import TrimmedLoader
from recbole_idp.train.resumable import Resumable
from recbole_idp.train.run_trainer import RunTrainer
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.dataloader import AbstractDataLoader, TrainDataLoader
    from recbole.data.interaction import Interaction
    from recbole.model.abstract_recommender import AbstractRecommender

    from recbole_idp.recbole_models.general_dataset import GeneralDataset
    from recbole_idp.recbole_models.trimmed import TrimmedRows


class TrimmedTrainer(SequenceTrainer):
    """Trainer of the fast class of one of RecBole's sequential models, on RecBole's batches without their padding.

    The order of rows, the negatives, the masked items and the loss are RecBole's; without dropout, the metrics are the
    same as those of its own loop. Evaluation streams.
    """

    shares_steps = False

    def _training_batches(self, train_data: TrainDataLoader) -> Iterable[Any]:
        """Return RecBole's batches, trimmed."""
        if self._batches is None:
            self._batches = TrimmedLoader(train_data, self.config["ITEM_LIST_LENGTH_FIELD"], self.config["LIST_SUFFIX"])
        return self._batches

    def _training_loss(self, batch: TrimmedRows) -> torch.Tensor:
        """Return the mean loss over the targets of a batch; a scalar."""
        return self.model.batch_loss(batch)


class CountingTrainer(RunTrainer, TraditionalTrainer):
    """Trainer of RecBole's models that count instead of learning (Pop, ItemKNN); ranks each target by itself.

    History items are excluded, as RecBole does for models that ignore the order of events. Nothing is saved: counting
    again takes no longer than reading.
    """

    def __init__(self, config: Config, model: AbstractRecommender) -> None:
        super().__init__(config, model)
        self.saved_model_file = None

    def _train_epoch(
        self,
        train_data: TrainDataLoader,
        epoch_idx: int,
        loss_func: Callable[[Interaction], torch.Tensor] | None = None,
        show_progress: bool = False,
    ) -> float:
        """Count the items of all rows; arguments and result as in RecBole."""

        def count(rows: Interaction) -> torch.Tensor:
            parts = compat.occurrences(rows[self.model.ITEM_ID].cpu())
            return [self.model.calculate_loss(rows[part]) for part in parts][-1]

        return super()._train_epoch(train_data, epoch_idx, loss_func or count, show_progress)

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        """Save nothing."""

    def evaluate(
        self,
        eval_data: AbstractDataLoader | None,
        load_best_model: bool = True,
        model_file: str | None = None,
        show_progress: bool = False,
    ) -> dict[str, float] | None:
        """Evaluate the model as it is; arguments and result as in RecBole."""
        collector = self.rank_collector
        if collector is None or not isinstance(eval_data, FullSortEvalDataLoader):
            return super().evaluate(eval_data, load_best_model=False, show_progress=show_progress)
        self.model.eval()
        for batch in eval_data:
            collector.collect(*self._scores(eval_data.dataset, *batch))
        return self.measured(collector.get_data_struct())

    def _scores(
        self,
        dataset: GeneralDataset,
        users: Interaction,
        history: tuple[torch.Tensor, torch.Tensor] | None,
        *_: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scores of all items for the targets of some users, in the order of the dataset's rows.

        A user without a training event, of whom the model knows nothing, may get one score for all items. That is no
        ranking: the targets come last.

        Returns:
            The scores, -inf for items that are excluded, shape [R, N], and the targets' items, shape [R].
        """
        scores = self.model.full_sort_predict(users.to(self.device)).view(-1, self.model.n_items)
        numbers = users[dataset.uid_field]
        strange = ~torch.from_numpy(dataset.seen.users)[numbers].to(scores.device)
        unranked = strange & (scores[:, 1:] == scores[:, 1:2]).all(1)
        if history is not None:
            scores[history] = -torch.inf
        # The loader has sorted the rows by user, and gives users in this order.
        owners = dataset.inter_feat[dataset.uid_field]
        first, last = torch.searchsorted(owners, numbers[0]), torch.searchsorted(owners, numbers[-1], right=True)
        rows = torch.searchsorted(numbers, owners[first:last])
        items = dataset.inter_feat[dataset.iid_field][first:last].to(self.device)
        scores = scores[rows]
        last_place = torch.arange(len(items), device=self.device)[unranked[rows]], items[unranked[rows]]
        scores[last_place] = torch.nextafter(scores[last_place], scores.new_tensor(-torch.inf))
        return scores, items


def recbole_trainer_class(model_type: ModelType, name: str) -> type[Trainer]:
    """Return RecBole's own trainer of one of its models, with safetensors as checkpoints.

    Args:
        model_type: RecBole's type of the model.
        name: The model's name.
    """
    return type("RecBoleTrainer", (_RecBoleLoop, get_trainer(model_type, name)), {})


class _RecBoleLoop(Resumable):
    """Mixin for RecBole's own trainers: its training and evaluation as they are, with safetensors as checkpoints.

    Attributes:
        ranks: Rank of each target in the latest evaluation, if all items were ranked after each history; else None.
    """

    ranks: torch.Tensor | None

    def evaluate(
        self,
        eval_data: AbstractDataLoader | None,
        load_best_model: bool = True,
        model_file: str | None = None,
        show_progress: bool = False,
    ) -> dict[str, float] | None:
        """Evaluate the model by RecBole's own loop."""
        if load_best_model and eval_data:
            self.restore(model_file or self.saved_model_file)
        return super().evaluate(eval_data, load_best_model=False, show_progress=show_progress)
