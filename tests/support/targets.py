"""What is to be predicted of made-up users."""

import torch

from recbole_idp.data.sequences import Sequences, Targets


def targets_of(lengths, held_out=0):
    """Returns targets of users with so many events each; user u has the items from 20 u + 1 on.

    Args:
        lengths (Sequence[int]): The number of events of each user.
        held_out (int): How many of the latest events of each user are no targets, as the first one is none.
    """
    users = [user for user, length in enumerate(lengths) for _ in range(length)]
    items = [user * 20 + step + 1 for user, length in enumerate(lengths) for step in range(length)]
    sequences = Sequences.from_events(users, items)
    starts = sequences.offsets.tolist()[:-1]
    found = [
        (start, start + n) for start, length in zip(starts, lengths, strict=True) for n in range(1, length - held_out)
    ]
    starts, ends = torch.tensor(found).T
    return Targets(sequences, starts.contiguous(), ends.contiguous())
