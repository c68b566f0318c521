"""Few-shot training: only a share of the target's users is trained on, all of them are evaluated.

Validation and test stay as they are. The events before a validation or test target are read as its history for every
user, as a service would read them; of the users that are left out none of the events is ever a training target, nor
counted as one. Items that only they know remain candidates, with the start that their texts give them.
"""

import hashlib

import torch


def training_users(tokens, share, seed):
    """Chooses users by the hash of seed and id: one choice for all orders of the file, all machines and all filters.

    With one seed the users of a smaller share are among those of a larger one.

    Args:
        tokens (list[str]): The users' ids, each once.
        share (float): How much of them, more than 0 and at most 1.
        seed (int): Decides on the users.

    Returns:
        list[str]: The chosen ids, at least one, in the order of their hashes.
    """
    count = max(1, round(share * len(tokens)))
    return sorted(tokens, key=lambda token: hashlib.sha256(f"{seed} {token}".encode()).digest())[:count]


def few_shot(dataset, share, seed):
    """Narrows a dataset of training targets to those of some users.

    Args:
        dataset (SequenceDataset): The training part of a split dataset.
        share (float): Which share of the users that have training targets.
        seed (int): Decides on the users.

    Returns:
        SequenceDataset: The same events, fewer targets; the dataset itself where the share is 1.
    """
    if share == 1:
        return dataset
    users = dataset.inter_feat[dataset.uid_field]
    present = torch.unique(users)
    number_of = dict(zip(dataset.field2id_token[dataset.uid_field][present], present.tolist(), strict=True))
    chosen = torch.tensor([number_of[token] for token in training_users(list(number_of), share, seed)])
    return dataset.copy(dataset.inter_feat[torch.isin(users, chosen)])


def few_shot_loader(loader, share, seed):
    """Returns a training loader of RecBole over the targets of some users; see :func:`few_shot`."""
    dataset = few_shot(loader.dataset, share, seed)
    return type(loader)(loader.config, dataset, loader._sampler, shuffle=loader.shuffle)
