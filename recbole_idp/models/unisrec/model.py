"""UniSRec: universal sequence representations from item texts (arXiv 2206.05941)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.serving import Serving
from recbole_idp.models.base.text_model import TextModel
from recbole_idp.models.base.text_vectors import frozen_text_vectors
from recbole_idp.models.base.transferred import ENCODER_KEYS, take_over, weights_of
from recbole_idp.models.unisrec.adaptor import MixtureAdaptor
from recbole_idp.nn.lookup import lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from recbole.config import Config
    from torch import nn

    from recbole_idp.data.dataset import SequenceDataset

_NO_LENGTH = 1e-6
_TRANSFERRED = ("encoder", "item_encoder")


class UniSRec(TextModel):
    """UniSRec, inductive: items are their texts alone (arXiv 2206.05941).

    item texts -> frozen vectors -> whitening experts, mixed -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> cosine of last state and item vectors, divided by the
    temperature -> scores

    Built from a configuration alone its weights are random. :class:`~recbole_idp.models.unisrec.trainer.UniSRecTrainer`
    loads those pre-trained on the source domains and then trains the adaptor, with frozen blocks.

    Attributes:
        encoder_keys: Keys that must be equal before and after the transfer for the weights to fit.
    """

    # They are those of the folder with the pre-trained weights, which need not be there when a checkpoint is opened.
    texts_in_checkpoint = True
    encoder_keys: tuple[str, ...] = (*ENCODER_KEYS, "n_experts")

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        super().__init__(config, dataset)
        self.temperature = config["temperature"]
        self._cached_candidates: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None)

    def read_texts(self, config: Config, dataset: SequenceDataset) -> torch.Tensor:
        """Return the text vectors of all inputs as the adaptor reads them; shape [I, W]."""
        return adaptor_inputs(frozen_text_vectors(TextEncoding.of(config), dataset))

    def build_item_encoder(self, config: Config, text_width: int) -> MixtureAdaptor:
        """Build the adaptor."""
        return MixtureAdaptor(text_width, self.hidden_size, config["n_experts"], config["adaptor_dropout_prob"])

    def candidate_vectors(self) -> torch.Tensor:
        """Return the vector of every item as candidate, of length one; shape [N, D]."""
        vectors = self.item_vectors()
        if vectors is not self._cached_vectors:
            return unit(vectors[: self.n_items])
        # Evaluation asks for each chunk of users, and a large catalogue takes long to be divided.
        if self._cached_candidates[0] is not vectors:
            self._cached_candidates = (vectors, unit(vectors[: self.n_items]))
        return self._cached_candidates[1]  # type: ignore[return-value]  # set together with the first

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Encode sequences; the states are of length one, divided by the temperature; shape [B, L, D]."""
        return unit(super().encode(items)) / self.temperature

    def serving(self) -> Serving:
        """Return the parts that compute scores: cosines, divided by the temperature."""
        return dataclasses.replace(super().serving(), temperature=self.temperature)

    def start_from(self, state: Mapping[str, torch.Tensor], text_vectors: np.ndarray) -> None:
        """Load pre-trained weights, and the text vectors by their text encoder.

        Args:
            state: Weights of ``encoder`` and ``item_encoder``, named as in this model.
            text_vectors: Vectors of inputs 1 to I - 1; shape [I - 1, W].

        Raises:
            UserError: The weights are of other sizes than this model's.
        """
        inputs = adaptor_inputs(text_vectors).to(self.text_vectors)
        weights, parts = {**state, "text_vectors": inputs}, (*_TRANSFERRED, "text_vectors")
        take_over(self, weights, parts, (*self.encoder_keys, "text_encoder"), "the pre-trained UniSRec")

    def freeze_blocks(self) -> None:
        """Freeze positions and blocks as pre-trained: training changes the adaptor and the input's norm."""
        for part in (self.encoder.position_embedding, self.encoder.blocks):
            part.requires_grad_(False)


class UniSRec_IDt(UniSRec):
    """UniSRec_{ID+t}, transductive: an ID, random at first, is added to each item's adapted text (arXiv 2206.05941).

    item vectors = adapted texts + IDs, at the input and at the candidate side; all else as in :class:`UniSRec`.
    """

    def keeps_ids(self, config: Config) -> bool:
        """Return that there is a table of IDs."""
        return True

    def encode_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Compute the vectors of some inputs; as in :class:`TextModel`."""
        return super().encode_rows(rows) + lookup(self.item_embedding.weight, rows)

    def encode_items(self) -> torch.Tensor:
        """Compute the vector of every input; shape [I, D]."""
        return super().encode_items() + self.item_embedding.weight


def transferable(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights that pre-training transfers: those of adaptor and sequence encoder, by their names."""
    return weights_of(model, *_TRANSFERRED)


def adaptor_inputs(vectors: np.ndarray) -> torch.Tensor:
    """Scale text vectors to the length that the adaptor's first weights and its learning rate are made for.

    Text encoders differ in the length of their vectors: that of BERT's states is about the square root of their width,
    that of sentence encoders often one.

    Args:
        vectors: Vectors of inputs 1 to I - 1, zero for items without text; shape [I - 1, W].

    Returns:
        Of length sqrt(W), zero for the padding item and for items without text; shape [I, W].
    """
    padded = torch.nn.functional.pad(torch.from_numpy(vectors), (0, 0, 1, 0))
    return unit(padded) * padded.shape[1] ** 0.5


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Divide vectors by their length; one of zeros stays as it is, with a finite gradient; shape [..., D]."""
    lengths = vectors.norm(dim=-1, keepdim=True)
    return vectors / torch.where(lengths > _NO_LENGTH, lengths, torch.ones_like(lengths))
