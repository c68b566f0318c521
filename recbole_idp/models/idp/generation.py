"""Generators of target ID embeddings from those of the source items, chosen by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.models.idp.components import component_directions
from recbole_idp.search.exact import Matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from recbole_idp.models.idp.keys import GenerationSettings

TWIN_POWER = 16
"""How fast the mixture's confidence falls: 0.99 of the best match's similarity give 0.85, 0.9 give 0.19, 0.7 give 0."""


@dataclass(frozen=True)
class Evidence:
    """The input of a generator. S source items, T target items, D width of IDs, W width of text vectors.

    Attributes:
        item_embeddings: Pre-trained ID embeddings of the source items; shape [S, D].
        source_vectors: Their text vectors, zero where an item has no text; shape [S, W].
        target_vectors: Text vectors of the target items, likewise; shape [T, W].
        matches: The matched source items of each target item.
        settled: Number of the first target items over which means and spread are taken; the others are added to a model
            that is already trained. None: all.
    """

    item_embeddings: torch.Tensor
    source_vectors: np.ndarray
    target_vectors: np.ndarray
    matches: Matches
    settled: int | None = None


def paper(evidence: Evidence, settings: GenerationSettings) -> torch.Tensor:
    """Average the matched IDs, each weighted by its similarity's share of their sum (IDP, score_ij and e_i).

    Args:
        evidence: Sources, target and matches.
        settings: Not used.

    Returns:
        Shape [T, D].
    """
    return weighted_average(evidence.item_embeddings, evidence.matches, paper_weights(evidence.matches.similarities))


def neighbours(evidence: Evidence, settings: GenerationSettings) -> torch.Tensor:
    """Average the matched IDs by a softmax of the similarities, so that near twins outweigh the other matches.

    Args:
        evidence: Sources, target and matches.
        settings: With ``match_temperature``.

    Returns:
        Shape [T, D].
    """
    weights = softmax_weights(evidence.matches.similarities, settings.match_temperature)
    return weighted_average(evidence.item_embeddings, evidence.matches, weights)


def text_map(evidence: Evidence, settings: GenerationSettings) -> torch.Tensor:
    """Apply a linear map from text vectors to IDs, learned on all source items by ridge regression.

    Where a target item has no near twin, the average over its matches is the noise of a few dissimilar items. A map
    learned on all source items gives what texts say about behaviour.

    Args:
        evidence: Sources, target and matches.
        settings: With ``map_ridge``.

    Returns:
        Shape [T, D].
    """
    learned = fit_text_map(evidence.source_vectors, evidence.item_embeddings, settings.map_ridge)
    return learned(evidence.target_vectors, evidence.settled)


def mixture(evidence: Evidence, settings: GenerationSettings) -> torch.Tensor:
    """Add to :func:`text_map` its residuals on the matched items, with more weight the nearer the matches are.

    e_i = map(t_i) + c_i * sum_k score_ik (e_k - map(t_k)), c_i being the best match's similarity to a high power:
    almost one for a twin, almost zero for an item that is merely of the same kind.

    Args:
        evidence: Sources, target and matches.
        settings: With ``map_ridge`` and ``match_temperature``.

    Returns:
        Shape [T, D].
    """
    learned = fit_text_map(evidence.source_vectors, evidence.item_embeddings, settings.map_ridge)
    beyond = evidence.item_embeddings - learned(evidence.source_vectors)
    weights = softmax_weights(evidence.matches.similarities, settings.match_temperature)
    generated = learned(evidence.target_vectors, evidence.settled)
    return generated + confidence(evidence.matches) * weighted_average(beyond, evidence.matches, weights)


def blend(evidence: Evidence, settings: GenerationSettings) -> torch.Tensor:
    """Mix the target's own texts into :func:`mixture` where an item has no near twin.

    The map knows what texts say about behaviour in the sources. It loses what was of no use there: which of the
    target's items are similar. e_i = (1 - s_i) mixture_i + s_i R p_i, with p_i the principal components of the target's
    own vectors, scaled to the spread of the mixture, R the rotation that brings them nearest to it, and
    s_i = ``own_texts`` (1 - c_i).

    Args:
        evidence: Sources, target and matches.
        settings: With ``own_texts``, and what :func:`mixture` reads.

    Returns:
        Shape [T, D].
    """
    mixed, settled = mixture(evidence, settings), evidence.settled
    centre = mixed[:settled].mean(0)
    offset = mixed - centre
    spread = root_mean_square(offset[:settled])
    own = principal_components(evidence.target_vectors, mixed.shape[1], spread, settled)
    share = settings.own_texts * (1 - confidence(evidence.matches))
    return centre + (1 - share) * offset + share * (own @ rotation(own[:settled], offset[:settled]))


def confidence(matches: Matches) -> torch.Tensor:
    """Return the confidence that the best match is a near twin: c_i, its similarity to a high power; shape [T, 1]."""
    return torch.from_numpy(matches.similarities[:, :1]).clamp(0, 1).pow(TWIN_POWER)


def rotation(vectors: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    """Find the rotation R that brings ``vectors @ R`` nearest to ``goal``, both centred (orthogonal Procrustes)."""
    left, _, right = torch.linalg.svd(vectors.double().t() @ goal.double())
    return (left @ right).float()


def paper_weights(similarities: np.ndarray) -> torch.Tensor:
    """Return each similarity's share of their sum, as in the paper; negative ones count as zero.

    Args:
        similarities: Cosines; shape [T, m].

    Returns:
        Non-negative, rows summing to one; uniform where no similarity is positive; shape [T, m].
    """
    positive = torch.from_numpy(similarities).clamp_min(0)
    total = positive.sum(1, keepdim=True)
    return torch.where(total > 0, positive / total.clamp_min(1e-12), torch.full_like(positive, 1 / positive.shape[1]))


def softmax_weights(similarities: np.ndarray, temperature: float) -> torch.Tensor:
    """Return the softmax of the similarities.

    Args:
        similarities: Cosines; shape [T, m].
        temperature: Of the softmax; the smaller, the more the best match counts.

    Returns:
        Rows summing to one; shape [T, m].
    """
    return torch.softmax(torch.from_numpy(similarities) / temperature, 1)


def match_weights(matches: Matches, settings: GenerationSettings) -> torch.Tensor:
    """Return the weights of the matches for the configured generator; shape [T, m].

    Args:
        matches: T rows of m items.
        settings: With ``generator`` and ``match_temperature``.
    """
    if settings.generator == "paper":
        return paper_weights(matches.similarities)
    return softmax_weights(matches.similarities, settings.match_temperature)


def weighted_average(item_embeddings: torch.Tensor, matches: Matches, weights: torch.Tensor) -> torch.Tensor:
    """Average the rows of matched items: e_i = sum_k score_ik e_k.

    Args:
        item_embeddings: Shape [S, D].
        matches: T rows of m items.
        weights: Shape [T, m].

    Returns:
        Shape [T, D].
    """
    return torch.einsum("tm,tmd->td", weights, item_embeddings[torch.from_numpy(matches.items)])


def fit_text_map(vectors: np.ndarray, item_embeddings: torch.Tensor, ridge: float) -> Callable[..., torch.Tensor]:
    """Learn a linear map from text vectors to ID embeddings.

    Args:
        vectors: Text vectors, zero where an item has no text; shape [S, W].
        item_embeddings: Shape [S, D].
        ridge: Penalty of the map's weights, relative to the mean variance of the vectors' coordinates.

    Returns:
        A function from vectors of shape [T, W] to float32 [T, D]. Each set of vectors is centred by its own mean, or by
        that of its first rows: the mean text of a domain distinguishes domains, not items.
    """
    # In double precision: texts of one shop are alike, so that the least of 384 variances is a millionth of the first.
    source = torch.from_numpy(centred(vectors)).double()
    ids = (item_embeddings - item_embeddings.mean(0)).double()
    products = source.t() @ source
    penalty = ridge * products.diagonal().mean()
    weights = torch.linalg.solve(products + penalty * torch.eye(len(products), dtype=torch.double), source.t() @ ids)
    weights = weights.float()
    return lambda others, settled=None: torch.from_numpy(centred(others, settled)) @ weights + item_embeddings.mean(0)


def centred(vectors: np.ndarray, settled: int | None = None) -> np.ndarray:
    """Subtract the mean of the items, or of the first ``settled``, that have a text; others stay zero."""
    present = np.linalg.norm(vectors, axis=1, keepdims=True) > 0
    # NumPy 1 makes float64 of float32 over a whole number that needs more than 16 bits.
    return (vectors - vectors[:settled].sum(0) / np.float32(max(1, present[:settled].sum()))) * present


def keep_scale(
    generated: torch.Tensor, spread: float | torch.Tensor, centre: torch.Tensor, settled: int | None = None
) -> torch.Tensor:
    """Return the embeddings as the generator made them; arguments as in :func:`to_spread`."""
    return generated


def to_spread(
    generated: torch.Tensor, spread: float | torch.Tensor, centre: torch.Tensor, settled: int | None = None
) -> torch.Tensor:
    """Centre the embeddings and scale them to a given spread.

    Averaging m vectors shrinks the differences between items and keeps what they have in common. The generated
    embeddings then lie closer to one point than any that the encoder saw in pre-training.

    Args:
        generated: Shape [T, D].
        spread: Root of the mean squared distance from the centre.
        centre: Mean of the result; shape [D].
        settled: Number of the first rows over which mean and spread are taken. None: all.

    Returns:
        Shape [T, D].
    """
    offset = generated - generated[:settled].mean(0)
    return centre + offset * (spread / root_mean_square(offset[:settled]).clamp_min(1e-12))


def root_mean_square(vectors: torch.Tensor) -> torch.Tensor:
    """Return the root of the rows' mean squared length, a scalar."""
    return vectors.pow(2).sum(1).mean().sqrt()


