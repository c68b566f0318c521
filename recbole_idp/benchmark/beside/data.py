"""The training events and test histories of our split, as RecTools reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

if TYPE_CHECKING:
    from recbole_idp.benchmark.sides import Side

_DAY = 24 * 3600


@dataclass(frozen=True)
class Questions:
    """What is predicted after what.

    Attributes:
        histories: Items before each target, padded with 0 on the right; int64, shape [R, L].
        lengths: Length of each history; int64, shape [R].
        targets: The items to predict; int64, shape [R].
    """

    histories: torch.Tensor
    lengths: torch.Tensor
    targets: torch.Tensor

    def padded_left(self) -> torch.Tensor:
        """Return the histories, padded with 0 on the left; int64, shape [R, L]."""
        width = self.histories.shape[1]
        columns = torch.arange(width) - (width - self.lengths).unsqueeze(1)
        return self.histories.gather(1, columns.clamp(min=0)).masked_fill_(columns < 0, 0)

    def events(self) -> pd.DataFrame:
        """Return the histories as events of users 0 to R - 1."""
        inside = torch.arange(self.histories.shape[1]) < self.lengths.unsqueeze(1)
        users, places = inside.nonzero(as_tuple=True)
        return _frame(users.numpy(), self.histories[inside].numpy(), places.numpy())


def training_events(side: Side) -> pd.DataFrame:
    """Return each user's events up to the last one that our side is trained on."""
    targets = side.loaders[0].dataset.targets()
    offsets = targets.sequences.offsets
    owners = torch.bucketize(targets.ends, offsets, right=True) - 1
    last = torch.full((len(offsets) - 1,), -1)
    last.scatter_reduce_(0, owners, targets.ends, "amax")
    lengths = (last + 1 - offsets[:-1]).clamp(min=0)
    users = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    places = torch.arange(len(users)) - torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
    return _frame(users.numpy(), targets.sequences.items[offsets[users] + places].numpy(), places.numpy())


def questions(side: Side, max_length: int) -> Questions:
    """Return the test targets of our side.

    Args:
        side: Our side.
        max_length: Number of the latest events of a history.
    """
    targets = side.loaders[2].dataset.targets()
    histories, lengths = targets.histories(torch.arange(len(targets)), max_length)
    return Questions(histories, lengths, targets.items)


def ndcg(best: np.ndarray, targets: np.ndarray) -> float:
    """Return NDCG at the number of items that are recommended.

    Args:
        best: Recommended items of each question, best first; shape [R, K].
        targets: The item that was asked for; shape [R].
    """
    rows, places = np.nonzero(best == targets[:, None])
    gains = np.zeros(len(targets))
    gains[rows] = 1 / np.log2(places + 2)
    return float(gains.mean())


def _frame(users: np.ndarray, items: np.ndarray, places: np.ndarray) -> pd.DataFrame:
    """Return events with the columns of RecTools; their order alone is known of their times."""
    times = pd.to_datetime(places * _DAY, unit="s")
    return pd.DataFrame({"user_id": users, "item_id": items, "datetime": times, "weight": 1.0})
