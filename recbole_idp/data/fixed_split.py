"""Read a fixed split: RecBole's ``benchmark_filename``, in either of two forms.

``NAME.train.inter``, ``NAME.valid.inter`` and ``NAME.test.inter`` hold plain rows (user, item, time), or RecBole's
sequential rows: user, history (``item_id_list:token_seq``) and target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from recbole_idp.data.sequences import Sequences
from recbole_idp.data.splits import PARTS, PartRows
from recbole_idp.errors import UserError


class HistoryRow(NamedTuple):
    """A row of a file with histories.

    Attributes:
        user: Id of the user.
        history: Ids of the items before the target, the latest last.
        item: Id of the target.
    """

    user: str
    history: list[str]
    item: str


class GivenRows:
    """Rows with histories, joined into sequences as far as they continue each other.

    Each row keeps its history exactly. A row that continues a sequence lengthens it; one that departs from it starts a
    sequence of its own.

    Attributes:
        chains: Item ids of each sequence.
        fresh: For each event of a sequence whether it is there for the first time.
        owners: User id of each sequence.
        rows: For each row the number of its sequence, the place where its history begins and that of its target.
    """

    # A row is compared with so many of its user's latest sequences.
    COMPARED = 8

    def __init__(self) -> None:
        self.chains: list[list[str]] = []
        self.fresh: list[list[bool]] = []
        self.owners: list[str] = []
        self.rows: list[tuple[int, int, int]] = []
        self._of_user: dict[str, list[int]] = {}

    def add(self, rows: Iterable[HistoryRow]) -> GivenRows:
        """Add rows; shorter histories of a user come first, so that longer ones continue them."""
        ordered = sorted(rows, key=lambda row: len(row.history))
        # Where files cut histories to a length, a full one continues a sequence without its beginning.
        full = len(ordered[-1].history) if ordered else 0
        for user, history, item in ordered:
            self.rows.append(self._place(user, history, item, len(history) == full))
        return self

    def _place(self, user: str, history: list[str], item: str, is_full: bool) -> tuple[int, int, int]:
        """Find or make the place of a row."""
        size, copied = len(history), False
        for number in reversed(self._of_user.get(user, [])[-self.COMPARED :]):
            chain = self.chains[number]
            if size and is_full and chain[-size:] == history:
                self._extend(number, [item])
                return number, len(chain) - 1 - size, len(chain) - 1
            if size and chain[:size] == history[: len(chain)]:
                # One begins with the other.
                if len(chain) > size and chain[size] != item:
                    copied = True
                    continue
                self._extend(number, [*history, item][len(chain) :])
                return number, 0, size
        number = len(self.chains)
        self.chains.append([])
        self.fresh.append([])
        self.owners.append(user)
        self._of_user.setdefault(user, []).append(number)
        self._extend(number, [*history, item])
        if copied:
            self.fresh[number][:size] = [False] * size
        return number, 0, size

    def _extend(self, number: int, items: Sequence[str]) -> None:
        """Add events to a sequence."""
        self.chains[number] += items
        self.fresh[number] += [True] * len(items)

    def part_rows(self, user_number: Mapping[str, int], item_number: Mapping[str, int]) -> PartRows:
        """Return the rows that have a history, in numbers.

        Args:
            user_number: Number of each user id.
            item_number: Number of each item id.
        """
        offsets = np.cumsum([0, *map(len, self.chains)])
        rows = np.array([row for row in self.rows if row[2] > row[1]], dtype=np.int64).reshape(-1, 3)
        # Targets stand in the order of their sequences.
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        first = offsets[rows[:, 0]]
        return PartRows(
            Sequences(
                torch.tensor([item_number[item] for chain in self.chains for item in chain], dtype=torch.long),
                torch.from_numpy(offsets),
            ),
            torch.tensor([user_number[user] for user in self.owners], dtype=torch.long),
            torch.from_numpy(first + rows[:, 1]),
            torch.from_numpy(first + rows[:, 2]),
            torch.tensor([fresh for chain in self.fresh for fresh in chain], dtype=torch.bool),
        )


class FixedSplit(NamedTuple):
    """What the three files of a fixed split hold.

    Attributes:
        frame: The events, one row each, with columns for user, item and time.
        parts: Part of each row; int64, shape [E].
        given: Where the files have histories, the rows of each part; None: they have plain rows.
    """

    frame: pd.DataFrame
    parts: np.ndarray
    given: list[GivenRows] | None


def benchmark_files(folder: Path, stem: str, names: Sequence[str]) -> list[Path]:
    """Return the files of a fixed split.

    Args:
        folder: The dataset's folder.
        stem: The beginning of their names.
        names: ``benchmark_filename``: the middle of their names.

    Raises:
        UserError: There are not three, or one is missing.
    """
    if len(names) != len(PARTS) or len(set(names)) != len(names):
        raise UserError(
            f"benchmark_filename is {', '.join(map(str, names))}: name three files, for training, validation and test, "
            "such as train,valid,test"
        )
    paths = [folder / f"{stem}.{name}.inter" for name in names]
    for path in paths:
        if not path.is_file():
            there = sorted(found.name for found in folder.glob("*.inter"))
            raise UserError(
                f"no file {path}, which benchmark_filename names; in its folder are {', '.join(there) or 'none'}"
            )
    return paths


def read_plain(paths: Sequence[Path], read: Callable[[Path], pd.DataFrame]) -> FixedSplit:
    """Read plain rows.

    Args:
        paths: The files for training, validation and test.
        read: Reads one of them.

    Returns:
        The events of all files, one file after another.

    Raises:
        UserError: A file cannot be read, or has other columns than the first one.
    """
    frames = [read(path) for path in paths]
    for path, frame in zip(paths, frames, strict=True):
        if missing := [name for name in frames[0].columns if name not in frame.columns]:
            raise UserError(f"{path} has no column {missing[0]}, which {paths[0].name} has: write the files alike")
    parts = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
    return FixedSplit(pd.concat([frame[frames[0].columns] for frame in frames], ignore_index=True), parts, None)


def join_histories(rows: Sequence[Sequence[HistoryRow]], columns: Sequence[str]) -> FixedSplit:
    """Join rows with histories.

    Args:
        rows: The rows for training, validation and test.
        columns: Names of the columns of user, item and time.

    Returns:
        Each user's events once, in their order, with their places as times; and the rows themselves. An event is in the
        first part that knows it.
    """
    all_rows = GivenRows()
    part_of: list[list[int]] = []
    for part, some in enumerate(rows):
        all_rows.add(some)
        part_of += [[] for _ in range(len(all_rows.chains) - len(part_of))]
        for chain, parts in zip(all_rows.chains, part_of, strict=True):
            parts += [part] * (len(chain) - len(parts))
    events: dict[str, list[tuple[str, int]]] = {}
    for user, chain, fresh, parts in zip(all_rows.owners, all_rows.chains, all_rows.fresh, part_of, strict=True):
        known = [(item, part) for item, new, part in zip(chain, fresh, parts, strict=True) if new]
        events.setdefault(user, []).extend(known)
    flat = [(user, item, place, part) for user, own in events.items() for place, (item, part) in enumerate(own)]
    users, items, places, numbers = zip(*flat, strict=True)
    frame = pd.DataFrame(dict(zip(columns, (users, items, np.array(places, dtype=np.float64)), strict=True)))
    return FixedSplit(frame, np.array(numbers), [GivenRows().add(some) for some in rows])
