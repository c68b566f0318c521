"""Adapter4Rec: a pre-trained MoRec that small networks adapt to a target (arXiv 2305.15036)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from recbole_idp.data.rows import Batch
from recbole_idp.errors import UserError
from recbole_idp.models.adapter4rec.item_adapters import adapt_content, adapter_state
from recbole_idp.models.adapter4rec.keys import Adapter4RecSettings
from recbole_idp.models.base.serving import AdaptedParts
from recbole_idp.models.morec.model import MoRec
from recbole_idp.nn.adapters.forms import adapt_sequence_encoder
from recbole_idp.nn.adapters.sockets import is_adapter

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.content.trainable.interface import TrainableContent
    from recbole_idp.content.trainable.text import TrainableText
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.base.serving import ItemParts, Serving
    from recbole_idp.models.morec.contents import ItemContents
    from recbole_idp.models.morec.pretrain import PretrainedMoRec
    from recbole_idp.train.clock import StageClock


class Adapter4Rec(MoRec):
    """MoRec, pre-trained on source domains and tuned by adapters (arXiv 2305.15036, section 3).

    item texts -> text encoder with adapters -> dense layer -> item vectors
    item ids -> item vectors + positions -> SASRec blocks with adapters -> last state . item vectors -> scores

    With ``transfer: adapters`` all that was pre-trained is frozen, the dense layer and positions included, and the
    adapters are trained (and the norms, ``train_layer_norms``). The other values make it MoRec, for comparison. What is
    pre-trained is MoRec's: its folder serves both.
    """

    def __init__(self, config: Config, dataset: ModelData, contents: ItemContents | None = None) -> None:
        self.settings = Adapter4RecSettings.of(config)
        super().__init__(config, dataset, contents)
        if self.settings.transfer == "adapters":
            self.encoder_kind = f"{self.encoder_kind}Adapted"
            adapt_sequence_encoder(self.encoder, self.settings.user_form())  # type: ignore[arg-type]  # as built

    def build_content(self, config: Config) -> TrainableContent | None:
        """Return the items' texts with an encoder that is trained, or whose adapters are."""
        content = super().build_content(config)
        if content is not None and self.settings.transfer == "adapters":
            if self.settings.content != "text":
                raise UserError(
                    "adapters are grafted into text encoders, and content is image: give --transfer=fine_tune, or "
                    "--train_encoder=none, which has them in the sequence encoder alone"
                )
            adapt_content(cast("TrainableText", content), self.settings.content_adapters())
        return content

    @classmethod
    def find_pretrained(cls, config: Config, clock: StageClock | None = None) -> PretrainedMoRec:
        """Open the pre-trained MoRec, and make it first where it is not there; see the base class."""
        return MoRec.find_pretrained(config, clock)

    def freeze(self) -> None:
        """Freeze all but the adapters, and the norms where they are trained, if adapters are what is trained.

        With ``transfer: zero_shot`` nothing is trained, with the other values all of it.
        """
        if self.settings.transfer == "zero_shot":
            self.requires_grad_(False)
        if self.settings.transfer != "adapters":
            return
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(is_adapter(name))
        if self.settings.train_layer_norms:
            for module in self.modules():
                if isinstance(module, nn.LayerNorm):
                    module.requires_grad_(True)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over the targets of the objective; arguments as in :class:`SequenceModel`."""
        if self.settings.objective == "cpc":
            batch = Batch(tuple((items, last_target(targets)) for items, targets in batch.parts), batch.n_targets)
        return super().position_loss(batch)

    def content_parts(self, config: Config, dataset: SequenceDataset) -> ItemParts | None:
        """Return what makes an item's vector from its text, with adapters apart from what was pre-trained."""
        parts = super().content_parts(config, dataset)
        if parts is None or self.content is None or self.settings.transfer != "adapters":
            return parts
        state = adapter_state(cast("TrainableText", self.content))
        return AdaptedParts(**vars(parts), adapters=self.settings.content_adapters().values(), state=state)

    def current_encoder(
        self, config: Config, dataset: SequenceDataset, start: PretrainedMoRec | None
    ) -> tuple[Any, bool]:
        """Return the content encoder without adapters, and whether it cannot be loaded by its name again."""
        if self.settings.transfer != "adapters":
            return super().current_encoder(config, dataset, start)
        return self.start_encoder(config, dataset, start)

    def serving(self) -> Serving:
        """Return the parts that compute scores; an encoder without adapters is of the kind without."""
        found = super().serving()
        if self.settings.adapter == "soft_prompt":
            return dataclasses.replace(found, encoder_kind=str(found.encoder_kind).removesuffix("Adapted"))
        return found


def last_target(targets: torch.Tensor) -> torch.Tensor:
    """Return the last target of each row, at its place, and 0 elsewhere; shape [B, L].

    Args:
        targets: Target at each position, 0 for none; int64, shape [B, L].
    """
    places = torch.arange(targets.shape[1], device=targets.device)
    last = torch.where(targets > 0, places, -1).amax(1, keepdim=True)
    return torch.where(places == last, targets, 0)
