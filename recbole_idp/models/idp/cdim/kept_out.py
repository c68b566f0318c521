"""Matching quality on a source domain that is kept out: its truth is known, and the matcher has not seen it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.errors import UserError
from recbole_idp.models.idp.cdim.depths import train_matcher
from recbole_idp.models.idp.cdim.neighbours import NOBODY, recall_of_neighbours
from recbole_idp.models.idp.cdim.positives import following_neighbours
from recbole_idp.models.idp.cdim.trainer import CUTOFFS
from recbole_idp.models.idp.generation import Evidence, generate
from recbole_idp.search.exact import retrieve

if TYPE_CHECKING:
    from pathlib import Path

    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.models.idp.cdim.depths import SourceItems
    from recbole_idp.models.idp.keys import GenerationSettings, MatcherSettings


def kept_out_quality(
    settings: tuple[MatcherSettings, GenerationSettings],
    items: SourceItems,
    domain: int,
    text_encoder: TextEncoder,
    encoding: TextEncoding,
    checkpoint: Path,
    seed: int,
) -> dict[str, Any]:
    """Train the matcher without a domain, match the domain's items to the rest, and compare with what people took next.

    texts of the other domains -> CDIM -> matches of the domain's items -> generated IDs -> nearest items of the domain
                                                 the domain's own sequences -> its next items -> how many are found

    Args:
        settings: Of the matcher, and of generation.
        items: Items of all source domains.
        domain: Number of the domain.
        text_encoder: The frozen encoder.
        encoding: Where it computes, and the cache of what it gives.
        checkpoint: The file from which an interrupted training resumes.
        seed: Decides on what is held out and drawn.

    Returns:
        ``items``, their number; ``matcher``, the kind that was kept; and how many of the next items are among the
        nearest (``recall@k``) by ``texts`` and ``generated`` IDs, each ``before`` and ``after`` CDIM, and by the
        ``own`` pre-trained IDs, which have seen the domain.

    Raises:
        UserError: The domain has no items with texts and next items, or is the only one.
    """
    matching, generation = settings
    own = (items.domains == domain) & np.any(items.frozen_vectors, axis=1)
    rows, rest = np.flatnonzero(own), np.flatnonzero(items.domains != domain)
    place = np.full(len(own) + 1, NOBODY)
    place[rows] = np.arange(len(rows))
    # NOBODY is the last place.
    truth = place[following_neighbours(items.sequences, len(own), matching.cdim_neighbours, own)[rows]]
    asked = np.flatnonzero((truth != NOBODY).any(1))
    if not len(asked) or not len(rest):
        raise UserError(
            "inspect_kept_out needs a domain with items with texts that stand beside others in users' sequences, and "
            f"another domain to match them to: it has {len(asked):,} such items, the others have {len(rest):,}"
        )
    matcher, about = train_matcher(matching, without(items, domain), text_encoder, encoding, checkpoint, seed)
    # What the domain's own texts would add is no question of matching.
    generation = generation.model_copy(update={"own_texts": 0.0})

    def found(vectors: np.ndarray) -> dict[str, float]:
        return recall_of_neighbours(vectors, truth, asked, CUTOFFS)

    def qualities(vectors: np.ndarray) -> dict[str, dict[str, float]]:
        matches = retrieve(vectors[rows], vectors[rest], generation.top_m)
        generated = generate(Evidence(items.embeddings[rest], vectors[rest], vectors[rows], matches), generation)
        return {"texts": found(vectors[rows]), "generated": found(generated.numpy())}

    return {
        "items": len(asked),
        "matcher": about["matcher"],
        "before": qualities(items.frozen_vectors),
        "after": qualities(matcher.vectors(items.texts, items.frozen_vectors)),
        "own": found(items.embeddings[rows].numpy()),
    }


def without(items: SourceItems, domain: int) -> SourceItems:
    """Return the source items with the texts of a domain blanked, so that no training reads them."""
    kept = items.domains != domain
    texts = [text if keep else "" for text, keep in zip(items.texts, kept, strict=True)]
    return dataclasses.replace(items, texts=texts, frozen_vectors=items.frozen_vectors * kept[:, None])
