"""Few-shot training: train on a share of the target's users, and evaluate on all of them.

Validation and test stay as they are. The events before a validation or test target are its history for every user, as
in a running service. The events of users outside the share are never training targets, and are not counted as such.
Items that only these users have remain candidates, with the initial vectors that their texts give them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from recbole_idp.data.vectorised import taken

if TYPE_CHECKING:
    from recbole.data.dataloader import TrainDataLoader

    from recbole_idp.data.dataset import SequenceDataset


def training_users(tokens: Sequence[str], share: float, seed: int) -> list[str]:
    """Choose users by the hash of seed and id.

    The choice does not depend on the order of the file, the machine or the filters. With one seed the users of a
    smaller share are among those of a larger one.

    Args:
        tokens: The ids of the users, each once.
        share: The share to choose, more than 0 and at most 1.
        seed: Seed of the choice.

    Returns:
        The chosen ids, at least one, in the order of their hashes.
    """
    count = max(1, round(share * len(tokens)))
    return sorted(tokens, key=lambda token: hashlib.sha256(f"{seed} {token}".encode()).digest())[:count]


def few_shot(dataset: SequenceDataset, share: float, seed: int) -> SequenceDataset:
    """Restrict the targets of a training dataset to those of some users.

    Args:
        dataset: The training part of a split dataset.
        share: The share of the users with training targets that is kept.
        seed: Seed of the choice.

    Returns:
        The same events with fewer targets; the dataset itself if the share is 1.
    """
    if share == 1:
        return dataset
    users = dataset.inter_feat[dataset.uid_field]
    present = torch.unique(users)
    number_of = dict(zip(dataset.field2id_token[dataset.uid_field][present], present.tolist(), strict=True))
    chosen = torch.tensor([number_of[token] for token in training_users(list(number_of), share, seed)])
    return dataset.copy(taken(dataset.inter_feat, torch.isin(users, chosen)))


def few_shot_loader(loader: TrainDataLoader, share: float, seed: int) -> TrainDataLoader:
    """Return RecBole's training loader, restricted to the targets of some users; see :func:`few_shot`."""
    dataset = few_shot(loader.dataset, share, seed)
    return type(loader)(loader.config, dataset, loader._sampler, shuffle=loader.shuffle)