def to_norm(generated: torch.Tensor, spread: float, centre: torch.Tensor, settled: int | None = None) -> torch.Tensor:
    """Scale each embedding to the same length: that of a vector at the given distance from the centre.

    Args:
        generated: Shape [T, D].
        spread: The spread of the embeddings that the result should resemble.
        centre: Their mean; shape [D].
        settled: Not used.

    Returns:
        Shape [T, D].
    """
    length = (centre.pow(2).sum() + spread**2).sqrt()
    return torch.nn.functional.normalize(generated, dim=1) * length


GENERATORS = {"paper": paper, "neighbours": neighbours, "map": text_map, "mixture": mixture, "blend": blend}
RESCALINGS = {"none": keep_scale, "spread": to_spread, "norm": to_norm}


def generate(evidence: Evidence, settings: GenerationSettings) -> torch.Tensor:
    """Generate the ID embedding of each target item (IDP, embedding generation).

    Args:
        evidence: Sources, target and matches.
        settings: With ``generator``, ``rescale``, ``generated_spread`` and what the generator itself reads.

    Returns:
        Shape [T, D]; rows of items without text hold the mean of the others. The result of ``paper`` is not rescaled,
        as the paper does not.
    """
    generated = GENERATORS[settings.generator](evidence, settings)
    matched = torch.from_numpy(evidence.matches.matched)
    if not matched[: evidence.settled].any():
        return generated
    settled = int(matched[: evidence.settled].sum())
    if settings.generator != "paper":
        centre = evidence.item_embeddings.mean(0)
        rescale, spread = RESCALINGS[settings.rescale], settings.generated_spread
        generated[matched] = rescale(generated[matched], spread, centre, settled)
    generated[~matched] = generated[matched][:settled].mean(0)
    return generated


def principal_components(
    vectors: np.ndarray,
    width: int,
    spread: float | torch.Tensor,
    settled: int | None = None,
    whitening: float = 0.0,
) -> torch.Tensor:
    """Make IDs from the target's own texts, with no source domain: the control that a transfer has to beat.

    Args:
        vectors: Text vectors of the target items, zero where an item has no text; shape [T, W].
        width: Width D of the IDs.
        spread: Root of the mean squared distance of the result from its centre.
        settled: Number of the first items over which centre, directions and spread are taken. None: all.
        whitening: See :func:`~recbole_idp.models.idp.components.component_directions`.

    Returns:
        The first D principal components, centred; columns beyond W are zero; shape [T, D].
    """
    texts = torch.from_numpy(centred(vectors, settled)).double()
    components = texts @ component_directions(texts[:settled], width, whitening)
    components = torch.nn.functional.pad(components, (0, width - components.shape[1])).float()
    return to_spread(components, spread, torch.zeros(width), settled)
