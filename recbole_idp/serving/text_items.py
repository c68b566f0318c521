"""Add items to a trained model that reads items as texts: their tokens are encoded as those of the others are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from recbole_idp.errors import UserError
from recbole_idp.models.recformer.items import tokens_of_items
from recbole_idp.models.recformer.tokenizer import tokenizer_of
from recbole_idp.serving.new_items import TEXT_KEYS, NewItems, read_new_items
from recbole_idp.serving.user_encoder import TextUserEncoder, build_user_encoder
from recbole_idp.storage.files import json_value
from recbole_idp.storage.schema import SchemaError, check_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recbole_idp.serving.trained_model import TrainedModel

_SAYS = {**TEXT_KEYS, "max_attributes": int, "attribute_tokens": int}
_ITEMS = "items."


@torch.inference_mode()
def add_text_items(trained: TrainedModel, path: str | Path) -> tuple[TrainedModel, NewItems]:
    """Add the items of a file to a model.

    attributes -> tokens -> encoder -> item vectors; the tokens are kept, as histories are read by them

    Args:
        trained: The model, which is not changed.
        path: An ``.item`` file.

    Returns:
        The extended model, not saved yet, and the new items.

    Raises:
        UserError: The file cannot be read, or has no new item with a text, or the model's folder is damaged.
    """
    config = trained.description["config"]
    try:
        check_schema(config, _SAYS, "config")
        tokenizer = tokenizer_of(json_value(trained.tokenizer or ""))
    except (SchemaError, ValueError) as error:
        raise UserError(f"{trained.folder} takes no items, as {error}: train the model again") from None
    new = read_new_items(trained, path)
    found = tokens_of_items(tokenizer, new.attributes, config["max_attributes"], config["attribute_tokens"])
    first_other, count = trained.n_items, len(new.texts)
    state = with_tokens(trained.encoder, found, first_other)
    encoder: Any = build_user_encoder(trained.description, state, trained.item_vectors)
    added = encoded(encoder, torch.arange(first_other, first_other + count))
    extended = dataclasses.replace(
        trained,
        # The items of other domains come after those of the target.
        item_vectors=torch.cat([trained.item_vectors[:first_other], added, trained.item_vectors[first_other:]]),
        candidate_vectors=torch.cat([trained.candidate_vectors, added]),
        encoder=state,
        tokens=[*trained.tokens, *new.texts],
        titles=[*trained.titles, *new.titles],
        description={**trained.description, "added": trained.description["added"] + count},
        users=None if trained.users is None else trained.users.renumbered(first_other, count),
        folder=None,
    )
    return extended, new


def encoded(encoder: TextUserEncoder, rows: torch.Tensor) -> torch.Tensor:
    """Return the vectors of some inputs as candidates, of length one; shape [R, D]."""
    return functional.normalize(encoder.encoder.encode_items(rows), dim=1, eps=1e-6)


def with_tokens(
    state: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], place: int
) -> dict[str, torch.Tensor]:
    """Put the tokens of further items among those of an encoder.

    Args:
        state: The encoder's state.
        found: Result of :func:`tokens_of_items`.
        place: The number that the first of them gets.

    Returns:
        The state with them; the numbers of items behind them are higher.
    """
    offsets = state[f"{_ITEMS}offsets"]
    cut = int(offsets[place])
    joined = {
        name: torch.cat([state[_ITEMS + name][:cut], found[name], state[_ITEMS + name][cut:]])
        for name in ("ids", "kinds")
    }
    # Row 0 of what was found is that of padding.
    own = found["offsets"][2:] + cut
    joined["offsets"] = torch.cat([offsets[: place + 1], own, offsets[place + 1 :] + len(found["ids"])])
    return {**state, **{_ITEMS + name: value for name, value in joined.items()}}
