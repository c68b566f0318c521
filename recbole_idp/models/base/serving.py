"""What :mod:`recbole_idp.serving` needs of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

if TYPE_CHECKING:
    from recbole_idp.content.image.encoder import ImageEncoder
    from recbole_idp.content.text.interface import TextEncoder


@dataclass(frozen=True)
class ContentParts:
    """What makes an item's vector from its text: vector of the text - mean, of length one -> dense layers with GELU.

    Attributes:
        encoder: The text encoder, as trained or fitted.
        mean: Shape [W].
        layers: The dense layers.
        max_tokens: Tokens that are read of a text.
        kept: Whether the encoder cannot be loaded by its name again, as it was trained or fitted.
    """

    form: ClassVar[str] = "dense"

    encoder: TextEncoder
    mean: torch.Tensor
    layers: Sequence[nn.Linear]
    max_tokens: int
    kept: bool


@dataclass(frozen=True)
class AdaptedParts(ContentParts):
    """What makes an item's vector from its text where the encoder has adapters; ``encoder`` has none.

    Attributes:
        adapters: What decides on the adapters.
        state: The weights that are not those of the encoder.
    """

    form: ClassVar[str] = "adapted"

    adapters: Mapping[str, Any]
    state: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class PictureParts:
    """What makes an item's vector from its picture: vector of the picture - mean, of length one -> dense layers.

    Attributes:
        encoder: The image encoder, as trained.
        mean: Shape [W].
        layers: The dense layers, with GELU.
        field: Column of the ``.item`` file that names pictures; None: the usual ones.
        kept: As of :class:`ContentParts`.
    """

    form: ClassVar[str] = "picture"

    encoder: ImageEncoder
    mean: torch.Tensor
    layers: Sequence[nn.Linear]
    field: str | None
    kept: bool


@dataclass(frozen=True)
class LinearPictureParts:
    """What makes an item's vector from its picture: vector of the picture -> dense layer.

    Attributes:
        encoder: As of :class:`PictureParts`.
        layer: The dense layer.
        field: Likewise.
        kept: Likewise.
    """

    form: ClassVar[str] = "linear_picture"

    encoder: ImageEncoder
    layer: nn.Linear
    field: str | None
    kept: bool


@dataclass(frozen=True)
class PatchParts:
    """What makes an item's vector from the patches of its picture: states -> dense layers with ReLU -> mean, or first.

    Attributes:
        encoder: As of :class:`PictureParts`.
        layers: The dense layers.
        is_mean: Whether the mean over all states is taken, instead of the first.
        field: As of :class:`PictureParts`.
        kept: Likewise.
    """

    form: ClassVar[str] = "patches"

    encoder: ImageEncoder
    layers: Sequence[nn.Linear]
    is_mean: bool
    field: str | None
    kept: bool


@dataclass(frozen=True)
class PooledParts:
    """What makes an item's vector from its text: states of the text's tokens -> attention over them -> vector.

    Attributes:
        encoder: The text encoder, as trained or fitted.
        head: Turns states [B, L, H] and their mask [B, L] into vectors [B, D].
        n_heads: Heads of its attention.
        max_tokens: As of :class:`ContentParts`.
        kept: Likewise.
    """

    form: ClassVar[str] = "pooled"

    encoder: TextEncoder
    head: nn.Module
    n_heads: int
    max_tokens: int
    kept: bool


ItemParts = ContentParts | PictureParts | LinearPictureParts | PatchParts | PooledParts
"""What makes an item's vector from its content, in one of the forms."""


@dataclass(frozen=True)
class Serving:
    """The parts that compute scores without the model's class. N items with padding, I inputs, D width.

    The inputs are the items, and after them those of other domains that histories hold.

    history -> item vectors -> encoder -> state [D] (normalised, / temperature) . candidate vectors + bias -> scores

    Attributes:
        item_vectors: Vector of every input, row 0 being padding; shape [I, D].
        candidate_vectors: Vector of every item as candidate; shape [N, D].
        item_bias: Bias added to the score of every item; shape [N]. None: no bias.
        encoder: Turns item vectors into states; for a model with a user head, encoder and head as one module.
        encoder_kind: The kind by which :mod:`recbole_idp.serving.user_encoder` builds the encoder again; None: it
            cannot be built without the model's class, so that no folder is written.
        excludes_history: Whether items of the history are never recommended: training did not compare them.
        hidden_event: Whether the user's state is that of a mask token after the last item (BERT4Rec), instead of that
            of the last item.
        temperature: Divides states of length one (UniSRec). None: states are used as they are.
        tokenizer: What makes tokens of the texts of items that are added later, as text (Recformer); None: items are
            not read as texts.
        takes_generated_items: Whether an item that is added later needs a generated vector and nothing else (IDP).
        sizes: Sizes of the encoder that are not those of the configuration, by key.
        parts: Those of the models whose scores are added; their vectors stand side by side. Empty: it is one model.
        part_weights: Weight of the scores of each of these parts.
    """

    item_vectors: torch.Tensor
    candidate_vectors: torch.Tensor
    item_bias: torch.Tensor | None
    encoder: nn.Module
    encoder_kind: str | None
    excludes_history: bool = False
    hidden_event: bool = False
    temperature: float | None = None
    tokenizer: str | None = None
    takes_generated_items: bool = False
    sizes: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Serving, ...] = ()
    part_weights: tuple[float, ...] = ()


def linear_layers(layers: nn.Sequential) -> list[nn.Linear]:
    """Return the dense layers of a sequence, without activations and dropout."""
    return [layer for layer in layers if isinstance(layer, nn.Linear)]
