"""What PRECISE's targeted training compares: users for an item, as in the paper, or items for a user."""

import torch
from torch.nn import functional

from recbole_idp.model.in_batch import held_by_rows, in_batch_softmax_loss

CONTRASTS = ("users", "items", "both", "softmax")
"""``users`` is the paper's BPR; ``items`` fixes the user and contrasts the batch's items; ``both`` adds the two;
``softmax`` lets the batch's items compete for the user, each counted once."""


def competition_loss(users, vectors, targets, items, shares):
    """Estimates the cross-entropy of each row's target item against all items from the target items of the batch.

    This is universal training's loss with one state a row. Items of other rows, compared with by how often they are
    there, would take their popularity off the scores, and with it much of what universal training has learned.

    Args:
        users (torch.Tensor): User vectors h'; shape [B, D].
        vectors (torch.Tensor): Vectors of the items that the batch has, padding first; shape [K, D].
        targets (torch.LongTensor): Each row's target item among them; shape [B].
        items (torch.LongTensor): The rows' events among them, which are no negatives; shape [B, L].
        shares (torch.Tensor): Share of each of them in the training targets; shape [K].

    Returns:
        torch.Tensor: Scalar, the mean over the rows.
    """
    candidates = targets.unique()
    held, rows = held_by_rows(items, len(vectors), candidates), torch.arange(len(users), device=users.device)
    place, bias = torch.searchsorted(candidates, targets), absence_bias(shares[candidates], len(targets))
    return in_batch_softmax_loss(users, place, rows, vectors[candidates], bias, held) / len(users)


def absence_bias(shares, n_targets):
    """Returns what is added to the scores of a batch's items so that their softmax estimates that over all items.

    Args:
        shares (torch.Tensor): Share of each item in the training targets; shape [K].
        n_targets (int): How many targets the batch has.

    Returns:
        torch.Tensor: Minus the logarithm of the chance that the item is among them; shape [K].
    """
    return -(-torch.expm1(n_targets * torch.log1p(-shares.clamp(1e-9, 1 - 1e-6)))).log()


def contrast_loss(users, items, targets, who, kind="users"):
    """Computes L_bpr (arXiv 2412.06308): -log sigmoid(h'_u . e_u - h'_u' . e_u), e_u being the target item of u.

    The paper sums over all pairs; here each row counts once, by the mean over its negatives. Rows with the same target
    or the same user are no negatives of one another; a row that has none counts nothing.

    Args:
        users (torch.Tensor): User vectors h'; shape [B, D].
        items (torch.Tensor): Vector of each row's target item; shape [B, D].
        targets (torch.LongTensor): Number of each row's target item; shape [B].
        who (torch.LongTensor): Number of each row's user; shape [B].
        kind (str): One of :data:`CONTRASTS` but ``softmax``.

    Returns:
        torch.Tensor: Scalar.
    """
    scores = items @ users.t()
    own = scores.diagonal().unsqueeze(1)
    same = targets.unsqueeze(1).eq(targets) | who.unsqueeze(1).eq(who)
    count = (~same).sum(1).clamp_min(1)
    total = 0.0
    # Row u of the scores has h'_u' . e_u for all users u', its column the items of others for the user u.
    for name, others in (("users", scores), ("items", scores.t())):
        if kind in (name, "both"):
            pairs = functional.softplus(others - own).masked_fill(same, 0.0)
            total = total + (pairs.sum(1) / count).mean()
    return torch.as_tensor(total)
