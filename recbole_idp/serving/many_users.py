"""Recommend to all users of a file, in bounded memory, and resume an interrupted run."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recbole_idp.errors import UserError
from recbole_idp.serving.output import output_format
from recbole_idp.storage.files import fingerprint, parse_json, read_json, refusing_failed_writes, replacing, write_json
from recbole_idp.storage.locks import lock_at_once
from recbole_idp.terminal.progress import progress_bar

if TYPE_CHECKING:
    from recbole_idp.serving.answering import ItemRecommender
    from recbole_idp.serving.users_file import UsersFile

PART_USERS = 16_384
"""Users of a part: the most that an interruption loses, and that memory holds at a time."""

_JOURNAL, _LOCK = "journal.json", "lock"


class Summary(Counter):
    """Counts: ``users``, those ``resumed`` from an earlier run, ``unknown`` events, users of an ``empty`` history.

    An empty history has no item that the model reads.
    """


class Part(NamedTuple):
    """Some users, and the file of their recommendations.

    Attributes:
        rows: Ids and histories.
        path: The file.
        k: Items for each user.
        exclude_seen: Whether to exclude history items.
    """

    rows: list[tuple[str, list[str]]]
    path: Path
    k: int
    exclude_seen: bool

    def finished(self) -> Summary | None:
        """Return the counts of a part that an earlier run has finished; None: it is to be made."""
        kept = self.path.with_suffix(".json")
        if not kept.is_file():
            return None
        return Summary(read_json(kept, "journal", f"delete {self.path.parent}"), resumed=len(self.rows))

    def make(self, recommender: ItemRecommender) -> Summary:
        """Write the recommendations, whole or not at all, and return the counts."""
        found = Summary(users=len(self.rows))
        answers = _answers(recommender, self.rows, self.k, self.exclude_seen, found)
        with replacing(self.path) as temporary:
            output_format(self.path).write(temporary, answers)
        # Last, as the part counts once this is there.
        write_json(self.path.with_suffix(".json"), found)
        return found


PartsAtWork = Callable[[Iterable[Part]], Iterator[Summary]]
"""Makes parts, and yields their counts in their order."""


def one_by_one(recommender: ItemRecommender) -> PartsAtWork:
    """Make parts in this process, one after the other.

    Args:
        recommender: The model.
    """
    return lambda parts: (part.finished() or part.make(recommender) for part in parts)


def recommend_file(
    recommender: ItemRecommender,
    users: UsersFile,
    out: str | Path,
    k: int = 10,
    exclude_seen: bool = True,
    part_users: int = PART_USERS,
    at_work: PartsAtWork | None = None,
) -> Summary:
    """Write recommendations for each user of a file.

    users -> parts of some thousand users -> one file each, written whole -> joined into ``out`` -> parts removed

    The parts lie in the folder ``.NAME.parts`` beside ``out``, with a journal of their inputs. The next run with the
    same model, users and options reuses finished parts.

    Args:
        recommender: The model.
        users: The histories.
        out: The file to write: ``.jsonl``, ``.csv`` or ``.parquet``.
        k: Items for each user.
        exclude_seen: Whether to exclude history items.
        part_users: Users of a part.
        at_work: Who makes the parts; None: this process, one after the other.

    Returns:
        The counts.

    Raises:
        UserError: A file cannot be read or written, ``out`` exists, or another process writes it.
    """
    out = Path(out)
    form = output_format(out)
    _check_absent(out)
    about = {"model": recommender.trained.digest(), "users": users.digest(), "k": k, "exclude_seen": exclude_seen}
    about.update(recommender.options)
    with _parts_folder(out, fingerprint({**about, "part_users": part_users, "form": out.suffix})) as folder:
        summary, parts, lines = Summary(), list[Path](), list[int]()

        def begun() -> Iterator[Part]:
            for number, rows in enumerate(_parts_of(users, part_users)):
                parts.append(folder / f"{number:06}{out.suffix}")
                lines.append(sum(len(items) for _, items in rows) if users.is_inter else len(rows))
                yield Part(rows, parts[-1], k, exclude_seen)

        with progress_bar(total=users.count_lines() or None, desc="Recommend", unit="line", ncols=100) as bar:
            for number, found in enumerate((at_work or one_by_one(recommender))(begun())):
                summary.update(found)
                bar.update(lines[number])
        if not parts:
            raise UserError(f"{users.path} has no user: write user<TAB>item item item, one user a line")
        with replacing(out) as temporary:
            form.join(parts, temporary)
        shutil.rmtree(folder, ignore_errors=True)
    return summary


def _parts_of(users: Iterable[tuple[str, list[str]]], size: int) -> Iterator[list[tuple[str, list[str]]]]:
    """Yield the users in lists of ``size``."""
    users = iter(users)
    while part := list(itertools.islice(users, size)):
        yield part


def _answers(
    recommender: ItemRecommender, rows: Sequence[tuple[str, list[str]]], k: int, exclude_seen: bool, summary: Summary
) -> list[tuple[str, list[str], list[float]]]:
    """Return user, items and scores of each row, and count unknown events and empty histories in ``summary``."""
    tokens = recommender.trained.tokens
    histories = [recommender.numbers(items) for _, items in rows]
    summary["unknown"] = sum(len(items) for _, items in rows) - sum(map(len, histories))
    summary["empty"] = sum(not recommender.read(history) for history in histories)
    best, scores = recommender.rank(histories, k, exclude_seen)
    return [
        (user, [tokens[item - 1] for item in items[:count]], [round(score, 6) for score in values[:count]])
        for (user, _), items, values, count in zip(
            rows, best.tolist(), scores.tolist(), (best > 0).sum(1).tolist(), strict=True
        )
    ]


def _check_absent(out: Path) -> None:
    """Raise UserError if the file exists."""
    if out.exists():
        raise UserError(f"{out} exists already: choose another file, or delete it first")


@contextlib.contextmanager
def _parts_folder(out: Path, digits: str) -> Iterator[Path]:
    """Lock and yield the folder of parts, emptied if they were made from other inputs.

    The folder is removed at the end if no part is finished.
    """
    folder = out.with_name(f".{out.name}.parts")
    with refusing_failed_writes(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / _LOCK, "a")  # noqa: SIM115, held until the end
    with lock:
        if not lock_at_once(lock):
            raise UserError(f"another process writes {out} already: let it finish, or choose another file")
        # It may have ended while this one opened the lock.
        _check_absent(out)
        try:
            _begin(folder, digits)
            yield folder
        finally:
            if not any(path.stem.isdigit() for path in folder.glob("*.json")):
                shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path, digits: str) -> None:
    """Empty a folder of parts that were made from other inputs, and write its journal."""
    journal = folder / _JOURNAL
    try:
        same = parse_json(journal) == {"made of": digits}
    except (OSError, ValueError):
        same = False
    if not same:
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                raise UserError(f"{path} was not left by an interrupted run: move it, or choose another --out")
        for path in folder.iterdir():
            if path.name != _LOCK:
                path.unlink()
        write_json(journal, {"made of": digits})
