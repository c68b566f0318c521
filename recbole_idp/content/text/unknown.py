"""Tokens of texts that a text encoder does not know, as in a script that its tokenizer was not made for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import numpy as np

from recbole_idp.content.text.interface import distinct_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.text.sentence import SentenceEncoder

_LOOKED_AT = 2000
_FEW = 0.1
_SHOWN = 40


def warn_of_unknown_tokens(encoder: TextEncoder, texts: Sequence[str]) -> None:
    """Log a warning where a text encoder does not know a tenth or more of the tokens of texts.

    Args:
        encoder: The encoder.
        texts: The texts, of which some thousand are looked at.
    """
    if not encoder.has_tokens:
        return
    found, _ = distinct_texts(texts)
    looked_at = [found[place] for place in np.linspace(0, len(found) - 1, min(_LOOKED_AT, len(found))).astype(int)]
    shares = unknown_shares(cast("SentenceEncoder", encoder), looked_at)
    unknown, total = shares.sum(0) if len(shares) else (0, 0)
    if total and unknown >= _FEW * total:
        worst = looked_at[int((shares[:, 0] / np.maximum(shares[:, 1], 1)).argmax())]
        logging.getLogger().warning(
            f"text encoder {encoder.name} does not know {100 * unknown / total:.0f} % of the tokens of texts, such as "
            f"of {worst[:_SHOWN]!r}: their script or language may be none of its own, another text_encoder reads more"
        )


def unknown_shares(encoder: SentenceEncoder, texts: Sequence[str]) -> np.ndarray:
    """Count the tokens that an encoder does not know.

    Args:
        encoder: The encoder.
        texts: M texts.

    Returns:
        Unknown tokens and all tokens of each text, without those that the tokenizer adds; int64, shape [M, 2].
    """
    tokenizer = encoder.model.tokenizer
    if tokenizer.unk_token_id is None or not texts:
        return np.zeros((len(texts), 2), dtype=np.int64)
    rows = tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=encoder.max_tokens)["input_ids"]
    return np.array([(row.count(tokenizer.unk_token_id), len(row)) for row in rows], dtype=np.int64)
