"""Write made platforms of any size to disk: block by block, and the same for the same seed."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbole_idp.data.convert.datasets import building_dataset, building_file, free_folder
from recbole_idp.data.convert.stages import Stages
from recbole_idp.data.made.platform import (
    LEAST_EVENTS,
    Behaviour,
    Catalogue,
    category_count,
    twin_products,
    user_lengths,
)
from recbole_idp.data.made.words import Words, source_title, target_title, words_of
from recbole_idp.errors import UserError
from recbole_idp.terminal.progress import progress_bar

# Events and items in memory at a time.
_EVENTS, _ITEMS = 1 << 19, 1 << 16
# Bytes of a line of each file, rounded up.
_EVENT_BYTES, _ITEM_BYTES = 32, 110
_MOST_ITEMS = 100_000_000
_MOST_EVENTS = 10_000_000_000
_MOST_ZIPF = 3


@dataclass(frozen=True)
class Size:
    """How large a platform is.

    Attributes:
        users: Number of users.
        items: Number of items.
        events: Number of events.
    """

    users: int
    items: int
    events: int

    def check(self, what: str) -> None:
        """Check that each user can have enough events.

        Args:
            what: How the keys begin, for messages.

        Raises:
            UserError: They cannot, or more is asked for than the numbers are made for.
        """
        if self.events < LEAST_EVENTS * self.users:
            raise UserError(
                f"{what}events is {self.events:,} for {self.users:,} users: give at least {LEAST_EVENTS} a user, "
                f"--{what}events={LEAST_EVENTS * self.users}"
            )
        for key, count, most in (("items", self.items, _MOST_ITEMS), ("events", self.events, _MOST_EVENTS)):
            if count > most:
                raise UserError(f"{what}{key} is {count:,}: give at most {most:,}")

    @property
    def bytes(self) -> int:
        """About how many bytes its files have."""
        return self.events * _EVENT_BYTES + self.items * _ITEM_BYTES


@dataclass(frozen=True)
class Made:
    """What was written.

    Attributes:
        folders: The folder of the target, and that of the source where there is one.
        sizes: Their sizes.
        twins: Items of the target that the source has as well; None without a source.
    """

    folders: tuple[Path, ...]
    sizes: tuple[Size, ...]
    twins: int | None

    def __str__(self) -> str:
        lines = [
            f"{folder.name}: {size.users:,} users, {size.items:,} items, {size.events:,} events in {folder}"
            for folder, size in zip(self.folders, self.sizes, strict=True)
        ]
        if self.twins is not None:
            lines.append(f"{self.twins:,} items of {self.folders[0].name} are in {self.folders[1].name} as well")
        return "\n".join(lines)


def generate(
    name: str,
    output: str | Path,
    users: int,
    items: int,
    events: int,
    source_users: int | None = None,
    source_items: int | None = None,
    source_events: int | None = None,
    twins: float = 0.5,
    zipf: float = 1.0,
    seed: int = 2020,
) -> Made:
    """Make a target platform, and a source platform beside it.

    Users come in sessions and stay in the categories that they like; popularity follows Zipf's law; titles say what an
    item is. So there is something to learn from events, and something that texts carry over.

    Args:
        name: Name of the target's dataset; the source is called ``NAME-source``.
        output: The folder of datasets.
        users: Users of the target.
        items: Items of the target.
        events: Events of the target.
        source_users: Users of the source; None: as many as the target has.
        source_items: Items of the source; None: as many as the target has.
        source_events: Events of the source; None: there is no source.
        twins: Share of the target's items that the source has as well.
        zipf: Exponent of popularity.
        seed: Seed of all that is made.

    Returns:
        What was written.

    Raises:
        UserError: A size is too small or too large, a folder is there already, or the disk has no room.
    """
    sizes = [Size(users, items, events)]
    if source_events is not None:
        sizes.append(Size(source_users or users, source_items or items, source_events))
    elif source_users is not None or source_items is not None:
        raise UserError("source_users and source_items are of a source, which has no events: give --source_events=N")
    for size, what in zip(sizes, ("", "source_"), strict=False):
        size.check(what)
    if not 0 <= zipf <= _MOST_ZIPF:
        raise UserError(f"zipf is {zipf:g}: give an exponent from 0 to {_MOST_ZIPF}")
    folders = [free_folder(output, each) for each in (name, f"{name}-source")[: len(sizes)]]
    _check_room(Path(output), sum(size.bytes for size in sizes))
    stages = Stages(2 * len(sizes))
    categories = category_count(min(size.items for size in sizes))
    catalogues = [Catalogue(size.items, categories) for size in sizes]
    random = [np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(len(sizes))]

    def products(first: int, last: int) -> NDArray[np.int64]:
        if len(catalogues) == 1:
            return catalogues[0].places(first, last)[1]
        return twin_products(catalogues[0], catalogues[1], first, last, twins, seed)

    if len(sizes) == 2:
        source = _Platform(folders[1], sizes[1], catalogues[1], zipf, seed)
        source.write(lambda first, last: catalogues[1].places(first, last)[1], source_title, random[1], stages)
    _Platform(folders[0], sizes[0], catalogues[0], zipf, seed).write(products, target_title, random[0], stages)
    found = None if len(sizes) == 1 else _count_twins(catalogues[0], catalogues[1], products)
    return Made(tuple(folders), tuple(sizes), found)


@dataclass(frozen=True)
class _Platform:
    """One platform, to be written.

    Attributes:
        folder: Its folder, which is to be made.
        size: How large it is.
        catalogue: Its items.
        zipf: Exponent of popularity.
        seed: Seed of its words and ids.
    """

    folder: Path
    size: Size
    catalogue: Catalogue
    zipf: float
    seed: int

    def write(
        self,
        products: Callable[[int, int], NDArray[np.int64]],
        title: Callable[[Words], str],
        random: np.random.Generator,
        stages: Stages,
    ) -> None:
        """Write both files, whole or not at all.

        Args:
            products: Returns the product of each of some items.
            title: Makes the title of an item.
            random: Where chance comes from.
            stages: Told what is done.
        """
        name, size = self.folder.name, self.size
        about = {"users": size.users, "items": size.items, "events": size.events}
        with building_dataset(self.folder, origin="made by recbole-idp generate", seed=self.seed, **about) as building:
            self._write_events(building / f"{name}.inter", random)
            stages.done(f"{size.events:,} events of {name} are written")
            self._write_items(building / f"{name}.item", products, title)
            stages.done(f"{size.items:,} items of {name} are written")

    def _write_events(self, path: Path, random: np.random.Generator) -> None:
        """Draw and write the events."""
        behaviour, ids = Behaviour(self.catalogue, self.zipf), _ShuffledIds(self.size.items, self.seed)
        lengths = user_lengths(self.size.users, self.size.events, random)
        with (
            building_file(path, "user_id:token item_id:token timestamp:float") as file,
            progress_bar(total=self.size.events, desc=path.name) as bar,
        ):
            for first, last in _blocks_of_users(lengths):
                block = behaviour.draw(first, lengths[first:last], random)
                rows = zip(block.users.tolist(), ids.of(block.items).tolist(), block.times.tolist(), strict=True)
                file.writelines(f"u{user}\ti{item}\t{time}\n" for user, item, time in rows)
                bar.update(len(block.users))

    def _write_items(
        self, path: Path, products: Callable[[int, int], NDArray[np.int64]], title: Callable[[Words], str]
    ) -> None:
        """Write the texts of the items."""
        ids, count = _ShuffledIds(self.size.items, self.seed), self.size.items
        columns = "item_id:token title:token_seq brand:token_seq category:token_seq"
        with building_file(path, columns) as file:
            for first in progress_bar(range(0, count, _ITEMS), desc=path.name):
                last = min(first + _ITEMS, count)
                words = words_of(self.catalogue.places(first, last)[0], products(first, last), self.seed)
                rows = zip(ids.of(np.arange(first, last)).tolist(), words, strict=True)
                file.writelines(f"i{item}\t{title(one)}\t{one.brand}\t{one.category}\n" for item, one in rows)


class _ShuffledIds:
    """Numbers of items in an order that says nothing of their popularity.

    Args:
        count: How many items there are.
        seed: Seed of the order.
    """

    def __init__(self, count: int, seed: int) -> None:
        random = np.random.default_rng([seed, count])
        self._count, self._shift = count, int(random.integers(count))
        factors = (int(factor) for factor in random.integers(1, count + 1, size=100))
        self._factor = next((factor for factor in factors if math.gcd(factor, count) == 1), 1)

    def of(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number from 1 that each item has in its id."""
        return (items * self._factor + self._shift) % self._count + 1


def _blocks_of_users(lengths: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield the first user of each block, and the one after its last."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _EVENTS, side="right")))
        yield first, last
        first = last


def _count_twins(target: Catalogue, source: Catalogue, products: Callable[[int, int], NDArray[np.int64]]) -> int:
    """Count the items of the target that the source has as well."""
    found = 0
    for first in range(0, target.items, _ITEMS):
        last = min(first + _ITEMS, target.items)
        sizes = np.diff(source.starts)[target.places(first, last)[0]]
        found += int((products(first, last) < sizes).sum())
    return found


def _check_room(output: Path, needed: int) -> None:
    """Raise UserError where the disk has less room than is needed."""
    place = next(folder for folder in (output, *output.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise UserError(
            f"the files take about {needed / 2**30:.1f} GiB, and {place} has {free / 2**30:.1f} GiB: give fewer "
            "events, or another folder as --output"
        )
