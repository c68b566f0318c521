"""Turn a csv file of Tenrec (Yuan et al., NeurIPS 2022) into atomic files.

rows -> those with the behaviour -> parts of whole users on the disk -> equal rows dropped -> rare and frequent items
dropped -> .inter, .user, .item
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_idp.data.atomic import write_atomic
from recbole_idp.data.convert.datasets import building_dataset, building_file, free_folder
from recbole_idp.data.convert.stages import Stages
from recbole_idp.data.folders import CLOCK
from recbole_idp.data.tenrec.facts import Facts
from recbole_idp.data.tenrec.parts import Parts
from recbole_idp.data.tenrec.table import ITEM_FACTS, USER_FACTS, Layout, read_layout, read_rows
from recbole_idp.errors import UserError
from recbole_idp.terminal.progress import progress_bar

_ORDER = (
    "timestamps are places in each user's rows of this file, for there are no times: events of other files are neither "
    "before nor after"
)


@dataclass(frozen=True)
class TenrecSummary:
    """What :func:`convert_tenrec` read and wrote.

    Attributes:
        name: The name of the data set.
        folder: The folder of its files.
        behaviour: The column whose rows with 1 were kept.
        rows: Rows read.
        users: Users written.
        items: Items written.
        interactions: Interactions written.
        duplicates: Rows with the behaviour that were dropped because they equal an earlier one in all columns.
        filtered: Interactions dropped because of their items' numbers of events.
        notes: Further facts that may surprise a user.
    """

    name: str
    folder: Path
    behaviour: str
    rows: int
    users: int
    items: int
    interactions: int
    duplicates: int
    filtered: int
    notes: tuple[str, ...] = (_ORDER,)

    def __str__(self) -> str:
        line = (
            f"{self.name}: {self.users:,} users, {self.items:,} items, {self.interactions:,} interactions with "
            f"{self.behaviour} = 1 of {self.rows:,} rows in {self.folder}; dropped {self.duplicates:,} duplicates, "
            f"{self.filtered:,} by the filters"
        )
        return "; ".join((line, *self.notes))


def convert_tenrec(
    file: str | Path,
    name: str,
    output: str | Path,
    behaviour: str = "click",
    min_item_events: int | None = None,
    max_item_events: int | None = None,
) -> TenrecSummary:
    """Convert a file of Tenrec to ``output/name/name.inter``, with ``.user`` and ``.item`` where it has facts of these.

    The file is read in blocks, and its rows are kept in parts on the disk, so that memory grows with the numbers of
    users and items alone. A user's rows keep the order of the file, which is their ``timestamp``, from 0.

    Args:
        file: The csv file, with its first line; gzipped or not.
        name: The name of the data set.
        output: The folder of data sets, in which the folder ``name`` is made.
        behaviour: The column whose rows with 1 are kept.
        min_item_events: Drop items with fewer kept rows.
        max_item_events: Drop items with more kept rows.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: The file is missing, cannot be read, lacks a column or has a malformed row. Or nothing is left. Or
            the folder exists already or cannot be written.
    """
    folder = free_folder(output, name)
    if min_item_events is not None and max_item_events is not None and min_item_events > max_item_events:
        raise UserError(f"min_item_events {min_item_events} is more than max_item_events {max_item_events}: no item is")
    layout = read_layout(Path(file), behaviour)
    facts = {"origin": f"converted from Tenrec's {layout.path.name} ({behaviour} = 1)", CLOCK: f"order of {name}"}
    filters = {"min_item_events": min_item_events, "max_item_events": max_item_events}
    with building_dataset(folder, **facts, **filters) as building:
        return _Conversion(layout, building, name, folder).run(min_item_events or 1, max_item_events)


class _Conversion:
    """One conversion, whose files are written to a temporary folder.

    Args:
        layout: The columns of the file.
        building: The temporary folder.
        name: The name of the data set.
        folder: Where its files will be.
    """

    def __init__(self, layout: Layout, building: Path, name: str, folder: Path) -> None:
        self._layout, self._building, self._name, self._folder = layout, building, name, folder
        self._users = Facts("user_id", layout.facts(USER_FACTS), unknown=0)
        self._items = Facts("item_id", layout.facts(ITEM_FACTS), unknown=-1)
        self._stages = Stages(3)

    def run(self, fewest: int, most: int | None) -> TenrecSummary:
        """Convert, and keep the items with so many events."""
        place = self._building / "parts"
        place.mkdir()
        columns = ("user_id", "item_id", *self._users.fields, *self._items.fields)
        parts = Parts(place, columns, self._layout.path.stat().st_size)
        rows, kept = self._divide(parts)
        counts, distinct = self._drop_duplicates(parts, kept)
        chosen = counts[(counts >= fewest) & (counts <= (most or distinct))].index.to_numpy()
        if not len(chosen):
            raise UserError(
                f"nothing is left of {self._layout.path}: its items have {counts.min():,} to {counts.max():,} events; "
                "lower min_item_events, or raise max_item_events"
            )
        users, interactions = self._write_events(parts, np.sort(chosen))
        place.rmdir()
        several = [*self._write_facts(self._users, "user"), *self._write_facts(self._items, "item")]
        return TenrecSummary(
            name=self._name,
            folder=self._folder,
            behaviour=self._layout.behaviour,
            rows=rows,
            users=users,
            items=len(chosen),
            interactions=interactions,
            duplicates=kept - distinct,
            filtered=distinct - interactions,
            notes=(_ORDER, *several),
        )

    def _divide(self, parts: Parts) -> tuple[int, int]:
        """Read the file and divide its rows among the parts; return how many it has, and how many are kept."""
        rows = kept = 0
        with parts.filling() as writer:
            for block in read_rows(self._layout):
                writer.add(block.hashes, block.values)
                rows += block.read
                kept += len(block.hashes)
        path, behaviour = self._layout.path, self._layout.behaviour
        if not kept:
            what = f"none of its {rows:,} rows has {behaviour} = 1" if rows else "nothing follows its first line"
            raise UserError(f"{path} has no events: {what}")
        self._stages.done(f"{kept:,} of {rows:,} rows of {path.name} have {behaviour} = 1")
        return rows, kept

    def _drop_duplicates(self, parts: Parts, kept: int) -> tuple[pd.Series, int]:
        """Drop rows that equal an earlier one; return the number of events of each item, and how many rows are left."""
        found = []
        for number in progress_bar(range(len(parts)), desc="duplicates"):
            rows = parts.read(number)
            order = np.lexsort((rows["hash"], rows["item_id"], rows["user_id"]))
            keys = rows[["user_id", "item_id", "hash"]][order]
            # Sorting is stable: the first of equal rows stays.
            first = np.sort(order[np.r_[True, keys[1:] != keys[:-1]][: len(keys)]])
            rows = rows[first]
            parts.replace(number, rows)
            found.append(pd.Series(rows["item_id"]).value_counts())
        counts = functools.reduce(lambda one, other: one.add(other, fill_value=0), found).astype(np.int64)
        distinct = int(counts.sum())
        self._stages.done(f"{kept - distinct:,} rows equal an earlier one, and are dropped")
        return counts, distinct

    def _write_events(self, parts: Parts, items: np.ndarray) -> tuple[int, int]:
        """Write the events of some items; return the numbers of users and of events."""
        users = events = 0
        path = self._building / f"{self._name}.inter"
        with building_file(path, "user_id:token item_id:token timestamp:float") as file:
            for number in progress_bar(range(len(parts)), desc=path.name):
                rows = parts.read(number)
                parts.remove(number)
                place = np.searchsorted(items, rows["item_id"]).clip(max=len(items) - 1)
                rows = rows[items[place] == rows["item_id"]]
                rows = rows[np.argsort(rows["user_id"], kind="stable")]
                if not len(rows):
                    continue
                self._users.add(rows)
                self._items.add(rows)
                _, starts, lengths = np.unique(rows["user_id"], return_index=True, return_counts=True)
                times = np.arange(len(rows)) - np.repeat(starts, lengths)
                frame = pd.DataFrame({"user": rows["user_id"], "item": rows["item_id"], "time": times})
                frame.to_csv(file, sep="\t", header=False, index=False, lineterminator="\n")
                users += len(starts)
                events += len(rows)
        self._stages.done(f"{events:,} interactions of {users:,} users are written")
        return users, events

    def _write_facts(self, facts: Facts, suffix: str) -> list[str]:
        """Write the facts that the file has; return notes on those that contradict each other."""
        if not facts.fields:
            return []
        frame, several = facts.table()
        write_atomic(self._building / f"{self._name}.{suffix}", frame, dict.fromkeys(frame.columns, "token"))
        return [
            f"{count:,} {suffix}s have several values of {name}, of which one is kept"
            for name, count in several.items()
            if count
        ]
