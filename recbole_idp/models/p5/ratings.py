"""The ratings of a target's training events, for prompts about ratings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.data.atomic import read_atomic, read_header
from recbole_idp.data.splits import TRAIN
from recbole_idp.models.p5.sampling import JITTER, NO_RATINGS, Ratings, line_sequences

if TYPE_CHECKING:
    from recbole_idp.data.dataset import SequenceDataset


def training_ratings(dataset: SequenceDataset, field: str | None) -> Ratings:
    """Read the ratings of the training events.

    Args:
        dataset: The training part of the target.
        field: The column of ratings; None: none are wanted.

    Returns:
        The ratings of the users who are trained on; none where the file has no such column, it holds other numbers than
        1 to 5, or the split comes in files of its own.
    """
    config, path = dataset.config, dataset.location.inter_file
    separator, encoding = config["field_separator"], config["encoding"] or "utf-8"
    if field is None or dataset.fixed is not None or not path.is_file():
        return NO_RATINGS
    if read_header(path, separator, encoding).get(field) not in ("float", "token"):
        return NO_RATINGS
    values = read_atomic(path, [field], separator, encoding)[field]
    try:
        stars = values.to_numpy(dtype=np.float64)
    except ValueError:
        stars = np.full(1, np.nan)
    if not np.isfinite(stars).all() or stars.min() < min(JITTER) or stars.max() > max(JITTER):
        logging.getLogger().warning(
            f"{config['dataset']} has a column {field} that holds not only 1 to 5: P5 asks nothing about ratings "
            "(rating_field names another column)"
        )
        return NO_RATINGS
    events, lines = dataset.events, training_users(dataset)
    line_of = np.full(dataset.user_num, -1)
    # Of a user with several lines the last one stands for all.
    line_of[lines] = np.arange(len(lines))
    kept = (events.parts == TRAIN) & (line_of[events.users] >= 0)
    # Halves are rounded up.
    rounded = np.floor(stars[events.rows[kept]] + 0.5).astype(np.int64)
    return Ratings(line_of[events.users[kept]], events.items[kept].astype(np.int64), rounded)


def training_users(dataset: SequenceDataset) -> np.ndarray:
    """Return the user of each training line; see :func:`~recbole_idp.models.p5.sampling.training_lines`."""
    targets = dataset.targets()
    return dataset.sequence_users()[line_sequences(targets)].numpy()
