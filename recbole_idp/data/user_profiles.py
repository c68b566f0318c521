"""Read a column of a dataset's ``.user`` file as classes of users, such as ages or occupations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from recbole_idp.data.atomic import FileFormat, check_ids, read_atomic
from recbole_idp.errors import UserError, nearest

if TYPE_CHECKING:
    from recbole_idp.data.catalog import DatasetLocation

FEWEST = 3
"""The fewest users of a class: one each to train, validate and test."""

_INTEGER = re.compile(r"-?[0-9]{1,18}")


class Profiles(NamedTuple):
    """Classes of users. U users, C classes.

    Attributes:
        users: Ids of the users; length U.
        classes: Names of the classes, in the order of the numbers where all are whole numbers, else of the alphabet;
            length C.
        labels: Class of each user, -1 where it is not known; int64, shape [U].
    """

    users: Sequence[str]
    classes: Sequence[str]
    labels: np.ndarray


def read_profiles(
    location: DatasetLocation, field: str, user_field: str = "user_id", file_format: FileFormat | None = None
) -> Profiles:
    """Read a column as classes.

    An empty value is not known. A ``float`` column, or one of a sequence, is taken where all values are whole numbers.

    Args:
        location: Where the files of the dataset are.
        field: The column of classes.
        user_field: The column of users.
        file_format: Format of the file; None: RecBole's default.

    Raises:
        UserError: There is no ``.user`` file, it is damaged, lacks the column or has a user twice. Or the column holds
            measures or texts, is constant, or has a class of fewer than ``FEWEST`` users.
    """
    path = location.user_file
    if not path.is_file():
        raise UserError(
            f"no file {path}, which holds the users' {field}: put it there, with the columns {user_field}:token and "
            f"{field}:token"
        )

    def choose(types: dict[str, str]) -> list[str]:
        if user_field not in types:
            raise UserError(f"{path} has no column {user_field!r} of users; it has {', '.join(types)}: add it")
        others = [name for name in types if name != user_field]
        if field not in others:
            meant = nearest(field, others, limit=3)
            remedy = f"did you mean {' or '.join(meant)}?" if meant else f"it has {', '.join(others) or 'no other'}"
            raise UserError(f"{path} has no column {field!r} of classes: {remedy}")
        return [user_field, field]

    frame = read_atomic(path, choose, *(file_format or FileFormat()))
    types = frame.attrs["types"]
    if types[user_field] != "token":
        raise UserError(f"{path}, line 1: column {user_field} is of type {types[user_field]}: write {user_field}:token")
    _check_users(frame[user_field], path)
    texts = _texts(frame[field], types[field], path)
    classes = _ordered(set(texts) - {""})
    number = {name: place for place, name in enumerate(classes)}
    labels = np.array([number.get(text, -1) for text in texts], dtype=np.int64)
    _check_classes(classes, labels, field, path)
    return Profiles(frame[user_field].tolist(), classes, labels)


def _check_users(users: pd.Series, path: Path) -> None:
    """Check that each user has an id and one row."""
    check_ids(users, path)
    twice = users.duplicated().to_numpy()
    if twice.any():
        second = int(np.argmax(twice))
        first = int(np.argmax((users == users.iloc[second]).to_numpy()))
        where = f"{path}, line {second + 2}"
        raise UserError(f"{where}: user {users.iloc[second]!r} is in line {first + 2} already: keep one of the two")


def _texts(values: pd.Series, kind: str, path: Path) -> list[str]:
    """Return the names of the users' classes, an empty text for an unknown one."""
    if kind == "float":
        numbers = values.to_numpy(dtype=np.float64)
        with np.errstate(invalid="ignore"):
            wrong = ~np.isnan(numbers) & ((numbers != np.floor(numbers)) | (np.abs(numbers) >= 2**53))
        texts = ["" if number != number else f"{number:.17g}" for number in numbers.tolist()]
    else:
        texts = [text.strip() for text in values.astype(str)]
        wrong = np.array([kind != "token" and bool(text) and not _INTEGER.fullmatch(text) for text in texts])
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(
            f"{path}, line {row + 2}: {values.name} is {texts[row][:60]!r}, and a column of type {kind} has classes "
            f"only where all its values are whole numbers: write classes as {values.name}:token"
        )
    return texts


def _ordered(names: set[str]) -> list[str]:
    """Return names in the order of their numbers where all are whole numbers, else of the alphabet."""
    if all(map(_INTEGER.fullmatch, names)):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _check_classes(classes: Sequence[str], labels: np.ndarray, field: str, path: Path) -> None:
    """Check that there are classes to predict."""
    if len(classes) < 2:
        what = f"{classes[0][:60]!r} for all users" if classes else "empty for all users"
        raise UserError(f"{path}: {field} is {what}: there is nothing to predict, so choose another column")
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    rare = np.flatnonzero(counts < FEWEST)
    if len(rare):
        name, more = classes[rare[0]][:60], f" (and {len(rare) - 1:,} more classes)" if len(rare) > 1 else ""
        users = "1 user" if counts[rare[0]] == 1 else f"{counts[rare[0]]} users"
        raise UserError(
            f"{path}: the class {name!r} of {field} has {users}{more}, and needs {FEWEST}, to train, validate and "
            "test: join it with another one, or empty it"
        )
