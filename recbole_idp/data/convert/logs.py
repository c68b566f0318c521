"""Make a dataset of events, texts and covers, whatever files they stand in.

events -> k-core -> .inter;  the items that are left -> their texts and covers -> .item
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from typing_extensions import Required, TypedDict

from recbole_idp.data.atomic import write_atomic
from recbole_idp.data.convert.covers import COLUMN, Covers
from recbole_idp.data.convert.datasets import building_dataset, building_file, free_folder
from recbole_idp.data.convert.events import Events, with_places
from recbole_idp.data.convert.filtering import check_filters, core_mask
from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile, encoding_notes
from recbole_idp.data.convert.stages import Stages
from recbole_idp.data.folders import CLOCK
from recbole_idp.errors import UserError
from recbole_idp.terminal.progress import progress_bar

_COLUMNS = "user_id:token item_id:token timestamp:float"
_RATED_COLUMNS = "user_id:token item_id:token rating:float timestamp:float"
# Rows whose texts are in memory at a time.
_ROWS = 1 << 20
_ORDER = (
    "timestamps are places in each user's sequence, for there are no times: events of other files are neither before "
    "nor after"
)


class LogOptions(TypedDict, total=False):
    """What every conversion of events is told, besides its events. See :func:`convert_log`."""

    name: Required[str]
    output: Required[str | Path]
    items: str | Path | None
    covers: str | Path | None
    k_core: int | None
    min_length: int | None


class Source(NamedTuple):
    """How the files of one format are read.

    Attributes:
        form: The name of the format, for ``source.json``.
        events: The file or folder of events, for messages.
        files: The files of events, which count their malformed lines.
        read: Reads them; returns the events with notes on what a user may not expect.
        describe: Reads the texts of some items from the file of items.
        own_texts: Returns those that stand elsewhere than in a file of items, such as in the files of events; None
            where there are none.
        otherwise: The encoding of lines of the file of items that are no UTF-8; None: there are none.
    """

    form: str
    events: Path
    files: Sequence[RawFile]
    read: Callable[[], tuple[Events, list[str]]]
    describe: Callable[[RawFile, Collection[str]], ItemFacts]
    own_texts: Callable[[Collection[str]], ItemFacts] | None = None
    otherwise: str | None = None


@dataclass(frozen=True)
class LogSummary:
    """What was read and written.

    Attributes:
        name: The name of the data set.
        folder: The folder of its files.
        users: Users written.
        items: Items written.
        interactions: Interactions written.
        duplicates: Events dropped because they repeat an earlier one.
        filtered: Events dropped by ``k_core`` and ``min_length``.
        malformed: Lines skipped in all files.
        without_text: Items without any text; None where no file has texts.
        without_cover: Items without a picture; None where no folder of covers is given.
        notes: What else a user may not expect.
    """

    name: str
    folder: Path
    users: int
    items: int
    interactions: int
    duplicates: int
    filtered: int
    malformed: int
    without_text: int | None
    without_cover: int | None
    notes: tuple[str, ...]

    def __str__(self) -> str:
        parts = [
            f"{self.name}: {self.users:,} users, {self.items:,} items, {self.interactions:,} interactions in "
            f"{self.folder}",
            f"dropped {self.duplicates:,} repeated events, {self.filtered:,} by the filters, {self.malformed:,} "
            "malformed lines",
        ]
        for count, what in ((self.without_text, "text"), (self.without_cover, "cover")):
            parts += [] if count is None else [f"{count:,} items without {what}"]
        return "; ".join((*parts, *self.notes))


def convert_log(
    source: Source,
    name: str,
    output: str | Path,
    items: str | Path | None = None,
    covers: str | Path | None = None,
    k_core: int | None = None,
    min_length: int | None = None,
) -> LogSummary:
    """Convert to ``output/name/name.inter`` and, with texts or covers, ``name.item``.

    Args:
        source: How the files are read.
        name: The name of the data set.
        output: The folder of data sets, in which the folder ``name`` is made.
        items: The file of the items' texts.
        covers: Folder of the items' pictures, ``ID.jpg``.
        k_core: Drop users and items with fewer interactions, until all have so many.
        min_length: Drop users with fewer interactions.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: A file is missing, is unreadable, has another layout or too many malformed lines. Or nothing is left,
            or the texts or the covers are of none of the items. Or the folder is there already or cannot be written.
    """
    folder = free_folder(output, name)
    check_filters(k_core, min_length)
    pictures = None if covers is None else Covers(covers)
    texts = None if items is None else RawFile(items, source.otherwise)
    try:
        return _Conversion(source, texts, name, folder).run(pictures, k_core, min_length)
    except MemoryError:
        raise UserError(
            f"not enough memory to convert {source.events}: give fewer events, or take a larger machine"
        ) from None


class _Conversion:
    """One conversion.

    Args:
        source: How the files are read.
        texts: The file of the items' texts.
        name: The name of the data set.
        folder: The folder to make.
    """

    def __init__(self, source: Source, texts: RawFile | None, name: str, folder: Path) -> None:
        self._source, self._texts, self._name, self._folder = source, texts, name, folder
        self._notes: list[str] = []
        self._without_text: int | None = None
        self._without_cover: int | None = None

    def run(self, covers: Covers | None, k_core: int | None, min_length: int | None) -> LogSummary:
        """Read and check all, then write."""
        source = self._source
        has_items = self._texts is not None or source.own_texts is not None or covers is not None
        stages = Stages(2 + has_items)
        events, notes = source.read()
        if events.frame.empty:
            raise UserError(f"{source.events} has no events: give another file")
        self._notes += notes
        stages.done(f"{len(events.frame):,} events of {source.events.name}")
        kept = self._filtered(events, k_core, min_length)
        tokens = events.items[kept["item"].unique()].tolist()
        facts = self._described(tokens)
        if covers is not None:
            covers.check(tokens)
        origin = f"converted from {source.form}'s {source.events.name}"
        about: dict[str, Any] = {"origin": origin, "k_core": k_core, "min_length": min_length}
        if not events.timed:
            about[CLOCK] = f"order of {self._name}"
            self._notes.append(_ORDER)
        with building_dataset(self._folder, **about) as building:
            _write_events(building / f"{self._name}.inter", events, kept)
            stages.done(f"{len(kept):,} interactions are written")
            if has_items:
                self._write_items(building, tokens, facts, covers)
                stages.done(f"{len(tokens):,} items are written")
        files = [*source.files, *([self._texts] if self._texts is not None else [])]
        return LogSummary(
            name=self._name,
            folder=self._folder,
            users=int(kept["user"].nunique()),
            items=len(tokens),
            interactions=len(kept),
            duplicates=events.dropped,
            filtered=len(events.frame) - len(kept),
            malformed=sum(file.malformed for file in files),
            without_text=self._without_text,
            without_cover=self._without_cover,
            notes=(*self._notes, *encoding_notes(files)),
        )

    def _filtered(self, events: Events, k_core: int | None, min_length: int | None) -> pd.DataFrame:
        """Return the events that the filters leave; places are counted afterwards."""
        mask = core_mask(events.frame["user"].to_numpy(), events.frame["item"].to_numpy(), k_core, min_length)
        kept = events.frame[mask]
        if kept.empty:
            raise UserError(
                f"nothing is left of {self._source.events}: lower k_core ({k_core}) or min_length ({min_length})"
            )
        return kept if events.timed else with_places(kept)

    def _described(self, tokens: list[str]) -> ItemFacts:
        """Return the texts of the items, without columns where no file has any; say how few of them are described."""
        if self._texts is not None:
            facts = self._source.describe(self._texts, set(tokens))
        elif self._source.own_texts is not None:
            facts = self._source.own_texts(set(tokens))
        else:
            return ItemFacts((), {})
        if not facts.described:
            raise UserError(
                f"the file of items describes none of the {len(tokens):,} items of {self._source.events}, whose ids "
                f"are like {tokens[0]}, and not like {facts.example or 'anything'}: give the file of the same items"
            )
        if facts.described < len(tokens) / 2:
            self._notes.append(f"{facts.described:,} of {len(tokens):,} items alone are in the file of items")
        self._notes += facts.notes
        if facts.repeated:
            self._notes.append(f"{facts.repeated:,} further rows of items that are there twice are left out")
        return facts

    def _write_items(self, building: Path, tokens: list[str], facts: ItemFacts, covers: Covers | None) -> None:
        """Write the texts and the covers of the items."""
        frame, without_text = facts.table(tokens)
        types = {"item_id": "token", **facts.columns}
        if facts.columns:
            self._without_text = without_text
        if covers is not None:
            frame[COLUMN], types[COLUMN] = covers.copy(tokens, building), "token"
            self._without_cover = int((frame[COLUMN] == "").sum())
        write_atomic(building / f"{self._name}.item", frame, types)


def _write_events(path: Path, events: Events, kept: pd.DataFrame) -> None:
    """Write some of the events, block by block."""
    whole = bool((kept["timestamp"] == np.floor(kept["timestamp"])).all())
    rated = "rating" in kept
    with building_file(path, _RATED_COLUMNS if rated else _COLUMNS) as file:
        for start in progress_bar(range(0, len(kept), _ROWS), desc=path.name):
            block = kept.iloc[start : start + _ROWS]
            times = block["timestamp"].astype(np.int64 if whole else np.float64).tolist()
            # Ids are printable, so that no tab is in one.
            users, items = events.users[block["user"]], events.items[block["item"]]
            if rated:
                ratings = block["rating"].tolist()
                rows = zip(users, items, ratings, times, strict=True)
                file.writelines(f"{u}\t{i}\t{r:g}\t{t}\n" for u, i, r, t in rows)
            else:
                file.writelines(f"{u}\t{i}\t{t}\n" for u, i, t in zip(users, items, times, strict=True))
