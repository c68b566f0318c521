"""Read a column of a dataset's ``.user`` file as classes of users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from recbole_idp.data.atomic import read_atomic

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation


class Profiles(NamedTuple):
    """Classes of users.

    Attributes:
        users: Ids of the users; length U.
        classes: Names of the classes, in order; length C.
        labels: Class of each user, -1 where it is not known; int64, shape [U].
    """

    users: Sequence[str]
    classes: Sequence[str]
    labels: np.ndarray


def read_profiles(config: Config, location: DatasetLocation, field: str) -> Profiles:
    """Read a column as classes."""
    path = location.user_file
    uid = config["USER_ID_FIELD"]
    frame = read_atomic(path, [uid, field], config["field_separator"], config["encoding"] or "utf-8")
    values = frame[field].astype(str)
    classes = sorted(set(values) - {""})
    number = {name: place for place, name in enumerate(classes)}
    return Profiles(frame[uid].tolist(), classes, np.array([number.get(value, -1) for value in values]))
