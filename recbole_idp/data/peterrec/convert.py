"""Turn the text files of PeterRec (SIGIR 2020) and Conure (SIGIR 2021) into atomic files with users in common.

source ids -> NAME.inter, at the places of the line, padding not counted
target ids -> NAME-target.inter, at the places after the source: one order over both
target classes -> NAME.user
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pandas as pd

from recbole_idp.data.atomic import write_atomic
from recbole_idp.data.convert.datasets import building_dataset, building_file, free_folder
from recbole_idp.data.convert.stages import Stages
from recbole_idp.data.folders import CLOCK
from recbole_idp.data.peterrec.lines import PADDING, Line, has_targets, read_lines
from recbole_idp.data.peterrec.users import IDENTITIES, Users
from recbole_idp.errors import UserError

_EVENTS = "user_id:token item_id:token timestamp:float"
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Task:
    """One file.

    Attributes:
        file: The file.
        name: A short name, which users of their own carry where each line is a user; empty for the first file.
    """

    file: Path
    name: str = ""


@dataclass(frozen=True)
class Tasks:
    """The files of one conversion, by what their lines hold.

    Attributes:
        source: Files of source ids alone.
        items: Files whose targets are items: name of the target's data set -> the file.
        classes: Files whose targets are classes: column -> the file.
    """

    source: Sequence[Task] = ()
    items: Mapping[str, Task] = field(default_factory=dict)
    classes: Mapping[str, Task] = field(default_factory=dict)


@dataclass
class TextSummary:
    """What was read and written.

    Attributes:
        name: The name of the data set of source histories.
        folder: Its folder.
        who: What a user is: ``line`` or ``history``.
        lines: Lines read in all files.
        users: Users found.
        interactions: Source events written.
        empty: Users without a source id.
        unknown: Zeros after the first id of a line, which are left out.
        targets: Events written for each data set of targets.
        labelled: Users with a class for each column.
    """

    name: str
    folder: Path
    who: str
    lines: int = 0
    users: int = 0
    interactions: int = 0
    empty: int = 0
    unknown: int = 0
    targets: dict[str, int] = field(default_factory=dict)
    labelled: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        who = {"line": "each line is a user", "history": "lines with the same source history are one user"}[self.who]
        parts = [
            f"{self.name}: {self.users:,} users of {self.lines:,} lines ({who}), {self.interactions:,} source "
            f"interactions in {self.folder}"
        ]
        parts += [
            f"{name}: {events:,} target interactions, after the source's" for name, events in self.targets.items()
        ]
        parts += [f"{count:,} users have a class of {name}" for name, count in self.labelled.items()]
        if self.empty:
            parts.append(f"{self.empty:,} users have no source id")
        if self.unknown:
            parts.append(f"{self.unknown:,} zeros after the first id of a line are left out, as padding")
        parts.append("timestamps are places in a line, and no times")
        return "; ".join(parts)


def convert_peterrec(
    file: str | Path, name: str, output: str | Path, labels: str | None = None, users: str = "line"
) -> TextSummary:
    """Convert one text file.

    Source ids become ``NAME.inter``; targets that are items ``NAME-target.inter``, with the same users; targets that
    are classes a column of ``NAME.user``. The form of the file is recognised by its first line.

    Args:
        file: The file, gzipped or not.
        name: The name of the data set.
        output: The folder of data sets.
        labels: The column of ``NAME.user`` that the targets become; None: they are items.
        users: What a user is: ``line`` or ``history``.

    Returns:
        Counts of what was read and written.

    Raises:
        UserError: The file is missing, cannot be read or has a malformed line. Or a folder exists already or cannot
            be written.
    """
    free_folder(output, name)
    task = Task(Path(file))
    if not has_targets(task.file):
        if labels is not None:
            raise UserError(f"{file} has no targets, which --labels={labels} would name: remove --labels")
        tasks = Tasks(source=[task])
    elif labels is None:
        tasks = Tasks(items={f"{name}-target": task})
    else:
        tasks = Tasks(classes={labels: task})
    return _convert(tasks, name, Path(output), users)


def convert_conure(
    name: str,
    output: str | Path,
    pretraining: str | Path | None = None,
    targets: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    users: str = "history",
) -> TextSummary:
    """Convert the text files of several tasks that have one vocabulary of source ids.

    The source ids of all files become ``NAME.inter``, a user's once; each file of target items
    ``NAME-TARGET.inter``; the files of classes columns of ``NAME.user``.

    Args:
        name: The name of the data set.
        output: The folder of data sets.
        pretraining: The file of source ids alone.
        targets: Name of each target -> its file.
        labels: Name of each column -> its file.
        users: What a user is: ``line`` or ``history``.

    Returns:
        Counts of what was read and written.

    Raises:
        UserError: As :func:`convert_peterrec` does. Or no file is given, or a name is wrong.
    """
    free_folder(output, name)
    targets, labels = _files("targets", targets), _files("labels", labels)
    if pretraining is None and not targets and not labels:
        raise UserError("--format=conure needs files: give --pretraining=FILE, --targets or --labels")
    if both := sorted(targets.keys() & labels.keys()):
        raise UserError(f"{both[0]} is among the targets and the labels: give each task a name of its own")
    first = pretraining is None
    named = {}
    for short, path in {**targets, **labels}.items():
        named[short] = Task(Path(path), "" if first else short)
        first = False
    tasks = Tasks(
        [Task(Path(pretraining))] if pretraining is not None else [],
        {f"{name}-{short}": named[short] for short in targets},
        {short: named[short] for short in labels},
    )
    return _convert(tasks, name, Path(output), users)


def _files(key: str, given: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the files by name; raise UserError where a name or a file is no text."""
    for name, file in (given or {}).items():
        if not (isinstance(name, str) and name and isinstance(file, str) and file):
            raise UserError(
                f'{key} has {file!r} for {name!r}: write a name and a file, as in --{key}="{{clicks: FILE}}"'
            )
    return given or {}


