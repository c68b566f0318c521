"""PRECISE's targeted training, and the use of its universal model as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.text_vectors import target_texts
from recbole_idp.models.precise.experts import log_experts, plot_experts
from recbole_idp.models.precise.keys import FusionSettings
from recbole_idp.models.precise.token_states import token_vectors
from recbole_idp.models.precise.universal import find_or_train
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from recbole.data.dataloader import AbstractDataLoader

    from recbole_idp.data.dataset import SequenceDataset


class TargetedTrainer(SequenceTrainer):
    """Train PRECISE_TT, from random weights and the token vectors of the target's texts.

    After training, log how much the experts are used, and plot it beside the checkpoint (``…-experts.svg``).
    """

    def fit(
        self,
        train_data: AbstractDataLoader,
        valid_data: AbstractDataLoader | None = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], object] | None = None,
    ) -> tuple[float, dict[str, float]]:
        """Initialise and train the model; arguments and result as in RecBole."""
        if self.start_epoch == 0:
            with self.preparing():
                self._start(train_data.dataset, valid_data.dataset if valid_data else None)
        best = self._fit(train_data, valid_data, verbose, saved, show_progress, callback_fn)
        self._report_experts()
        return best

    def _start(self, dataset: SequenceDataset, valid: SequenceDataset | None) -> None:
        """Start the model's token vectors from the target's texts."""
        settings, encoding = FusionSettings.of(self.config), TextEncoding.of(self.config)
        if settings.fusion != "id_only":
            self.model.fusion.start_tokens(token_vectors(encoding, settings, target_texts(encoding, dataset)))

    def _fit(self, *arguments: Any) -> tuple[float, dict[str, float]]:
        return super().fit(*arguments)

    def _report_experts(self) -> None:
        file = Path(self.saved_model_file)  # type: ignore[arg-type]  # there is a name from the start
        if file.is_file():
            self.restore(self.saved_model_file)
        usage = self.model.fusion.expert_usage()
        if usage is None:
            return
        usage, name = usage.tolist(), f"{self.config['model']} on {self.config['dataset']}"
        log_experts(usage, name)
        plot_experts(usage, name, file.with_suffix("").as_posix() + "-experts.svg")


class PreciseTrainer(TargetedTrainer):
    """Train PRECISE from its universal model, and take PRECISE_UT as universal training left it.

    The universal model is the folder named by ``pretrained``, or the one made before from the same data and settings,
    or is trained now.
    """

    def _start(self, dataset: SequenceDataset, valid: SequenceDataset | None) -> None:
        """Load the universal model's weights into the model."""
        universal = find_or_train(self.config, dataset, valid)
        # It was trained on the target as well, whether now or before.
        self.earlier_seconds = universal.description.get("seconds", 0.0)
        self.model.start_from(universal.state, universal.rows(dataset.item_tokens()))

    def _fit(
        self,
        train_data: AbstractDataLoader,
        valid_data: AbstractDataLoader | None,
        verbose: bool,
        saved: bool,
        show_progress: bool,
        callback_fn: Callable[[int, float], object] | None,
    ) -> tuple[float, dict[str, float]]:
        if self.model.targeted:
            return super()._fit(train_data, valid_data, verbose, saved, show_progress, callback_fn)
        self.eval_collector.data_collect(train_data)
        if valid_data:
            self.best_valid_score, self.best_valid_result = self._valid_epoch(valid_data, show_progress)
        if saved:
            self._save_checkpoint(-1, verbose=verbose)
        return self.best_valid_score, self.best_valid_result
