"""Recommend to the users of a file by the tasks of a Ray cluster, whose machines see the same folders."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from recbole_idp.cluster import tasks
from recbole_idp.errors import UserError
from recbole_idp.hub.address import is_address
from recbole_idp.serving.answering import ItemRecommender
from recbole_idp.serving.load import load
from recbole_idp.serving.many_users import Part, Summary


class RayParts:
    """Makes parts on a cluster, a processor each, and yields their counts in their order.

    Args:
        trained: The model's folder.
        index: What :func:`~recbole_idp.serving.load.load` was given besides.
        digest: The digest of the model, which all machines have to find.
        at_a_time: Parts at a time; None: as many as the cluster has processors.

    Raises:
        UserError: Ray is not installed.
    """

    def __init__(self, trained: str, index: dict[str, str], digest: str, at_a_time: int | None) -> None:
        self._ray = tasks.connect()
        self._task = tasks.task(_make, 1)
        folder = trained if is_address(trained) else str(Path(trained).resolve())
        self._model = (folder, tuple(sorted(index.items())), digest)
        # One more waits, so that no processor does.
        self._at_a_time = (at_a_time or int(self._ray.cluster_resources().get("CPU", 1))) + 1

    def __call__(self, parts: Iterable[Part]) -> Iterator[Summary]:
        """Make parts; see :data:`~recbole_idp.serving.many_users.PartsAtWork`."""
        return tasks.in_order(self._start, parts, self._at_a_time)

    def _start(self, part: Part) -> Any:
        """Start the task of a part, and return its reference."""
        if (found := part.finished()) is not None:
            return self._ray.put(found)
        return self._task.remote(self._model, part._replace(path=part.path.resolve()))


def _make(model: tuple[str, tuple[tuple[str, str], ...], str], part: Part) -> Summary:
    """Make a part, on a machine of the cluster."""
    torch.set_num_threads(1)
    return part.make(_opened(*model))


@functools.lru_cache(maxsize=1)
def _opened(folder: str, index: tuple[tuple[str, str], ...], digest: str) -> ItemRecommender:
    """Open a model, once in a process of the cluster."""
    found = load(folder, **dict(index))
    if found.trained.digest() != digest:
        raise UserError(f"{folder} is another model on a machine of the cluster: let all machines see the same folder")
    return found
