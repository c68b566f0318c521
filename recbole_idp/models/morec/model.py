"""MoRec: recommendation from the content of items instead of their IDs (arXiv 2303.13835)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.content.trainable.text import TrainableText, check_layers
from recbole_idp.errors import UserError
from recbole_idp.models.base.text_model import TextModel
from recbole_idp.models.base.text_vectors import centred_text_vectors, input_texts
from recbole_idp.nn.dropout import Dropout
from recbole_idp.nn.encoder.bias_free import BiasFreeEncoder
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.lookup import lookup
from recbole_idp.nn.loss import PairwiseLoss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recbole.config import Config

    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.content.trainable.interface import TrainableContent
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.rows import Batch

_ENCODED_TOGETHER = 512
_NO_LENGTH = 1e-12


class MoRec(TextModel):
    """MoRec: the content of items in SASRec, two-stage or end to end (arXiv 2303.13835, sections 3 and 4).

    item texts -> text encoder -> dense layers with GELU -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    One dense layer, the paper's "DT layer", takes the place of the ID table; more of them may follow
    (``projection_layers``). ``train_encoder`` says which parts of the text encoder are trained with the rest: none, the
    paper's two-stage way; the last layers; or all, its end-to-end way. Then each step encodes what it reads, once:
    all items for the softmax over all of them, the batch's items and the drawn ones for binary cross-entropy
    (``--loss_type=BCE``, the paper's loss).

    Text vectors are centred over the items, and of length one: those of sentence encoders lie close together. The mean
    is that of the encoder before training, so that training starts from what the frozen vectors give.

    Attributes:
        content (TrainableContent | None): The texts and their encoder, where it is trained.
        text_mean: Mean of the items' frozen vectors; shape [W].
    """

    text_mean: torch.Tensor

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        super().__init__(config, dataset)
        self.id_fusion = config["id_fusion"]
        self.fusion = fusion_layer(self.hidden_size, config["id_fusion"], config["projection_dropout_prob"])
        self.content = trainable_content(config, dataset)
        if self.content is not None:
            # The frozen vectors of all inputs are not read any more.
            self.text_vectors = self.text_vectors[:0]

    def read_texts(self, config: Config, dataset: SequenceDataset) -> torch.Tensor:
        """Return the frozen text vectors of all inputs, and keep their mean; shape [I, W]."""
        vectors, mean = centred_text_vectors(TextEncoding.of(config), dataset)
        self.register_buffer("text_mean", mean, persistent=False)
        return vectors

    def keeps_ids(self, config: Config) -> bool:
        """Return whether the model has a table of IDs beside the contents."""
        return config["id_fusion"] != "none"

    def build_encoder(self, config: Config) -> nn.Module:
        """Build the sequence encoder, with RecBole's blocks or the paper's."""
        if config["transformer_block"] == "RecBole":
            return super().build_encoder(config)
        self.encoder_kind = "BiasFree"
        return BiasFreeEncoder(TransformerSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])

    def build_item_encoder(self, config: Config, text_width: int) -> nn.Sequential:
        """Build the dense layers; the paper's blocks, which are made before, get their own first weights."""
        if isinstance(self.encoder, BiasFreeEncoder):
            self.encoder.draw_weights()
        return projection(text_width, self.hidden_size, config["projection_layers"], config["projection_dropout_prob"])

    def encoder_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the content encoder that are trained."""
        if self.content is not None:
            yield from self.content.parameters()

    def content_vectors(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the centred text vectors of some inputs, of length one; arguments as in :meth:`encode_rows`."""
        if self.content is None:
            return self.text_vectors[rows]
        vectors = self.content(rows)
        with_text = vectors.abs().amax(1, keepdim=True) > 0
        centred = functional.normalize(vectors - self.text_mean, dim=1, eps=_NO_LENGTH)
        return torch.where(with_text, centred, torch.zeros_like(centred))

    def encode_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Compute the vectors of some inputs; see :class:`TextModel`."""
        vectors = self.item_encoder(self.content_vectors(rows))
        if self.id_fusion == "none":
            return vectors
        return self.fusion(lookup(self.item_embedding.weight, rows), vectors)

    def encode_items(self) -> torch.Tensor:
        """Compute the vector of every input; shape [I, D]."""
        rows = torch.arange(self.n_inputs, device=self.text_mean.device)
        if self.content is None:
            return self.encode_rows(rows)
        return torch.cat([self.encode_rows(part) for part in rows.split(_ENCODED_TOGETHER)])

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over all positions that have a target; arguments as in :class:`SequenceModel`."""
        if self.content is None or not isinstance(self.loss, PairwiseLoss):
            return super().position_loss(batch)
        # A step encodes what it reads: the batch's items and the negatives, which are drawn first.
        wanted = torch.cat([targets[targets > 0] for _, targets in batch.parts])
        drawn = self.loss.draw(wanted, self.n_items)
        read = torch.cat([wanted, drawn.flatten(), *(items.flatten() for items, _ in batch.parts)])
        with self.items_encoded_once(self.encode_only(read)):
            states = [self.encode(items)[targets > 0] for items, targets in batch.parts]
            return self.loss.compare(*self.loss.scores_of(torch.cat(states), wanted, drawn, self.candidate_vectors()))

    def encode_only(self, read: torch.Tensor) -> torch.Tensor:
        """Compute the vectors of some inputs, each once.

        Args:
            read: Inputs, with repetitions; int64, shape [R].

        Returns:
            Shape [I, D], zero for inputs that are not read.
        """
        rows = torch.unique(read)
        vectors = self.encode_rows(rows)
        return vectors.new_zeros(self.n_inputs, vectors.shape[1]).index_copy(0, rows, vectors)


class AddedIDs(nn.Module):
    """ID + content (arXiv 2303.13835, ADD)."""

    def forward(self, ids: torch.Tensor, contents: torch.Tensor) -> torch.Tensor:
        """Join vectors; all of shape [R, D]."""
        return ids + contents


class ConcatenatedIDs(nn.Module):
    """A dense layer with GELU over ID and content side by side (arXiv 2303.13835, CAT).

    Args:
        width: Width D.
        dropout_prob: Dropout before the layer.
    """

    def __init__(self, width: int, dropout_prob: float) -> None:
        super().__init__()
        self.dropout, self.dense = Dropout(dropout_prob), nn.Linear(2 * width, width)
        nn.init.xavier_normal_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, ids: torch.Tensor, contents: torch.Tensor) -> torch.Tensor:
        """Join vectors; all of shape [R, D]."""
        return functional.gelu(self.dense(self.dropout(torch.cat([ids, contents], 1))))


