"""Filter interactions repeatedly until nothing changes."""

import numpy as np

from recbole_idp.errors import UserError


def check_filters(k_core: int | None, min_length: int | None) -> None:
    """Check the bounds of filters before any work.

    Raises:
        UserError: One is less than 1.
    """
    for key, value in (("k_core", k_core), ("min_length", min_length)):
        if value is not None and value < 1:
            raise UserError(f"{key} is {value}: it must be 1 or more")


def core_mask(
    users: np.ndarray, items: np.ndarray, k_core: int | None = None, min_length: int | None = None
) -> np.ndarray:
    """Return which interactions stay when rare users and items are dropped until none is left.

    Args:
        users: User of each interaction, as a number from 0; shape [N].
        items: Item of each interaction, as a number from 0; shape [N].
        k_core: Interactions that a user and an item must keep at least.
        min_length: Interactions that a user must keep at least.

    Returns:
        True for interactions that stay; bool, shape [N].
    """
    per_item = k_core or 1
    per_user = max(per_item, min_length or 1)
    kept = np.arange(len(users))
    while True:
        user, item = users[kept], items[kept]
        enough = (np.bincount(user)[user] >= per_user) & (np.bincount(item)[item] >= per_item)
        if enough.all():
            mask = np.zeros(len(users), dtype=bool)
            mask[kept] = True
            return mask
        kept = kept[enough]
