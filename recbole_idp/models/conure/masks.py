"""Which task owns which weight (Conure, section 3): the parts of a network that tasks share, in turn.

every entry of a matrix has one owner: 0, it is free, or the number of the task that keeps it
    TRAIN task t: all entries are in use; the free ones learn
    prune: task t becomes the owner of the free entries of largest magnitude; the others stay free, with their values
    RETRAIN task t: the entries of tasks 1 to t are in use; those of t learn
    INFER task t: the entries of tasks 1 to t are in use

An entry that an earlier task owns has a gradient of exactly zero. An optimizer that begins without moments and decays
no weights leaves it as it is. As every entry has one owner, the masks of two tasks cannot overlap.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from recbole_idp.errors import UserError
from recbole_idp.nn.encoder.dilated import DilatedConvolution

MOST_TASKS = 255
"""Owners are stored as one byte."""

Selection = Callable[[torch.Tensor, float], torch.Tensor]
"""Chooses from scores of any shape, and a share of all entries, those that are kept; bool, of the same shape."""


class Phase(enum.Enum):
    """What a task does with the network."""

    TRAIN = "train"
    RETRAIN = "retrain"
    INFER = "infer"


class OwnedWeights(nn.Module):
    """The parametrisation of a pruned matrix: from what is stored to what a task uses.

    Args:
        matrix: The matrix, for its shape and place.

    Attributes:
        owner (torch.Tensor): Owner of each entry; uint8, of the matrix's shape.
        phase: What the current task does.
        task: Number of the current task, from 1 on.
    """

    owner: torch.Tensor

    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("owner", torch.zeros_like(matrix, dtype=torch.uint8, requires_grad=False))
        self.phase, self.task = Phase.TRAIN, 1

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the matrix that the current task uses; shape as stored."""
        if self.phase is Phase.TRAIN:
            return torch.where(self.owner == 0, weight, weight.detach())
        kept = (self.owner > 0) & (self.owner <= self.task)
        fixed = torch.where(kept, weight.detach(), 0.0)
        return fixed if self.phase is Phase.INFER else torch.where(self.owner == self.task, weight, fixed)

    def prune(self, weight: torch.Tensor, task: int, share: float, select: Selection) -> int:
        """Give a task its entries; the others stay free.

        Args:
            weight: The matrix as stored.
            task: Number of the task.
            share: Share of all entries of the matrix.
            select: Chooses the entries by their magnitude, which counts as zero where another task owns an entry.

        Returns:
            How many entries the task owns.
        """
        free = self.owner == 0
        chosen = select(weight.detach().abs() * free, share) & free
        self.owner[chosen] = task
        return int(chosen.sum())


def largest(scores: torch.Tensor, share: float) -> torch.Tensor:
    """Choose exactly ``int(share * n)`` of n entries, the largest; of equal ones the first. See :data:`Selection`."""
    order = torch.sort(scores.flatten(), descending=True, stable=True).indices
    chosen = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    chosen[order[: int(share * scores.numel())]] = True
    return chosen.view(scores.shape)


def largest_as_in_reference(scores: torch.Tensor, share: float) -> torch.Tensor:
    """Choose as the authors' code does: one entry more, and all that equal the smallest. See :data:`Selection`."""
    threshold = scores.flatten().sort(descending=True).values[int(share * scores.numel())]
    return scores >= threshold


def task_shares(pruned: Iterable[float]) -> list[float]:
    """Return the share of each matrix that each task keeps.

    Args:
        pruned: Share p_t of what was free that each task gives back, in the order of the tasks.

    Returns:
        q_t = p_1 ... p_(t-1) (1 - p_t) for each task.
    """
    shares, free = [], 1.0
    for share in pruned:
        shares.append(free * (1 - share))
        free *= share
    return shares


