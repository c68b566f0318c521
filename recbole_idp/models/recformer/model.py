"""Recformer: items and histories as text, in one encoder (arXiv 2305.13731)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import functional

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.encoded_items import EncodedItemsModel
from recbole_idp.models.base.transferred import take_over, weights_of
from recbole_idp.models.recformer.batches import DrawnTargets
from recbole_idp.models.recformer.catalogue import input_attributes
from recbole_idp.models.recformer.first_weights import hash_tokens, start_as_mean, start_layers, start_tokens
from recbole_idp.models.recformer.items import tokens_of_items
from recbole_idp.models.recformer.longformer import LongformerSizes
from recbole_idp.models.recformer.sequence_encoder import TextSequenceEncoder
from recbole_idp.models.recformer.tokenizer import Tokenizer, tokenizer_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recbole.config import Config

    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.data.rows import Batch, Batches
    from recbole_idp.data.sequences import Targets
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.base.serving import Serving
    from recbole_idp.models.recformer.items import Attributes

_NO_LENGTH = 1e-6
_ENCODED_TOGETHER = 4096
_TRANSFERRED = ("encoder.longformer",)
SIZES = ("hidden_size", "n_layers", "n_heads", "inner_size", "max_tokens", "MAX_ITEM_LIST_LENGTH")
"""Keys that must be equal in pre-training and on the target for the weights to fit."""


class Recformer(EncodedItemsModel):
    """Recformer: language representations of items and histories (arXiv 2305.13731).

    item -> name and value of each attribute, as tokens
    history -> start token, tokens of the newest item, of the one before, ... -> Longformer -> state of the start token
    candidate -> the same, as a sequence of one item
    cosine of both, divided by the temperature -> scores

    The vectors of candidates take no part in the gradient: they are made again at the start of each epoch of the first
    stage of training, and kept in the second. A checkpoint has those that it was validated with.

    Shapes: B batch, L items of a history, n tokens, D width, N items; I inputs, which are the items and, where users
    are joined with other domains, the items of these.

    Attributes:
        tokenizer (Tokenizer): What makes tokens of attributes.
        item_matrix: Vectors of the items that were made last; shape [N, D].
        keeps_matrix: Whether candidates are those of the matrix; otherwise they are made of the current weights.
    """

    encoder: TextSequenceEncoder
    item_matrix: torch.Tensor
    keeps_matrix: torch.Tensor
    encoder_kind = "Recformer"

    def __init__(self, config: Config, dataset: ModelData) -> None:
        encoder = self.load_text_encoder(config)
        self.tokenizer = self.load_tokenizer(config, encoder)
        super().__init__(config, dataset)
        del self.item_embedding
        self.temperature = config["temperature"]
        self.set_first_weights(config, encoder)
        attributes = self.read_attributes(config, dataset)
        found = tokens_of_items(self.tokenizer, attributes, config["max_attributes"], config["attribute_tokens"])
        self.take_tokens(found)
        self.register_buffer("item_matrix", torch.zeros(self.n_items, self.hidden_size))
        self.register_buffer("keeps_matrix", torch.tensor(False))

    def load_text_encoder(self, config: Config) -> TextEncoder:
        """Load the text encoder, whose tokens are read and whose weights may be the first ones."""
        return TextEncoding.of(config).load_encoder()

    def load_tokenizer(self, config: Config, encoder: TextEncoder) -> Tokenizer:
        """Return what makes tokens of attributes."""
        return tokenizer_for(encoder)

    def read_attributes(self, config: Config, dataset: Any) -> Sequence[Attributes]:
        """Return the attributes of inputs 1 to I - 1."""
        return input_attributes(TextEncoding.of(config), dataset)

    def take_tokens(self, found: Mapping[str, torch.Tensor]) -> None:
        """Take the tokens of all inputs; argument as of :meth:`ItemTokens.fill`."""
        self.encoder.items.fill(found)

    def build_encoder(self, config: Config) -> TextSequenceEncoder:
        """Build the encoder of tokens."""
        sizes = LongformerSizes(
            self.tokenizer.size,
            max_items=config["MAX_ITEM_LIST_LENGTH"],
            **{
                field.name: config[field.name]
                for field in dataclasses.fields(LongformerSizes)
                if field.name not in ("vocabulary", "max_items")
            },
        )
        return TextSequenceEncoder(sizes, config["layer_norm_eps"])

    def set_first_weights(self, config: Config, encoder: TextEncoder) -> None:
        """Start from weights of the text encoder, as ``first_weights`` says; hashed words have none."""
        longformer, start = self.encoder.longformer, config["first_weights"]
        if start == "layers" and encoder.has_tokens:
            start_layers(longformer, cast("SentenceEncoder", encoder))
        elif start != "random":
            if encoder.has_tokens:
                start_tokens(longformer, cast("SentenceEncoder", encoder))
            else:
                hash_tokens(longformer)
            start_as_mean(longformer)

    def start_from(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load pre-trained weights.

        Args:
            state: Weights of ``encoder.longformer``, named as in this model.

        Raises:
            UserError: The weights are of other sizes than this model's.
        """
        take_over(self, state, _TRANSFERRED, (*SIZES, "text_encoder"), "the pre-trained Recformer")
        self.keeps_matrix.fill_(False)

    def training_batches(self, targets: Targets, config: Config, generator: torch.Generator) -> Batches:
        """Build rows of one target for each user; arguments as in :class:`SequenceModel`."""
        return DrawnTargets(targets, config["MAX_ITEM_LIST_LENGTH"], config["train_batch_size"], generator)

    @torch.no_grad()
    def encode_items(self) -> torch.Tensor:
        """Compute the vector of every item, of length one, without dropout; shape [N, D]."""
        return self._encoded(torch.arange(self.n_items, device=self.item_matrix.device))

    def _encoded(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the vectors of some inputs, without dropout and gradient; shape [R, D]."""
        self.encoder.eval()
        parts = [unit(self.encoder.encode_items(part)) for part in rows.split(_ENCODED_TOGETHER)]
        self.encoder.train(self.training)
        return torch.cat(parts)

    def refresh_items(self) -> None:
        """Make the vectors of all items again, and keep them."""
        self.item_matrix.copy_(self.encode_items())
        self.keeps_matrix.fill_(True)

    def item_vectors(self) -> torch.Tensor:
        """Return the vector of every item; shape [N, D]."""
        return self.item_matrix if self.keeps_matrix else super().item_vectors()

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Encode histories; shape [B, 1, D]: a history has one state, of length one, divided by the temperature."""
        return (unit(self.encoder.encode(items)) / self.temperature).unsqueeze(1)

    def forward(self, item_seq: torch.Tensor, item_seq_len: torch.Tensor) -> torch.Tensor:
        """Encode histories; arguments as in :class:`SequenceModel`; shape [B, D]."""
        return self.encode(item_seq).squeeze(1)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss of rows that have one target each, after their last event.

        Args:
            batch: Parts of items and targets of shape [B, L].

        Returns:
            Scalar.
        """
        states = torch.cat([self.encode(items).squeeze(1) for items, _ in batch.parts])
        wanted = torch.cat([targets.amax(1) for _, targets in batch.parts])
        return self.loss(states, wanted, self.candidate_vectors(), None)

    @torch.no_grad()
    def serving(self) -> Serving:
        """Return the parts that compute scores: the encoder with the tokens of all inputs, cosines, the temperature."""
        others = torch.arange(self.n_items, self.n_inputs, device=self.item_matrix.device)
        vectors = self.item_vectors()
        return dataclasses.replace(
            super().serving(),
            item_vectors=torch.cat([vectors, self._encoded(others)]) if len(others) else vectors,
            temperature=self.temperature,
            sizes={"vocabulary": self.tokenizer.size},
            tokenizer=self.tokenizer.text(),
        )


def transferable(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights that pre-training transfers: those of the encoder of tokens, by their names."""
    return weights_of(model, *_TRANSFERRED)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Divide vectors by their length; shape [..., D]."""
    return functional.normalize(vectors, dim=-1, eps=_NO_LENGTH)
