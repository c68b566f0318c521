"""Weights that Recformer starts from: those of a Longformer, or of another encoder of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from recbole_idp.errors import UserError
from recbole_idp.models.recformer.longformer import FIRST_POSITION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.models.recformer.longformer import Longformer

_GLOBAL = ("query", "key", "value")
# How much longer than its own vector the mean of the others is, which the start token adds to it.
_GAIN = 2.0
# How far apart the positions of two items are in the direction by which the start token weighs them, how many items
# differ, and how much that counts. Found on the validation of Office.
_STEP, _AGES, _SHARPNESS = 0.2, 4, 0.5
# Of hashed words: as that of other encoders' token vectors, so that positions do not count as much as words.
_SPREAD = 0.08


@torch.no_grad()
def start_tokens(longformer: Longformer, encoder: SentenceEncoder) -> None:
    """Start the token vectors from those of an encoder, reduced to their first principal components where narrower.

    Args:
        longformer: The encoder, whose token vectors are replaced.
        encoder: The text encoder with the same tokens.

    Raises:
        UserError: Its vectors are narrower than those of the encoder.
    """
    own = longformer.embeddings.word_embeddings.weight
    table = cast("Any", encoder.model[0]).model.get_input_embeddings().weight.detach().float().cpu()
    width = own.shape[1]
    if table.shape[1] < width:
        raise UserError(
            f"hidden_size is {width}, but the tokens of {encoder.name} have vectors of {table.shape[1]}: give "
            f"hidden_size={table.shape[1]} or less, or first_weights=random"
        )
    own.copy_(table if table.shape[1] == width else principal_components(table, width))


@torch.no_grad()
def hash_tokens(longformer: Longformer) -> None:
    """Start the token vectors of hashed words, which have no meaning, at random.

    Args:
        longformer: The encoder, whose token vectors are replaced.
    """
    longformer.embeddings.word_embeddings.weight.normal_(std=_SPREAD)


@torch.no_grad()
def start_as_mean(longformer: Longformer) -> None:
    """Let the start token begin as a mean of the other tokens, in which those of newer items weigh more.

    So texts with the same words are near one another from the first step on. Layers that begin at random would have to
    learn this first, of far more texts than a small encoder reads.

    In each layer the start token's values pass unchanged but for one direction, drawn at random. Along it the positions
    of the newest items differ, and its keys are the tokens' parts in it.

    Args:
        longformer: The encoder, whose layers are random.
    """
    positions = longformer.embeddings.item_position_embeddings.weight
    width = positions.shape[1]
    direction = torch.randn(width)
    direction = direction - direction.mean()
    direction = direction / direction.norm()
    older = (torch.arange(len(positions)) - 1).clamp(0, _AGES - 1)
    positions -= _STEP * older.unsqueeze(1) * direction
    for layer in longformer.encoder.layer:
        attention, output = layer.attention.self, layer.attention.output.dense
        head = width // attention.n_heads
        for part in (attention.query_global.weight, attention.key_global.weight):
            part.zero_()
        # The first element of each head's query and key; the scale of attention is undone.
        attention.query_global.bias[::head] = 1
        attention.key_global.weight[::head] = _SHARPNESS * head**0.5 * direction
        attention.value_global.weight.copy_(torch.eye(width) - torch.outer(direction, direction))
        output.weight.copy_(_GAIN * torch.eye(width))


def principal_components(table: torch.Tensor, width: int) -> torch.Tensor:
    """Reduce vectors to their first principal components.

    Args:
        table: Shape [V, W].
        width: Number of components, at most W.

    Returns:
        Centred, the sign of each component such that its largest weight is positive; shape [V, width].
    """
    centred = (table - table.mean(0)).double()
    _, vectors = torch.linalg.eigh(centred.t() @ centred)
    chosen = vectors[:, -width:].flip(1)
    largest = chosen.gather(0, chosen.abs().argmax(0, keepdim=True))
    return (centred @ (chosen * largest.sign())).float()


@torch.no_grad()
def start_layers(longformer: Longformer, encoder: SentenceEncoder) -> None:
    """Start tokens, positions and layers from those of an encoder of the kind of BERT, RoBERTa or Longformer.

    What Longformer has and the others lack is taken as Longformer's authors took it: the start token's projections are
    those of the other tokens. Kinds of tokens and positions of items stay random, as in Recformer.

    Args:
        longformer: The encoder, whose weights are replaced.
        encoder: The text encoder with the same tokens, as wide as it, and with as many layers or more.

    Raises:
        UserError: Its weights are of other names or sizes.
    """
    given: Mapping[str, torch.Tensor] = cast("Any", encoder.model[0]).model.state_dict()
    own = longformer.state_dict()
    for name, value in own.items():
        if "token_type" in name or "item_position" in name:
            continue
        found = _source_of(name, given)
        if name == "embeddings.position_embeddings.weight" and found is not None:
            # Positions of BERT begin with 0, those of RoBERTa and Longformer as here.
            rows = found if _family(encoder) != "bert" else torch.cat([found[:FIRST_POSITION], found])
            found = rows[: len(value)]
        if found is None or found.shape != value.shape:
            there = "no such weights" if found is None else f"shape {list(found.shape)}"
            raise UserError(
                f"first_weights=layers: {encoder.name} does not fit this model ({name} has shape {list(value.shape)} "
                f"here, and {there} there): give hidden_size, n_layers, inner_size and max_tokens that it has, or "
                "first_weights=tokens"
            )
        value.copy_(found)


def _source_of(name: str, given: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    """Return the weights that start some of ours."""
    if name in given:
        return given[name]
    for part in _GLOBAL:
        name = name.replace(f".{part}_global.", f".{part}.")
    return given.get(name)


def _family(encoder: SentenceEncoder) -> str:
    return str(cast("Any", encoder.model[0]).model.config.model_type)