class OwnedNetwork:
    """The pruned matrices of an encoder.

    Args:
        encoder: The encoder, whose matrices are parametrised in place: the weights of its convolutions, and of the
            linear layers of its blocks. Biases, norms and positions belong to the first task.
    """

    def __init__(self, encoder: nn.Module) -> None:
        self._layers = dict(_pruned_layers(encoder))
        for layer in self._layers.values():
            parametrize.register_parametrization(layer, "weight", OwnedWeights(layer.weight))  # type: ignore[arg-type]

    def weights(self) -> list[nn.Parameter]:
        """Return the matrices as stored; the only parameters of the encoder that tasks after the first train."""
        return [layer.parametrizations.weight.original for layer in self._layers.values()]  # type: ignore[union-attr,misc]

    def owners(self) -> dict[str, torch.Tensor]:
        """Return the owner of each entry, by the names of the matrices."""
        return {name: owned.owner for name, owned in self._owned().items()}

    def enter(self, phase: Phase, task: int) -> None:
        """Begin a phase of a task.

        Args:
            phase: The phase.
            task: Number of the task, from 1 on.
        """
        for owned in self._owned().values():
            owned.phase, owned.task = phase, task

    def prune(self, task: int, share: float, select: Selection = largest) -> dict[str, int]:
        """Give a task its entries of each matrix; arguments as in :meth:`OwnedWeights.prune`.

        Returns:
            How many entries of each matrix the task owns, by the names of the matrices.

        Raises:
            UserError: A matrix has too few free entries, or is so small that the share is none of its entries. No owner
                was changed then.
        """
        self.check_room(task, share)
        return {
            name: owned.prune(self._layers[name].parametrizations.weight.original, task, share, select)  # type: ignore[union-attr,arg-type]
            for name, owned in self._owned().items()
        }

    def check_room(self, task: int, share: float) -> None:
        """Check, before training, that a task gets entries of each matrix.

        Args:
            task: Number of the task.
            share: Share of all entries of each matrix.

        Raises:
            UserError: It gets none, or more than are free.
        """
        if task > MOST_TASKS:
            raise UserError(f"task {task} is one too many: a network takes {MOST_TASKS} tasks; start another")
        for name, owner in self.owners().items():
            kept, free = int(share * owner.numel()), int((owner == 0).sum())
            if not kept or kept > free:
                raise UserError(
                    f"task {task} would keep {kept} of the {free} free entries of {name}, which has {owner.numel()}: "
                    "let earlier tasks keep less, give another share, or start another network"
                )

    def plain_state(self, encoder: nn.Module) -> dict[str, torch.Tensor]:
        """Return the weights of the encoder as the current phase uses them, by the names of one without masks."""
        state = {name: value for name, value in encoder.state_dict().items() if ".parametrizations." not in name}
        return {**state, **{f"{name}.weight": layer.weight.detach() for name, layer in self._layers.items()}}  # type: ignore[union-attr,operator]

    def _owned(self) -> dict[str, OwnedWeights]:
        return {name: layer.parametrizations.weight[0] for name, layer in self._layers.items()}  # type: ignore[union-attr,index,misc]


def check_owners(owners: Mapping[str, torch.Tensor], kept: Sequence[Mapping[str, int]], what: str) -> None:
    """Check that each weight has the owner that it had when a network was written.

    Args:
        owners: Owner of each entry, by the names of the matrices.
        kept: How many entries of each matrix each task owned, in the order of the tasks.
        what: Where they come from, as the message calls it.

    Raises:
        UserError: Entries are owned by no task, or a task has taken another's.
    """
    for name in sorted(owners.keys() | set().union(*kept)):
        expected = [task.get(name, 0) for task in kept]
        owner = owners.get(name)
        if owner is None or owner.dtype != torch.uint8:
            raise UserError(f"{what} does not say which task owns which weight of {name}: do not use it")
        counts = torch.bincount(owner.flatten().long(), minlength=1 + len(kept))[1:].tolist()
        if counts != expected:
            raise UserError(
                f"{what} is damaged: its tasks own {counts} weights of {name}, and owned {expected} "
                "when it was written, so that their masks overlap or lack weights: do not use it"
            )


def _pruned_layers(encoder: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the layers whose weights are pruned, by their names."""
    kinds = (DilatedConvolution, nn.Linear)
    return [(name, layer) for name, layer in encoder.named_modules() if isinstance(layer, kinds)]
