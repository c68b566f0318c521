"""Prediction, before the target is trained, of whether transfer is likely to help.

training users: four fifths -> vectors of the items --+
                         generated embeddings --------+--> which of two items followed a third? <-- the other fifth

Shapes: T target items, D width of ID embeddings, W width of text vectors, R targets, Q questions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.models.idp.co_occurrence import behaviour_vectors, following
from recbole_idp.models.idp.diagnosis import cosines
from recbole_idp.models.idp.generation import centred

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recbole_idp.data.sequences import Targets

PARTS = 5
FEWEST_QUESTIONS, QUESTIONS = 1_000, 50_000
MOST_TARGETS = 1_000_000
"""Where there are more, those of randomly drawn users are used."""
LIKELY, UNLIKELY = 0.004, 0.003
"""Bits that the generated embeddings add; see :func:`predict`."""

_REASONS = {
    "likely": "the generated embeddings know what the target's own data do not tell",
    "unlikely": "the generated embeddings know little that the target's own data do not tell",
    "unclear": "what the generated embeddings know beyond the target's own data is little, or not sure",
}


def predict(targets: Targets, generated: np.ndarray, text_vectors: np.ndarray, seed: int) -> dict[str, Any]:
    """Predict whether transfer is better than training from scratch.

    ``likely`` where the generated embeddings add 0.004 bits to the target's own data (:func:`gain_figures`), and three
    standard errors; ``unlikely`` where they add less than 0.003, and less than 0.004 with two standard errors added.
    The limits were drawn between the first three of these targets, the others came later; generator ``mixture``, CDIM
    ``head``:

    - ml-100k carved into two platforms with the same films: 0.104 to 0.112 bits; transfer helped by 54 %;
    - Office from five other Amazon categories: 0.0051 to 0.0056; it helped by 24 %, no more than the target's texts
      do, and nothing is added beyond these;
    - ml-100k's films since 1995 from the films before, none in common: 0.0019 to 0.0023; it made no difference;
    - Arts from the five: 0.038; it helped by 24 %;
    - a web shop, OnlineRetail, from the five: 0.0028; it made no difference;
    - ml-1m from the five: 0.0006; it made no difference;
    - RecBole's ml-100k from ml-1m: 0.007 to 0.011; 12 % above scratch, which may be chance.

    It covers neither what the pre-trained encoder contributes nor items without any event.

    Args:
        targets: Training targets; items are numbered from 1.
        generated: Generated embeddings of the items, zero without text; shape [T, D].
        text_vectors: Vectors of their texts, likewise; shape [T, W].
        seed: Seed of the samples.

    Returns:
        ``verdict`` (``likely``, ``unclear`` or ``unlikely``), ``reason`` in words, and the ``figures``, or None.
    """
    figures = gain_figures(targets, generated, text_vectors, seed)
    if figures is None:
        return {"verdict": "unclear", "reason": "the target's training data are too few to tell", "figures": None}
    added, error = figures["generated"], figures["error"]
    verdict = "unclear"
    if added >= max(LIKELY, 3 * error):
        verdict = "likely"
    elif added < UNLIKELY and added + 2 * error < LIKELY:
        verdict = "unlikely"
    return {"verdict": verdict, "reason": f"{_REASONS[verdict]}; {_in_words(figures)}", "figures": figures}


def _in_words(figures: Mapping[str, float]) -> str:
    # Plus zero, which takes the sign from what is rounded to nothing.
    bits = {name: f"{round(1000 * value, 1) + 0:.1f}" for name, value in figures.items()}
    return (
        "asked which of two items comes next, they add {generated} thousandths of a bit to the {own} of these data; "
        "the texts alone add {texts}, and the generated embeddings {beyond_texts} to both"
    ).format(**bits)


def gain_figures(
    targets: Targets, generated: np.ndarray, text_vectors: np.ndarray, seed: int
) -> dict[str, float] | None:
    """Measure what the generated embeddings add to the target's own data about its behaviour.

    The question is which of two items followed a third: the one that did, or one that followed elsewhere and so is as
    popular. A logistic regression answers from the difference of the two cosines, by vectors that the other users give,
    alone or with the generated embeddings beside them. A guess is worth no bit, a certain answer one.

    Args:
        targets: As in :func:`predict`, like the other arguments.

    Returns:
        ``questions``, their number; the bits that the ``own`` data give; those that ``generated`` embeddings or
        ``texts`` add to it, and generated ones to both (``beyond_texts``); and the standard ``error`` of what generated
        ones add. None where there are too few questions.
    """
    draw = np.random.default_rng(seed)
    others = {"generated": centred(generated), "texts": centred(text_vectors)}
    margins: dict[str, list[np.ndarray]] = {name: [] for name in ("own", *others)}
    asked = 0
    for rest, part in _parts(targets, draw):
        questions = _questions(targets, part, len(generated), draw)
        own = behaviour_vectors(targets, len(generated), seed, rest)
        for name, vectors in {"own": own, **others}.items():
            margins[name].append(_margins(vectors, *questions))
        asked += len(questions[0])
        if asked >= QUESTIONS:
            break
    if asked < FEWEST_QUESTIONS:
        return None
    own, generated, texts = (np.concatenate(found) for found in margins.values())
    alone, with_texts = _bits(own), _bits(own, texts)
    added = _bits(own, generated) - alone
    return {
        "questions": asked,
        "own": float(alone.mean()),
        "generated": float(added.mean()),
        "error": float(added.std() / np.sqrt(asked)),
        "texts": float((with_texts - alone).mean()),
        "beyond_texts": float((_bits(own, texts, generated) - with_texts).mean()),
    }


def _parts(targets: Targets, draw: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, for each fifth of the users, the rows of the other four fifths and its own; shape [R] each."""
    user_of = np.searchsorted(targets.sequences.offsets.numpy(), targets.ends.numpy(), side="right")
    users, user_of, events = np.unique(user_of, return_inverse=True, return_counts=True)
    order = draw.permutation(len(users))
    kept = order[np.cumsum(events[order]) <= MOST_TARGETS]
    nobody = -1
    part_of = np.full(len(users), nobody)
    part_of[kept] = np.arange(len(kept)) % PARTS
    part_of = part_of[user_of]
    for part in range(PARTS):
        yield np.flatnonzero((part_of != part) & (part_of != nobody)), np.flatnonzero(part_of == part)


def _questions(
    targets: Targets, rows: np.ndarray, n_items: int, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw items, those that followed them, and others; no two of the three are the same; shape [Q] each."""
    before, after = following(targets, draw.permutation(rows), n_items)
    other = draw.permutation(after)
    apart = np.flatnonzero((before != after) & (other != after) & (other != before))[:QUESTIONS]
    return before[apart], after[apart], other[apart]


def _margins(vectors: np.ndarray, before: np.ndarray, after: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return by how much an item is nearer to what followed it than to what did not; shape [Q]."""
    return cosines(vectors, vectors, before, after) - cosines(vectors, vectors, before, other)


def _bits(*margins: np.ndarray) -> np.ndarray:
    """Answer all questions from some margins, of shape [Q] each; return the bits of each answer; shape [Q]."""
    from sklearn.linear_model import LogisticRegression

    table = np.stack(margins, 1).astype(np.float64)
    table /= np.maximum(np.sqrt(np.square(table).mean(0)), 1e-12)
    # Each question is asked from both sides, so that no side is favoured.
    answers = np.repeat([1, 0], len(table))
    fitted = LogisticRegression(C=1e4, fit_intercept=False).fit(np.concatenate([table, -table]), answers)
    return 1 - np.logaddexp(0, -(table @ fitted.coef_[0])) / np.log(2)
