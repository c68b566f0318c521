"""PeterRec: one user encoder for many tasks, tuned by small patches (SIGIR 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.models.base.transferred import take_over
from recbole_idp.models.base.two_tables import TwoTablesModel
from recbole_idp.models.peterrec.encoder import add_patches
from recbole_idp.models.peterrec.keys import PeterRecSettings
from recbole_idp.nn.adapters.sockets import ADAPTER, second_norms, train_only
from recbole_idp.nn.encoder.causal import SIZES, user_encoder
from recbole_idp.nn.encoder.dilated import PostActivationBlock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.data.rows import Batch
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.nn.encoder.token import TokenEncoder


class PeterRec(TwoTablesModel):
    """PeterRec on a task (SIGIR 2020, arXiv 2001.04253).

    item ids -> item vectors, [TCL] -> pre-trained encoder with patches -> state of [TCL] . candidate vectors -> scores

    Built from a configuration alone its weights are random.
    :class:`~recbole_idp.models.peterrec.trainer.PeterRecTrainer` loads the pre-trained ones. ``transfer`` says what is
    trained. With ``patches`` these are the patches, the second norm of each block, the vector of [TCL] and the vectors
    of the candidates; all else stays as pre-trained.

    Attributes:
        patches: The patches, in the order of the encoder; none where ``transfer`` has none.
    """

    encoder: TokenEncoder

    def __init__(self, config: Config, dataset: ModelData) -> None:
        settings = PeterRecSettings.of(config)
        self.transfer, self.kind, self.table_penalty = settings.transfer, settings.encoder, settings.table_penalty
        super().__init__(config, dataset)
        self.encoder_kind = f"{self.kind}Token"
        self.patches: list[nn.Module] = []
        if self.transfer == "patches":
            self.encoder_kind = f"{self.kind}Patched"
            sizes = settings.insertion, settings.cardinality, settings.initializer_range
            self.patches = add_patches(self.encoder, self.hidden_size, *sizes)

    def build_encoder(self, config: Config) -> TokenEncoder:
        """Build the encoder that reads the user at [TCL]."""
        settings, max_length = PeterRecSettings.of(config), config["MAX_ITEM_LIST_LENGTH"]
        return user_encoder(settings, max_length, PostActivationBlock, self.initializer_range)

    def start_from(self, state: Mapping[str, torch.Tensor], rows: torch.Tensor) -> None:
        """Load the pre-trained encoder, and the pre-trained vectors of the history items.

        Args:
            state: Pre-trained weights of ``item_embedding`` and ``encoder``.
            rows: The pre-trained row of each history item, 0 for an item without; int64, shape [S].

        Raises:
            UserError: The weights are of other sizes than this model's.
        """
        pretrained = {name: value for name, value in state.items() if name.startswith("encoder.")}
        take_over(self.encoder, pretrained, ["encoder"], SIZES[self.kind], "the pre-trained PeterRec", without=ADAPTER)
        self.load_history(state["item_embedding.weight"], rows)

    def freeze(self) -> None:
        """Freeze what ``transfer`` does not train (section 3.3 of the paper)."""
        if self.transfer in ("head", "patches"):
            norms = second_norms(self.encoder.encoder) if self.patches else []  # type: ignore[arg-type]
            train_only(self, [self.item_embedding, self.encoder.token, *self.patches, *norms])

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over the targets, plus the penalty of the table; see the base class."""
        return super().position_loss(batch) + self.penalty()

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the mean loss, plus the penalty of the table, a hook of RecBole; scalar."""
        return super().calculate_loss(interaction) + self.penalty()

    def penalty(self) -> torch.Tensor | float:
        """Return the weighted half of the squared norm of the candidates' vectors, as the authors' code adds it."""
        if not self.table_penalty:
            return 0.0
        return self.table_penalty * self.item_embedding.weight.pow(2).sum() / 2