def _convert(tasks: Tasks, name: str, output: Path, users: str) -> TextSummary:
    """Check what can be checked at once, then read all files."""
    for column in tasks.classes:
        if not _NAME.fullmatch(column) or column == "user_id":
            raise UserError(f"{column!r} cannot name a column of users: choose a word of letters, such as age")
    folder = free_folder(output, name)
    places = {target: free_folder(output, target) for target in tasks.items}
    for task in (*tasks.items.values(), *tasks.classes.values()):
        if not has_targets(task.file):
            raise UserError(f"{task.file}, line 1 has no two commas, after which targets follow")
    summary = TextSummary(name, folder, users)
    stages = Stages(len(tasks.source) + len(tasks.items) + len(tasks.classes))
    files = [*tasks.source, *tasks.items.values(), *tasks.classes.values()]
    facts = {
        "origin": f"converted from {', '.join(task.file.name for task in files)} of PeterRec's form",
        "users": users,
        CLOCK: f"order of {name}",
    }
    with contextlib.ExitStack() as stack:
        # Folders take their places in the opposite order: where NAME is there, its targets are.
        main = stack.enter_context(building_dataset(folder, **facts))
        built = {target: stack.enter_context(building_dataset(place, **facts)) for target, place in places.items()}
        with building_file(main / f"{name}.inter", _EVENTS) as file:
            reader = _Reader(IDENTITIES[users](), file, summary)
            for task in tasks.source:
                reader.read_source(task)
                stages.done(f"{task.file.name}: {summary.users:,} users")
            for target, task in tasks.items.items():
                with building_file(built[target] / f"{target}.inter", _EVENTS) as events:
                    summary.targets[target] = reader.read_items(task, events)
                stages.done(f"{task.file.name}: {summary.targets[target]:,} target interactions")
            for column, task in tasks.classes.items():
                summary.labelled[column] = reader.read_classes(task, column)
                stages.done(f"{task.file.name}: {summary.labelled[column]:,} users have a class")
        if not summary.interactions:
            raise UserError(f"{files[0].file} has no source id but 0, which is padding: give another file")
        if tasks.classes:
            reader.write_profiles(main / f"{name}.user")
    return summary


class _Reader:
    """Reads files one after another, and writes the source events of each user once.

    Args:
        users: Tells who is the same user.
        file: The file of source events.
        summary: Where is counted.
    """

    def __init__(self, users: Users, file: IO[str], summary: TextSummary) -> None:
        self._users, self._file, self._summary = users, file, summary
        self._classes: dict[str, dict[str, str]] = {}

    def read_source(self, task: Task) -> None:
        """Read a file of source ids alone."""
        for line in read_lines(task.file, with_targets=False):
            self._user(task, line)

    def read_items(self, task: Task, events: IO[str]) -> int:
        """Read a file whose targets are items; write these, and return how many there are."""
        following: dict[str, int] = {}
        count = 0
        for line in read_lines(task.file, with_targets=True):
            user, length = self._user(task, line)
            start = following.get(user, length)
            events.writelines(f"{user}\t{item}\t{place}\n" for place, item in enumerate(line.targets, start))
            following[user] = start + len(line.targets)
            count += len(line.targets)
        return count

    def read_classes(self, task: Task, column: str) -> int:
        """Read a file whose targets are classes; return how many users have one."""
        found: dict[str, str] = {}
        for line in read_lines(task.file, with_targets=True):
            where = f"{task.file}, line {line.number}"
            if len(line.targets) > 1:
                raise UserError(f"{where} has {len(line.targets)} classes of {column}, and a user has one: correct it")
            user, _ = self._user(task, line)
            if found.setdefault(user, line.targets[0]) != line.targets[0]:
                raise UserError(
                    f"{where}: {column} is {line.targets[0]}, and {found[user]} in an earlier line with the same "
                    "source ids: correct it, or give --users=line"
                )
        self._classes[column] = found
        return len(found)

    def write_profiles(self, path: Path) -> None:
        """Write the classes of all users who have one."""
        names = list(dict.fromkeys(user for found in self._classes.values() for user in found))
        columns = {column: [found.get(user, "") for user in names] for column, found in self._classes.items()}
        frame = pd.DataFrame({"user_id": names, **columns}, dtype=object)
        write_atomic(path, frame, dict.fromkeys(frame.columns, "token"))

    def _user(self, task: Task, line: Line) -> tuple[str, int]:
        """Write the source events of a user's first line; return the user and the length of the history.

        Places are counted without padding, of which files of one user may have more or less.
        """
        history = [item for item in line.source if item != PADDING]
        user = self._users.of(task.name, line.number, history)
        summary = self._summary
        summary.lines += 1
        if history:
            summary.unknown += len(line.source) - line.source.index(history[0]) - len(history)
        if user.new:
            summary.users += 1
            summary.interactions += len(history)
            summary.empty += not history
            self._file.writelines(f"{user.name}\t{item}\t{place}\n" for place, item in enumerate(history))
        return user.name, len(history)
