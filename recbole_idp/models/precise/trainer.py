"""PRECISE's targeted training, and the use of its universal model as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.text_vectors import target_texts
from recbole_idp.models.precise.experts import log_experts, plot_experts
from recbole_idp.models.precise.keys import FusionSettings
from recbole_idp.models.precise.token_states import token_vectors
from recbole_idp.models.precise.universal import find_or_train
from recbole_idp.train.table_trainer import TableTrainer

if TYPE_CHECKING:
    from recbole_idp.data.dataset import SequenceDataset


class TargetedTrainer(TableTrainer):
    """Train PRECISE_TT, from random weights and the token vectors of the target's texts.

    After training, log how much the experts are used, and plot it beside the checkpoint (``…-experts.svg``).
    """

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Start the model's token vectors from the target's texts."""
        settings, encoding = FusionSettings.of(self.config), TextEncoding.of(self.config)
        if settings.fusion != "id_only":
            self.model.fusion.start_tokens(token_vectors(encoding, settings, target_texts(encoding, train_data)))

    def after_training(self) -> None:
        """Log and plot how much the experts of the best model are used."""
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

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Load the universal model's weights into the model."""
        universal = find_or_train(self.config, train_data, valid_data)
        # It was trained on the target as well, whether now or before.
        self.earlier_seconds = universal.description.get("seconds", 0.0)
        self.model.start_from(universal.state, universal.rows(train_data.item_tokens()))

    def is_trained(self) -> bool:
        """Return whether there is targeted training: PRECISE_UT has none."""
        return self.model.targeted
