"""Compare text encoders: a row of the board for each model that reads texts and each encoder, and for zero-shot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from recbole_idp import registry
from recbole_idp.config.declarations import model_settings
from recbole_idp.errors import UserError

ZERO_SHOT, SCRATCH = "zero_shot", "scratch"
_BETWEEN = " · "


def encoder_rows(
    models: Mapping[str, str],
    own: Mapping[str, Any],
    encoders: Sequence[str],
    dataset: str,
    transfer: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Make rows of a board, with options of their own.

    Args:
        models: Name of each row that was asked for -> its model.
        own: The options of rows of their own.
        encoders: Text encoders: hub names, folders, or ``lsa``.
        dataset: A dataset, whose YAML files may add keys.
        transfer: The value of ``transfer`` that all rows are given; None: each model's default.

    Returns:
        Name of each row -> its options, with its model. A model that reads no texts has one row. One that reads some
        has a row for each encoder; where it is pre-trained on source domains, and has no ``transfer`` of its own, a
        further one without training on the target.

    Raises:
        UserError: Two encoders have one name, a model that is given reads its own encoder, or no model reads texts.
    """
    named = _named(encoders)
    rows: dict[str, dict[str, Any]] = {}
    for row, model in models.items():
        options = {**own.get(row, {}), "model": model}
        if not (model in registry.models() and registry.reads_texts(model)):
            rows[row] = options
            continue
        if "text_encoder" in options:
            raise UserError(f"model_options gives {row} a text_encoder, and text_encoders others: give one of the two")
        setting = model_settings(model, dataset).get("transfer")
        without_training = (
            setting is not None
            and ZERO_SHOT in setting.words
            and "transfer" not in options
            and (transfer or setting.default) not in (ZERO_SHOT, SCRATCH)
        )
        for name, encoder in named.items():
            read = {**options, "text_encoder": encoder}
            rows[f"{row}{_BETWEEN}{name}"] = read
            if without_training:
                rows[f"{row}{_BETWEEN}{name}{_BETWEEN}zero-shot"] = {**read, "transfer": ZERO_SHOT}
    if rows.keys() == models.keys():
        raise UserError(
            f"text_encoders: none of {', '.join(models)} reads texts: name a model such as MoRec or UniSRec"
        )
    return rows


def _named(encoders: Sequence[str]) -> dict[str, str]:
    """Return the encoders by their names on the board: hub names as they are, folders by their last part."""
    found: dict[str, str] = {}
    for encoder in encoders:
        name = os.path.basename(encoder.rstrip("/")) if os.path.isdir(encoder) else encoder
        if name in found:
            raise UserError(
                f"text_encoders has {found[name]} and {encoder}, both named {name}: rename one of the folders"
            )
        found[name] = encoder
    return found
