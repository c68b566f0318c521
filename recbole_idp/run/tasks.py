"""Learn a list of tasks with one network, one after the other, and show that none was forgotten.

each task -> a run that extends the folder of the one before -> its results, kept until the list is done
at the end -> each task again, as the last folder has it: the same results to the last digit
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.config.derive import given_values
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.data.catalog import locate
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.keys import PredictionSettings, read_beside
from recbole_idp.errors import UserError
from recbole_idp.models.conure.folder import ConureFolder
from recbole_idp.models.conure.trainer import task_name
from recbole_idp.report.result import table
from recbole_idp.storage.environment import command_line, versions
from recbole_idp.storage.files import fingerprint, parse_json, unused, write_json
from recbole_idp.storage.sealed import content_digest

if TYPE_CHECKING:
    from recbole_idp.config.strict import StrictConfig

    RunOne = Callable[[StrictConfig], dict[str, Any]]

LEARN, STORED = "learn", "stored"
# What a list of tasks decides itself, or would have several folders for.
_NOT_OF_TASKS = frozenset(
    {
        "model",
        "tasks",
        "pretrained",
        "variants",
        "transfer",
        "seed",
        "seeds",
        "few_shot",
        "keep_trained",
        "checkpoint_dir",
    }
)


@dataclass(frozen=True)
class Learned:
    """A task that was learned.

    Attributes:
        name: Its name.
        folder: The folder that has it as its last task.
        test: Its test metrics when it was learned.
    """

    name: str
    folder: str
    test: dict[str, float]


def run_tasks(config: StrictConfig, run_one: RunOne) -> dict[str, Any]:
    """Learn the tasks of the key ``tasks``, and compare each with what the last folder says of it.

    Args:
        config: The configuration of what all tasks share.
        run_one: Runs one task.

    Returns:
        ``conure``, the last folder; ``tasks``, for each its name, folder, metrics when it was learned and at the end;
        and ``path``, the file that holds the same.

    Raises:
        UserError: The list is wrong, or a task cannot be learned. Or a task is not as it was, which no data can cause.
    """
    planned = plan_tasks(config)
    progress = Progress(config, planned)
    learned = progress.read()
    for number, (name, task) in enumerate(planned[len(learned) :], len(learned) + 1):
        print(f"Task {number} of {len(planned)}, {name}: learning", flush=True)
        before = learned[-1].folder if learned else config["pretrained"]
        result = run_one(task.varied(f"task {number}", pretrained=before))
        run = result["variants"][LEARN]["runs"][0]
        learned.append(Learned(name, run["conure"], run["test"]))
        progress.save(learned)
    last = learned[-1].folder
    rows = []
    for number, ((name, task), found) in enumerate(zip(planned, learned, strict=True), 1):
        print(f"Task {number} of {len(planned)}, {name}: as the last folder has it", flush=True)
        changes = {"pretrained": last, "variants": [STORED], "keep_trained": False, "compare_join": False}
        shown = run_one(task.varied(f"task {number}", **changes))["variants"][STORED]["runs"][0]["test"]
        rows.append({**asdict(found), "at_the_end": shown, "weights_changed": _changed(found.folder, last)})
    path = unused(config["result_dir"], f"Conure-tasks-{time.strftime('%b-%d-%Y_%H-%M-%S')}", ".json")
    write_json(path, {"conure": last, "tasks": rows, "versions": versions(), "command": command_line()})
    progress.discard()
    print(report(rows, last, path))
    if changed := [row["name"] for row in rows if not _is_same(row)]:
        raise UserError(f"{', '.join(changed)} changed while later tasks were learned, which is a bug: report {path}")
    return {"conure": last, "tasks": rows, "path": str(path)}


def plan_tasks(config: StrictConfig) -> list[tuple[str, StrictConfig]]:
    """Check a list of tasks, before any work.

    Args:
        config: The configuration of what all tasks share, with ``tasks``.

    Returns:
        Name and configuration of each task.

    Raises:
        UserError: The list is empty, a task has a wrong key or value or a dataset that is not there, or a name is there
            twice.
    """
    if not config["tasks"]:
        raise UserError("tasks is empty: name at least one, as in --tasks='[{predicts: cold_item}, {}]'")
    if LEARN not in config["variants"] or STORED in config["variants"]:
        raise UserError(f"tasks are learned, and variants is {config['variants']}: give learn, and scratch beside it")
    if len(config["seeds"] or ()) > 1 or config["few_shot"]:
        raise UserError("tasks are one list with one seed, and seeds or few_shot ask for several: give --seed")
    if not config["keep_trained"]:
        raise UserError("each of tasks goes on from the folder of the one before, and keep_trained is false: remove it")
    planned: dict[str, StrictConfig] = {}
    known = ConureFolder.open(config["pretrained"]).names() if config["pretrained"] else []
    for number, given in enumerate(config["tasks"], 1):
        if not all(isinstance(key, str) for key in given):
            raise UserError(f"task {number} of tasks is {given}: write keys and values, as in {{predicts: cold_item}}")
        if wrong := [key for key in given if key in _NOT_OF_TASKS]:
            raise UserError(f"task {number} of tasks has {wrong[0]}, which is one for all tasks: give --{wrong[0]}")
        task = config.varied(f"task {number} of tasks", **{"task_name": None, **given, "tasks": None})
        name = task_name(task["task_name"], task["dataset"], PredictionSettings.of(task))
        if name in planned or name in known:
            where = "twice in tasks" if name in planned else f"in tasks, and {config['pretrained']} has learned it"
            raise UserError(f"the task {name} is {where}: give one of the two another task_name")
        locate(task["dataset"], given_values(task)["data_path"])
        planned[name] = task
    return list(planned.items())


class Progress:
    """The tasks that an interrupted command has learned: the next one with the same data and settings goes on there.

    Args:
        config: The configuration of what all tasks share.
        planned: Name and configuration of each task.
    """

    def __init__(self, config: StrictConfig, planned: Sequence[tuple[str, StrictConfig]]) -> None:
        given = content_digest(config["pretrained"]) if config["pretrained"] else None
        digits = fingerprint([[_read_by(task) for _, task in planned], given, versions()])
        self._path = Path(config["checkpoint_dir"]) / f"unfinished-tasks-{digits}.json"
        self._names = [name for name, _ in planned]

    def read(self) -> list[Learned]:
        """Return the tasks that were learned, as far as their folders are there and whole."""
        try:
            found = [Learned(**entry) for entry in parse_json(self._path)]
            names = [entry.name for entry in found]
            if not found or names != self._names[: len(names)]:
                return []
            # A folder that is damaged, or gone, is made again.
            for entry in found:
                ConureFolder.open(entry.folder)
        except (OSError, ValueError, TypeError, UserError):
            return []
        print(f"{len(found)} of {len(self._names)} tasks were learned before: {', '.join(names)}", flush=True)
        return found

    def save(self, learned: Sequence[Learned]) -> None:
        """Keep what was learned until the list is done."""
        write_json(self._path, [asdict(entry) for entry in learned])

    def discard(self) -> None:
        """Remove what was kept, once the results are saved."""
        self._path.unlink(missing_ok=True)


def _read_by(task: StrictConfig) -> list[Any]:
    """Return what the numbers of a task depend on."""
    values = given_values(task)
    root, target = values["data_path"], task["dataset"]
    names = [target, *read_beside(task["model"], target, task["shared_users"], ()), *task["source_domains"]]
    hashes = [content_hashes(locate(name, root), with_items=False) for name in dict.fromkeys(names)]
    return [values_that_affect(values, task["model"], Affects.ALL), hashes]


def _changed(before: str, after: str) -> list[str]:
    """Return the names of what a folder has otherwise than a folder of its first tasks; empty: nothing."""
    return ConureFolder.open(after).changed_since(ConureFolder.open(before))


def _is_same(row: Mapping[str, Any]) -> bool:
    return row["test"] == row["at_the_end"] and not row["weights_changed"]


def report(rows: Sequence[Mapping[str, Any]], folder: str, path: Path) -> str:
    """Return the results of each task when it was learned and at the end, as text."""
    cells = []
    for row in rows:
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in list(row["test"].items())[:4])
        cells.append((row["name"], metrics, "yes, to the last digit" if _is_same(row) else "NO"))
    shown = table(("task", "when it was learned", "unchanged at the end"), cells)
    return f"\n{shown}\n\nConure with {len(rows)} tasks of this list: {folder}\nResult: {path}"
