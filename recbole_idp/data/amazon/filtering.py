"""Filters on interactions that repeat until nothing changes any more."""

import numpy as np


def core_mask(users, items, k_core=None, min_length=None):
    """Says which interactions stay when rare users and items are dropped until none is left.

    Args:
        users (numpy.ndarray): User of each interaction, as a number from 0, shape [N].
        items (numpy.ndarray): Item of each interaction, as a number from 0, shape [N].
        k_core (int | None): The fewest interactions that a user and an item must keep.
        min_length (int | None): The fewest interactions that a user must keep.

    Returns:
        numpy.ndarray: ``bool``, shape [N].
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
