"""Target ID embeddings from those of the source items: the generators, chosen by name."""

from dataclasses import dataclass

import numpy as np
import torch

from recbole_idp.matcher.retrieval import Matches

TWIN_POWER = 16
"""How fast the mixture's confidence falls: 0.99 of the best match's similarity give 0.85, 0.9 give 0.19, 0.7 give 0."""


@dataclass(frozen=True)
class Evidence:
    """All that a generator may look at. S source items, T target items, D width of IDs, W width of text vectors.

    Attributes:
        item_embeddings (torch.Tensor): Pre-trained ID embeddings of the source items; shape [S, D].
        source_vectors (np.ndarray): Their text vectors, zero where an item has no text; shape [S, W].
        target_vectors (np.ndarray): Text vectors of the target items, likewise; shape [T, W].
        matches (Matches): The matched source items of each target item.
    """

    item_embeddings: torch.Tensor
    source_vectors: np.ndarray
    target_vectors: np.ndarray
    matches: Matches


def paper(evidence, config):
    """Averages the matched IDs, each weighted by its similarity's share of their sum (IDP, score_ij and e_i).

    Args:
        evidence (Evidence): Sources, target and matches.
        config (Config): Not used.

    Returns:
        torch.Tensor: Shape [T, D].
    """
    return weighted_average(evidence.item_embeddings, evidence.matches, paper_weights(evidence.matches.similarities))


def neighbours(evidence, config):
    """Averages the matched IDs by a softmax of the similarities, so that near twins outweigh the rest.

    Args:
        evidence (Evidence): Sources, target and matches.
        config (Config): With ``match_temperature``.

    Returns:
        torch.Tensor: Shape [T, D].
    """
    weights = softmax_weights(evidence.matches.similarities, config["match_temperature"])
    return weighted_average(evidence.item_embeddings, evidence.matches, weights)


def text_map(evidence, config):
    """Applies a linear map from text vectors to IDs, learned on all source items by ridge regression.

    Where a target item has no near twin, the average over its matches is a few unlike items' noise; a map learned from
    all of them gives what their texts say about behaviour.

    Args:
        evidence (Evidence): Sources, target and matches.
        config (Config): With ``map_ridge``.

    Returns:
        torch.Tensor: Shape [T, D].
    """
    learned = fit_text_map(evidence.source_vectors, evidence.item_embeddings, config["map_ridge"])
    return learned(evidence.target_vectors)


def mixture(evidence, config):
    """Adds to :func:`text_map` what the matched items' IDs have beyond it, the more the nearer the matches.

    e_i = map(t_i) + c_i * sum_k score_ik (e_k - map(t_k)), c_i being the best match's similarity to a high power:
    next to one for a twin, next to nothing for an item that is merely of the same kind.

    Args:
        evidence (Evidence): Sources, target and matches.
        config (Config): With ``map_ridge`` and ``match_temperature``.

    Returns:
        torch.Tensor: Shape [T, D].
    """
    learned = fit_text_map(evidence.source_vectors, evidence.item_embeddings, config["map_ridge"])
    beyond = evidence.item_embeddings - learned(evidence.source_vectors)
    similarities = evidence.matches.similarities
    weights = softmax_weights(similarities, config["match_temperature"])
    confidence = torch.from_numpy(similarities[:, :1]).clamp(0, 1).pow(TWIN_POWER)
    return learned(evidence.target_vectors) + confidence * weighted_average(beyond, evidence.matches, weights)


def paper_weights(similarities):
    """Each similarity's share of their sum, as the paper has it; negative ones count as zero.

    Args:
        similarities (np.ndarray): Cosines; shape [T, m].

    Returns:
        torch.Tensor: Non-negative, rows summing to one; uniform where no similarity is positive; shape [T, m].
    """
    positive = torch.from_numpy(similarities).clamp_min(0)
    total = positive.sum(1, keepdim=True)
    return torch.where(total > 0, positive / total.clamp_min(1e-12), torch.full_like(positive, 1 / positive.shape[1]))


def softmax_weights(similarities, temperature):
    """Softmax of the similarities.

    Args:
        similarities (np.ndarray): Cosines; shape [T, m].
        temperature (float): The smaller, the more the best match counts.

    Returns:
        torch.Tensor: Rows summing to one; shape [T, m].
    """
    return torch.softmax(torch.from_numpy(similarities) / temperature, 1)


def match_weights(matches, config):
    """Returns the weights of the matches as the configured generator takes them; shape [T, m].

    Args:
        matches (Matches): T rows of m items.
        config (Config): With ``generator`` and ``match_temperature``.
    """
    if config["generator"] == "paper":
        return paper_weights(matches.similarities)
    return softmax_weights(matches.similarities, config["match_temperature"])


