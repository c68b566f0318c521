"""Target ID embeddings from those of the source items: the generators, chosen by name."""

from dataclasses import dataclass

import numpy as np
import torch

from recbole_idp.search.exact import Matches

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
        settled (int | None): Means and spread are those of this many of the first target items; the others join a model
            that is trained already. None: of all.
    """

    item_embeddings: torch.Tensor
    source_vectors: np.ndarray
    target_vectors: np.ndarray
    matches: Matches
    settled: int | None = None


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
    return learned(evidence.target_vectors, evidence.settled)


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
    weights = softmax_weights(evidence.matches.similarities, config["match_temperature"])
    generated = learned(evidence.target_vectors, evidence.settled)
    return generated + confidence(evidence.matches) * weighted_average(beyond, evidence.matches, weights)


def blend(evidence, config):
    """Puts the target's own texts beside :func:`mixture` where an item has no near twin.

    The map knows what texts say about behaviour in the sources, and forgets what it was never needed for there: which
    of the target's items are alike. e_i = (1 - s_i) mixture_i + s_i R p_i, with p_i the principal components of the
    target's own vectors, as far apart as the mixture, R the rotation that brings them nearest to it, and s_i =
    ``own_texts`` (1 - c_i).

    Args:
        evidence (Evidence): Sources, target and matches.
        config (Config): With ``own_texts`` and the keys of :func:`mixture`.

    Returns:
        torch.Tensor: Shape [T, D].
    """
    mixed, settled = mixture(evidence, config), evidence.settled
    centre = mixed[:settled].mean(0)
    offset = mixed - centre
    spread = root_mean_square(offset[:settled])
    own = principal_components(evidence.target_vectors, mixed.shape[1], spread, settled)
    share = config["own_texts"] * (1 - confidence(evidence.matches))
    return centre + (1 - share) * offset + share * (own @ rotation(own[:settled], offset[:settled]))


def confidence(matches):
    """Returns how sure it is that the best match is a near twin: c_i, its similarity to a high power; shape [T, 1]."""
    return torch.from_numpy(matches.similarities[:, :1]).clamp(0, 1).pow(TWIN_POWER)


def rotation(vectors, wanted):
    """Finds the rotation R that brings ``vectors @ R`` nearest to ``wanted``, both centred (orthogonal Procrustes)."""
    left, _, right = torch.linalg.svd(vectors.double().t() @ wanted.double())
    return (left @ right).float()


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
        Callable: Maps vectors of shape [T, W] to float32 [T, D]; each set of vectors is centred by its own mean, or by
        that of its first rows, as the mean text of a domain tells domains apart and not items.
    """
    # In double precision: texts of one shop are alike, so that the least of 384 variances is a millionth of the first.
    source = torch.from_numpy(centred(vectors)).double()
    wanted = (item_embeddings - item_embeddings.mean(0)).double()
    products = source.t() @ source
    penalty = ridge * products.diagonal().mean()
    weights = torch.linalg.solve(products + penalty * torch.eye(len(products), dtype=torch.double), source.t() @ wanted)
    weights = weights.float()
    return lambda others, settled=None: torch.from_numpy(centred(others, settled)) @ weights + item_embeddings.mean(0)


def centred(vectors, settled=None):
    """Subtracts the mean of the items, or of the first ``settled``, that have a text; those without stay zero."""
    present = np.linalg.norm(vectors, axis=1, keepdims=True) > 0
    # NumPy 1 makes float64 of float32 over a whole number that needs more than 16 bits.
    return (vectors - vectors[:settled].sum(0) / np.float32(max(1, present[:settled].sum()))) * present


def keep_scale(generated, spread, centre, settled=None):
    """Leaves the embeddings as the generator made them."""
    return generated


def to_spread(generated, spread, centre, settled=None):
    """Centres the embeddings and stretches them to a given spread.

    Averaging m vectors shrinks what tells items apart, and leaves what all have in common: the generated embeddings
    crowd around one point, further inward than anything that the encoder saw in pre-training.

    Args:
        generated (torch.Tensor): Shape [T, D].
        spread (float): Root of the mean squared distance from the centre.
        centre (torch.Tensor): Where the embeddings' mean goes; shape [D].
        settled (int, optional): Mean and spread are those of this many of the first rows.

    Returns:
        torch.Tensor: Shape [T, D].
    """
    offset = generated - generated[:settled].mean(0)
    return centre + offset * (spread / root_mean_square(offset[:settled]).clamp_min(1e-12))


def root_mean_square(vectors):
    """Returns the root of the rows' mean squared length, a scalar."""
    return vectors.pow(2).sum(1).mean().sqrt()


def to_norm(generated, spread, centre, settled=None):
    """Gives each embedding the same length: that of a vector at the given distance from the centre.

    Args:
        generated (torch.Tensor): Shape [T, D].
        spread (float): The spread of the embeddings that the result shall resemble.
        centre (torch.Tensor): Their mean; shape [D].
        settled (int, optional): Not looked at.

    Returns:
        torch.Tensor: Shape [T, D].
    """
    length = (centre.pow(2).sum() + spread**2).sqrt()
    return torch.nn.functional.normalize(generated, dim=1) * length


GENERATORS = {"paper": paper, "neighbours": neighbours, "map": text_map, "mixture": mixture, "blend": blend}
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
    if not matched[: evidence.settled].any():
        return generated
    settled = int(matched[: evidence.settled].sum())
    if config["generator"] != "paper":
        centre = evidence.item_embeddings.mean(0)
        rescale, spread = RESCALINGS[config["rescale"]], config["generated_spread"]
        generated[matched] = rescale(generated[matched], spread, centre, settled)
    generated[~matched] = generated[matched][:settled].mean(0)
    return generated


def principal_components(vectors, width, spread, settled=None):
    """Makes IDs of the target's own texts, with no source domain: the control that a transfer has to beat.

    Args:
        vectors (np.ndarray): Text vectors of the target items, zero where an item has no text; shape [T, W].
        width (int): D.
        spread (float): Root of the mean squared distance from the centre that the result shall have.
        settled (int, optional): Centre, directions and spread are those of this many of the first items.

    Returns:
        torch.Tensor: The first D principal components, centred; columns beyond W are zero; shape [T, D].
    """
    texts = torch.from_numpy(centred(vectors, settled)).double()
    _, directions = torch.linalg.eigh(texts[:settled].t() @ texts[:settled])
    components = texts @ directions.flip(1)[:, :width]
    components = torch.nn.functional.pad(components, (0, width - components.shape[1])).float()
    return to_spread(components, spread, torch.zeros(width), settled)
