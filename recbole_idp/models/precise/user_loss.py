"""BPR over the pairs of a batch: users for an item, as in PRECISE (Targeted Training), or items for a user."""

import torch
from torch.nn import functional

CONTRASTS = ("users", "items", "both")
"""``users`` is the paper's; ``items`` fixes the user and contrasts the batch's items; ``both`` adds the two."""


def contrast_loss(users, items, targets, who, kind="users"):
    """Computes L_bpr (arXiv 2412.06308): -log sigmoid(h'_u . e_u - h'_u' . e_u), e_u being the target item of u.

    The paper sums over all pairs; here each row counts once, by the mean over its negatives. Rows with the same target
    or the same user are no negatives of one another; a row that has none counts nothing.

    Args:
        users (torch.Tensor): User vectors h'; shape [B, D].
        items (torch.Tensor): Vector of each row's target item; shape [B, D].
        targets (torch.LongTensor): Number of each row's target item; shape [B].
        who (torch.LongTensor): Number of each row's user; shape [B].
        kind (str): One of :data:`CONTRASTS`.

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
