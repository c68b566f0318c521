"""The folder of Conure: one network, and the tasks that it has learned, in order.

weights.safetensors   item vectors and encoder as stored, with the owner of each weight
items.tsv             domain and id of each item of the first task
task-T.safetensors    what belongs to task T alone: vectors of its candidates, and of its token
task-T.tsv            ids of its candidates
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.errors import UserError
from recbole_idp.models.conure.masks import check_owners
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat, read_weights
from recbole_idp.train.pretrained_folder import WEIGHTS, FolderContent, card_text, read_table, table_text
from recbole_idp.train.pretrained_items import ITEM_TABLE, ITEMS, PretrainedItems

if TYPE_CHECKING:
    from recbole_idp.data.domains import Domain

OWNER = ".parametrizations.weight.0.owner"
_STORED = ".parametrizations.weight.original"
_TENSORS = ("candidates", "token", "bias")


@dataclass(frozen=True)
class Task:
    """A task that a network has learned. C candidates with padding, D width.

    Attributes:
        about: ``name``; ``pruned``, the share that it gave back; ``kept``, how many entries of each matrix it owns;
            ``valid``, its validation.
        candidates: Vectors of the candidates; shape [C, D].
        token: Vector of its token; shape [D]. The first task has none: zeros.
        bias: Bias of the candidates; shape [C]. Zero but for the first task.
        ids: Ids of candidates 1 to C - 1.
    """

    about: Mapping[str, Any]
    candidates: torch.Tensor
    token: torch.Tensor
    bias: torch.Tensor
    ids: list[str]


@dataclass(frozen=True)
class ConureFolder(PretrainedItems):
    """A network that has learned some tasks.

    Attributes:
        tasks: The tasks, in the order in which they were learned.
    """

    folder_format = FolderFormat(
        name="Conure",
        made_by="a run of Conure",
        identifier="recbole_idp Conure",
        description_file="conure.json",
        required_files=frozenset((WEIGHTS, ITEMS)),
        schema={
            "fingerprint": str,
            "domains": [{"name": str}],
            "sizes": ObjectOf(),
            "tasks": [{"name": str, "pruned": float, "kept": ObjectOf(int), "valid": ObjectOf(float)}],
        },
    )

    tasks: list[Task]

    @classmethod
    def read_parts(cls, folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
        """Read the network and its tasks, and check that each weight has one owner, as when they were written."""
        found = super().read_parts(folder, description)
        about = description["tasks"]
        names = [task["name"] for task in about]
        if not about or len(set(names)) < len(names):
            raise UserError(f"{folder} has no task, or two of one name ({', '.join(names)}): do not use it")
        if not all(0 < task["pruned"] < 1 for task in about):
            shares = ", ".join(str(task["pruned"]) for task in about)
            raise UserError(f"{folder} has a task that gave back no share between 0 and 1 ({shares}): do not use it")
        owners = {name.removesuffix(OWNER): value for name, value in found["state"].items() if name.endswith(OWNER)}
        check_owners(owners, [task["kept"] for task in about], str(folder))
        tasks = []
        for number, facts in enumerate(about, 1):
            tensors = read_weights(folder / _weights(number), cls.folder_format)
            (ids,) = read_table(folder / _ids(number), 1)
            shapes = [tuple(tensors[name].shape) if name in tensors else () for name in _TENSORS]
            width = found["state"][ITEM_TABLE].shape[1]
            if shapes != [(len(ids) + 1, width), (width,), (len(ids) + 1,)]:
                raise UserError(f"{folder} has no vector for each candidate of its task {facts['name']}: do not use it")
            tasks.append(Task(about=facts, ids=ids, **{name: tensors[name] for name in _TENSORS}))
        return {**found, "tasks": tasks}

    def names(self) -> list[str]:
        """Return the names of the tasks."""
        return [task.about["name"] for task in self.tasks]

    def changed_since(self, earlier: ConureFolder) -> list[str]:
        """Compare, to the last digit, all that the tasks of an earlier folder use with what is here.

        Args:
            earlier: A folder from whose tasks this one went on.

        Returns:
            Names of tensors and of tasks that are not as they were.
        """
        changed = []
        owners = {name.removesuffix(OWNER): value for name, value in earlier.state.items() if name.endswith(OWNER)}
        for name, value in earlier.state.items():
            kept = owners.get(name.removesuffix(OWNER).removesuffix(_STORED))
            here = self.state[name]
            # What no earlier task owns may have been learned since.
            same = torch.equal(value, here) if kept is None else torch.equal(value[kept > 0], here[kept > 0])
            changed += [] if same else [name]
        for one, other in zip(earlier.tasks, self.tasks, strict=False):
            same = one.ids == other.ids and all(torch.equal(getattr(one, x), getattr(other, x)) for x in _TENSORS)
            changed += [] if same and one.about == other.about else [one.about["name"]]
        return changed

    def shares(self) -> list[float]:
        """Return the share of what was free that each task gave back."""
        return [task.about["pruned"] for task in self.tasks]


def conure_content(
    state: Mapping[str, torch.Tensor],
    items: str,
    tasks: list[Task],
    domains: Sequence[Domain],
    facts: Mapping[str, Any],
) -> FolderContent:
    """Return what a folder holds.

    Args:
        state: Weights of ``item_embedding`` and ``encoder`` as stored, with owners.
        items: Content of the file that names the items.
        tasks: The tasks.
        domains: The domains of the first task.
        facts: Further facts for the description.

    Returns:
        All parts.
    """
    weights: dict[str, Mapping[str, torch.Tensor]] = {WEIGHTS: state}
    texts = {ITEMS: items}
    for number, task in enumerate(tasks, 1):
        weights[_weights(number)] = {name: getattr(task, name) for name in _TENSORS}
        texts[_ids(number)] = table_text(("candidate",), task.ids)
    about = [dict(task.about) for task in tasks]
    return FolderContent(domains, tasks[-1].about["valid"], weights, {**facts, "tasks": about}, texts)


def conure_card(description: Mapping[str, Any]) -> str:
    """Return the model card of a folder."""
    names = ", ".join(domain["name"] for domain in description["domains"])
    return card_text(
        "A Conure of recbole_idp",
        f"One user encoder (Conure, SIGIR 2021) that has learned tasks one after the other, the first on {names}.",
        {f"Task {number}": task["name"] for number, task in enumerate(description["tasks"], 1)},
        "--model=Conure --dataset=NAME",
    )


def _weights(number: int) -> str:
    return f"task-{number}.safetensors"


def _ids(number: int) -> str:
    return f"task-{number}.tsv"
