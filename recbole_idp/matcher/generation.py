"""Target ID embeddings from those of matched source items (IDP, e_i = sum_k score_ik e_k)."""

import torch


def paper_weights(similarities, temperature):
    """Each similarity's share of their sum, as the paper has it; negative ones count as zero.

    Args:
        similarities (torch.Tensor): Cosines; shape [T, m].
        temperature (float): Not used.

    Returns:
        torch.Tensor: Non-negative, rows summing to one; uniform where no similarity is positive; shape [T, m].
    """
    positive = similarities.clamp_min(0)
    total = positive.sum(1, keepdim=True)
    return torch.where(total > 0, positive / total.clamp_min(1e-12), torch.full_like(positive, 1 / positive.shape[1]))


def softmax_weights(similarities, temperature):
    """Softmax of the similarities: near twins outweigh the rest.

    Args:
        similarities (torch.Tensor): Cosines; shape [T, m].
        temperature (float): The smaller, the more the best match counts.

    Returns:
        torch.Tensor: Rows summing to one; shape [T, m].
    """
    return torch.softmax(similarities / temperature, 1)


def keep_scale(generated, source):
    """Leaves the averages as the paper's equation gives them."""
    return generated


def source_spread(generated, source):
    """Centres the averages and stretches them to the spread of the source embeddings.

    Averaging m vectors shrinks what tells items apart, and leaves what all have in common: the generated embeddings
    crowd around one point, further inward than anything that the encoder saw in pre-training.

    Args:
        generated (torch.Tensor): Shape [T, D].
        source (torch.Tensor): Shape [S, D].

    Returns:
        torch.Tensor: Around the source's mean, with the source's mean squared distance from it; shape [T, D].
    """
    centre = source.mean(0)
    offset = generated - generated.mean(0)
    spread = (source - centre).pow(2).sum(1).mean().sqrt()
    return centre + offset * (spread / offset.pow(2).sum(1).mean().sqrt().clamp_min(1e-12))


def source_norm(generated, source):
    """Gives each average the mean norm of the source embeddings."""
    return torch.nn.functional.normalize(generated, dim=1) * source.norm(dim=1).mean()


WEIGHTINGS = {"paper": paper_weights, "softmax": softmax_weights}
RESCALINGS = {"none": keep_scale, "spread": source_spread, "norm": source_norm}


def generate(item_embeddings, matches, weighting="paper", temperature=0.05, rescale="none"):
    """Generates the ID embedding of each target item (IDP, embedding generation).

    Args:
        item_embeddings (torch.Tensor): Pre-trained source embeddings; shape [S, D].
        matches (Matches): Matched source items; T rows.
        weighting (str): ``paper`` or ``softmax``.
        temperature (float): Temperature of ``softmax``.
        rescale (str): ``none`` (paper), ``spread`` or ``norm``.

    Returns:
        torch.Tensor: Shape [T, D]; rows of items without text hold the mean of the others.
    """
    similarities = torch.from_numpy(matches.similarities)
    weights = WEIGHTINGS[weighting](similarities, temperature)
    matched = torch.from_numpy(matches.matched)
    chosen = item_embeddings[torch.from_numpy(matches.items)]
    generated = torch.einsum("tm,tmd->td", weights, chosen)
    if matched.any():
        generated[matched] = RESCALINGS[rescale](generated[matched], item_embeddings)
        generated[~matched] = generated[matched].mean(0)
    return generated
