"""Describe, a line each, surprising facts about a target's events and their split."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.data.atomic import FileFormat, read_atomic
from recbole_idp.data.splits import TEST, TRAIN, VALID, Events, overlap
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole_idp.data.reading import LiteralReading


def data_notes(dataset: LiteralReading) -> str | None:
    """Count what is odd in a dataset: short users, equal events, and items that one of its two files alone has.

    Args:
        dataset: The dataset, after ``build()``.

    Returns:
        One line; None where nothing is odd.
    """
    events = dataset.events
    lengths = np.bincount(events.users)
    short = int(((lengths > 0) & (lengths < 3)).sum())
    equal = _repeated(events.users, events.items, events.times)
    found = [
        f"{short:,} of {int((lengths > 0).sum()):,} users have fewer than three events" if short else "",
        f"{equal:,} events repeat another one (user, item and time), and are kept: --rm_dup_inter=first drops an item "
        "that a user has had"
        if equal
        else "",
        *_one_file_only(dataset),
    ]
    return f"{dataset.config['dataset']}: {'; '.join(filter(None, found))}" if any(found) else None


def split_notes(dataset: LiteralReading, targets: Sequence[Any]) -> list[str]:
    """Say how a split that is given event by event came out.

    Args:
        dataset: The dataset, after ``build()``.
        targets: The numbers of targets for training, validation and test.

    Returns:
        The lines; none for leave-one-out and other splits of each user's events.
    """
    if not dataset.split_by_events():
        return []
    events, seen = dataset.events, dataset.seen
    counts = np.bincount(events.parts, minlength=3)
    line = f"{counts[TRAIN]:,} training, {counts[VALID]:,} validation and {counts[TEST]:,} test events"
    if (alone := int(counts[TEST]) - targets[TEST]) > 0:
        line += f"; {alone:,} test events have no earlier one of their user, and are not ranked"
    tested = events.parts == TEST
    new_users = np.unique(events.users[tested & ~seen.users[events.users]])
    new_items = np.unique(events.items[tested & ~seen.items[events.items]])
    line += f"; training has not seen {len(new_users):,} users and {len(new_items):,} items of the test"
    lines = [line]
    if dataset.fixed is not None and dataset.fixed.given is None:
        lines += _in_several(events)
    return lines


def _in_several(events: Events) -> Iterable[str]:
    """Say how many events stand in several files of a fixed split."""
    triples = np.stack([events.users, events.items, events.times])
    _, number = np.unique(triples, axis=1, return_inverse=True)
    trained = np.isin(number.ravel(), number.ravel()[events.parts == TRAIN])
    if both := int((trained & (events.parts != TRAIN)).sum()):
        yield f"{both:,} validation or test events (user, item and time) are in the training file as well: a leak"


def overlap_note(dataset: LiteralReading) -> str | None:
    """Say how far test events lie before other users' training events.

    Args:
        dataset: The dataset, after ``build()``.

    Returns:
        A line for splits of each user's events, and for fixed ones; None where no test event lies before a training
        event, or timestamps are only places in each user's history.
    """
    found = overlap(dataset.events)
    if found is None or found.before == 0:
        return None
    remedy = "" if dataset.fixed is not None else ': --eval_args="{split: {TS: [0.8, 0.1, 0.1]}}" splits by time'
    return (
        f"{found.before:,} of {found.tested:,} test events of {dataset.config['dataset']} lie before training events "
        f"of other users; on average {100 * found.later:.2g} % of the training events are later than a user's test "
        f"event{remedy}"
    )


def _repeated(*columns: np.ndarray) -> int:
    """Return the number of rows that equal an earlier one."""
    order = np.lexsort(columns)
    same = np.ones(max(0, len(order) - 1), dtype=bool)
    for column in columns:
        same &= np.diff(column[order]) == 0
    return int(same.sum())


def _one_file_only(dataset: LiteralReading) -> list[str]:
    """Count the items that only the events, or only the ``.item`` file, have."""
    path, config = dataset.location.item_file, dataset.config
    if not path.is_file():
        return []
    try:
        frame = read_atomic(path, [dataset.iid_field], *FileFormat.of(config))
    except UserError:
        # Whoever needs the file says what is wrong with it.
        return []
    described = set(frame[dataset.iid_field])
    there = set(dataset.field2id_token[dataset.iid_field][np.unique(dataset.events.items)])
    found = []
    if unknown := len(there - described):
        found.append(f"{unknown:,} of {len(there):,} items have no row in {path.name}")
    if unused := len(described - there):
        found.append(f"{unused:,} of {len(described):,} items of {path.name} have no event")
    return found
