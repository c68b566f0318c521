"""Cache the vectors of pictures by the content of their files, so that none is encoded twice."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_idp.content.image.decode import DAMAGED, MISSING, TOO_LARGE, UnreadableError, content_hash, read_pixels
from recbole_idp.content.image.encoder import ImageEncoder
from recbole_idp.content.vector_cache import fill_vectors
from recbole_idp.errors import UserError
from recbole_idp.terminal.progress import progress_bar

_BLOCK_PICTURES = 256
_REASONS = (MISSING, TOO_LARGE, DAMAGED)


@dataclass(frozen=True)
class PictureReport:
    """Counts of one call of :func:`encode_pictures`.

    Attributes:
        items: Number of items.
        unnamed: Items that name no picture.
        unreadable: Items whose picture cannot be read, by reason.
        encoded: Distinct pictures that were encoded.
        from_cache: Distinct pictures whose vectors were in the cache.
        per_second: Encoded pictures per second of encoding; 0 if none was encoded.
    """

    items: int
    unnamed: int
    unreadable: dict[str, int]
    encoded: int
    from_cache: int
    per_second: float

    def log(self, name: str) -> None:
        """Say in one line which items have no picture.

        Args:
            name: Where the items are from.
        """
        counts = {"not named": self.unnamed, **self.unreadable}
        parts = ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
        if parts:
            total = sum(counts.values())
            logging.getLogger().warning(f"{name}: {total:,} of {self.items:,} items have no picture: {parts}")


def distinct_pictures(
    pictures: Sequence[Path | None], show_progress: bool = False
) -> tuple[list[Path], list[bytes], np.ndarray, Counter[str]]:
    """Find the pictures that must be encoded: files of equal content count once.

    Args:
        pictures: File of each of N items, without symbolic links; None for none.
        show_progress: Whether to draw a progress bar on standard error.

    Returns:
        M files of different content; their hashes; for each item the place of its picture among the M, -1 for none,
        int64, shape [N]; and how many files are missing or too large.
    """
    hashes: dict[Path, bytes | None] = {}
    reasons: dict[Path, str] = {}
    for path in progress_bar(dict.fromkeys(pictures), show_progress, desc="read pictures", unit="file"):
        if path is None:
            continue
        try:
            hashes[path] = content_hash(path)
        except UnreadableError as error:
            hashes[path], reasons[path] = None, str(error)
    first: dict[bytes, Path] = {}
    for path, key in hashes.items():
        if key is not None:
            first.setdefault(key, path)
    place = {key: number for number, key in enumerate(first)}
    found = [-1 if path is None or (key := hashes[path]) is None else place[key] for path in pictures]
    counts = Counter(reasons[path] for path in pictures if path is not None and path in reasons)
    return list(first.values()), list(first), np.array(found, dtype=np.int64), counts


def encode_pictures(
    encoder: ImageEncoder, pictures: Sequence[Path | None], cache_path: str | Path, show_progress: bool = False
) -> tuple[np.ndarray, PictureReport]:
    """Encode pictures: take known vectors from the cache, and add new ones to it.

    Args:
        encoder: The encoder.
        pictures: File of each of N items, without symbolic links; None for none.
        cache_path: The folder of the cache, which is made if it is missing.
        show_progress: Whether to draw progress bars on standard error.

    Returns:
        Row i is the vector of picture i, zero where there is none that can be read, float32, shape [N, width]; and
        the report.

    Raises:
        UserError: The cache cannot be written, or the disk is full.
    """
    paths, hashes, places, unreadable = distinct_pictures(pictures, show_progress)
    n_with = np.bincount(places[places >= 0], minlength=len(paths))
    # One row more than distinct pictures: an item without one has the place -1, the zeros at the end.
    table = np.zeros((len(paths) + 1, encoder.width), dtype=np.float32)

    def encode(rows: np.ndarray, advance: Callable[[int], object]) -> tuple[np.ndarray, np.ndarray]:
        """Encode the pictures of some rows that can be decoded."""
        kept, pixels = [], []
        for row in rows.tolist():
            try:
                pixels.append(read_pixels(paths[row], encoder.preprocessing))
                kept.append(row)
            except UnreadableError as error:
                unreadable[str(error)] += int(n_with[row])
                advance(1)
        if not kept:
            return np.zeros(0, dtype=np.int64), table[:0]
        return np.array(kept, dtype=np.int64), encoder.encode_pixels(np.stack(pixels), advance)

    folder = Path(cache_path) / f"images-{encoder.fingerprint}"
    filled = fill_vectors(folder, hashes, table, encode, _BLOCK_PICTURES, (show_progress, "encode pictures"))
    report = PictureReport(
        len(pictures),
        sum(path is None for path in pictures),
        {reason: unreadable[reason] for reason in _REASONS if unreadable[reason]},
        filled.encoded,
        filled.from_cache,
        filled.per_second,
    )
    return table[places], report


def check_any_picture(vectors: np.ndarray, pictures: Sequence[Path | None], name: str, key: str) -> None:
    """Check that at least one item has a picture.

    Args:
        vectors: Vector of each item; shape [N, width].
        pictures: Their files.
        name: Where the items are from.
        key: The setting that names the column.

    Raises:
        UserError: None has one that can be read.
    """
    if np.any(vectors):
        return
    example = next((path for path in pictures if path is not None), None)
    such = "" if example is None else f", such as {example},"
    raise UserError(
        f"none of the {len(pictures):,} items of {name} has a picture{such} that can be read: {key} names a column of "
        "files in the dataset's folder"
    )