def fusion_layer(width: int, kind: str, dropout_prob: float) -> nn.Module:
    """Build what joins IDs and contents.

    Args:
        width: Width D.
        kind: ``none``, ``add`` or ``cat``.
        dropout_prob: Dropout of ``cat``.

    Returns:
        A module of two arguments; nothing to call for ``none``.
    """
    if kind == "cat":
        return ConcatenatedIDs(width, dropout_prob)
    return AddedIDs() if kind == "add" else nn.Identity()


def trainable_content(config: Config, dataset: SequenceDataset) -> TrainableContent | None:
    """Return the texts of all inputs with an encoder that is trained.

    Args:
        config: The configuration, with the keys of :class:`TrainedEncoderSettings`.
        dataset: The target.

    Returns:
        The contents; None where the encoder stays frozen.

    Raises:
        UserError: The encoder has no layers, or fewer than are to be trained.
    """
    settings = TrainedEncoderSettings.of(config)
    if settings.train_encoder == "none":
        return None
    encoding = TextEncoding.of(config)
    encoder = encoding.load_encoder()
    if not encoder.has_tokens:
        raise UserError(
            f"train_encoder is {settings.train_encoder}, but {encoder.name} has no layers to train: give none, or "
            "another text_encoder"
        )
    sentence = cast("SentenceEncoder", encoder)
    layers = settings.trained_layers if settings.train_encoder == "last_n" else None
    if layers is not None:
        check_layers(sentence, layers, "trained_layers")
    # Models draw the same first weights whether or not lower layers had to be run first.
    with torch.random.fork_rng(devices=[]):
        return TrainableText(
            sentence,
            input_texts(encoding, dataset),
            layers,
            encoding.cache,
            encoding.show_progress,
            getattr(torch, settings.encoder_precision),
            settings.gradient_checkpointing,
        )


def projection(text_width: int, width: int, n_layers: int, dropout_prob: float) -> nn.Sequential:
    """Build dense layers, each followed by GELU, with dropout before each but the first.

    Args:
        text_width: Width of the first layer's input.
        width: Width of each layer's output.
        n_layers: At least one.
        dropout_prob: Probability that an element becomes zero.

    Returns:
        With Glorot's normal weights and no bias at first, as TCF's code and that of MoRec for images have them; the
        layer of MoRec's code for texts has PyTorch's.
    """
    layers = [nn.Linear(text_width, width), nn.GELU()]
    for _ in range(n_layers - 1):
        layers += [Dropout(dropout_prob), nn.Linear(width, width), nn.GELU()]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
