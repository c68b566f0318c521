"""BPR over the pairs of a batch: users for an item, as in PRECISE (Targeted Training), or items for a user."""

import torch
from torch.nn import functional

CONTRASTS = ("users", "items", "both")
"""``users`` is the paper's; ``items`` fixes the user and contrasts the batch's items; ``both`` adds the two."""


def contrast_loss(
    users: torch.Tensor, items: torch.Tensor, targets: torch.Tensor, who: torch.Tensor, kind: str = "users"
) -> torch.Tensor:
    """Compute L_bpr (arXiv 2412.06308): -log sigmoid(h'_u . e_u - h'_u' . e_u), e_u being the target item of u.

    The paper sums over all pairs; here each row counts once, by the mean over its negatives. Rows with the same target
    or the same user are no negatives of one another; a row without any costs nothing.

    Args:
        users: User vectors h'; shape [B, D].
        items: Vector of each row's target item; shape [B, D].
        targets: Number of each row's target item; int64, shape [B].
        who: Number of each row's user; int64, shape [B].
        kind: One of :data:`CONTRASTS`.

    Returns:
        Scalar.
    """
    scores = items @ users.t()
    own = scores.diagonal().unsqueeze(1)
    same = targets.unsqueeze(1).eq(targets) | who.unsqueeze(1).eq(who)
    count = (~same).sum(1).clamp_min(1)
    total: torch.Tensor | float = 0.0
    # Row u of the scores has h'_u' . e_u for all users u', its column the items of others for the user u.
    for name, others in (("users", scores), ("items", scores.t())):
        if kind in (name, "both"):
            pairs = functional.softplus(others - own).masked_fill(same, 0.0)
            total = total + (pairs.sum(1) / count).mean()
    return torch.as_tensor(total)