def weighted_average(item_embeddings, matches, weights):
    """Averages the rows of matched items: e_i = sum_k score_ik e_k.

    Args:
        item_embeddings (torch.Tensor): Shape [S, D].
        matches (Matches): T rows of m items.
        weights (torch.Tensor): Shape [T, m].

    Returns:
        torch.Tensor: Shape [T, D].
    """
    return torch.einsum("tm,tmd->td", weights, item_embeddings[torch.from_numpy(matches.items)])


def fit_text_map(vectors, item_embeddings, ridge):
    """Learns a linear map from text vectors to ID embeddings.

    Args:
        vectors (np.ndarray): Text vectors, zero where an item has no text; shape [S, W].
        item_embeddings (torch.Tensor): Shape [S, D].
        ridge (float): Penalty of the map's weights, relative to the mean variance of the vectors' coordinates.

    Returns:
        Callable: Maps vectors of shape [T, W] to float32 [T, D]; each set of vectors is centred by its own mean, as
        the mean text of a domain tells domains apart and not items.
    """
    # In double precision: texts of one shop are alike, so that the least of 384 variances is a millionth of the first.
    source = torch.from_numpy(centred(vectors)).double()
    wanted = (item_embeddings - item_embeddings.mean(0)).double()
    products = source.t() @ source
    penalty = ridge * products.diagonal().mean()
    weights = torch.linalg.solve(products + penalty * torch.eye(len(products), dtype=torch.double), source.t() @ wanted)
    weights = weights.float()
    return lambda others: torch.from_numpy(centred(others)) @ weights + item_embeddings.mean(0)


def centred(vectors):
    """Subtracts the mean of the items that have a text; those without stay zero."""
    present = np.linalg.norm(vectors, axis=1, keepdims=True) > 0
    # NumPy 1 makes float64 of float32 over a whole number that needs more than 16 bits.
    return (vectors - vectors.sum(0) / np.float32(max(1, present.sum()))) * present


def keep_scale(generated, spread, centre):
    """Leaves the embeddings as the generator made them."""
    return generated


def to_spread(generated, spread, centre):
    """Centres the embeddings and stretches them to a given spread.

    Averaging m vectors shrinks what tells items apart, and leaves what all have in common: the generated embeddings
    crowd around one point, further inward than anything that the encoder saw in pre-training.

    Args:
        generated (torch.Tensor): Shape [T, D].
        spread (float): Root of the mean squared distance from the centre.
        centre (torch.Tensor): Where the embeddings' mean goes; shape [D].

    Returns:
        torch.Tensor: Shape [T, D].
    """
    offset = generated - generated.mean(0)
    return centre + offset * (spread / root_mean_square(offset).clamp_min(1e-12))


def root_mean_square(vectors):
    """Returns the root of the rows' mean squared length, a scalar."""
    return vectors.pow(2).sum(1).mean().sqrt()


def to_norm(generated, spread, centre):
    """Gives each embedding the same length: that of a vector at the given distance from the centre.

    Args:
        generated (torch.Tensor): Shape [T, D].
        spread (float): The spread of the embeddings that the result shall resemble.
        centre (torch.Tensor): Their mean; shape [D].

    Returns:
        torch.Tensor: Shape [T, D].
    """
    length = (centre.pow(2).sum() + spread**2).sqrt()
    return torch.nn.functional.normalize(generated, dim=1) * length


GENERATORS = {"paper": paper, "neighbours": neighbours, "map": text_map, "mixture": mixture}
RESCALINGS = {"none": keep_scale, "spread": to_spread, "norm": to_norm}


def generate(evidence, config):
    """Generates the ID embedding of each target item (IDP, embedding generation).

    Args:
        evidence (Evidence): Sources, target and matches.
        config (Config): With ``generator``, ``rescale``, ``generated_spread`` and the generator's own keys.

    Returns:
        torch.Tensor: Shape [T, D]; rows of items without text hold the mean of the others. ``paper`` is not rescaled:
        it is the paper's equations and nothing else.
    """
    generated = GENERATORS[config["generator"]](evidence, config)
    matched = torch.from_numpy(evidence.matches.matched)
    if not matched.any():
        return generated
    if config["generator"] != "paper":
        centre = evidence.item_embeddings.mean(0)
        generated[matched] = RESCALINGS[config["rescale"]](generated[matched], config["generated_spread"], centre)
    generated[~matched] = generated[matched].mean(0)
    return generated


def principal_components(vectors, width, spread):
    """Makes IDs of the target's own texts, with no source domain: the control that a transfer has to beat.

    Args:
        vectors (np.ndarray): Text vectors of the target items, zero where an item has no text; shape [T, W].
        width (int): D.
        spread (float): Root of the mean squared distance from the centre that the result shall have.

    Returns:
        torch.Tensor: The first D principal components, centred; columns beyond W are zero; shape [T, D].
    """
    texts = torch.from_numpy(centred(vectors)).double()
    _, directions = torch.linalg.eigh(texts.t() @ texts)
    components = texts @ directions.flip(1)[:, :width]
    components = torch.nn.functional.pad(components, (0, width - components.shape[1])).float()
    return to_spread(components, spread, torch.zeros(width))
