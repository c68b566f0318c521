"""Steps of a training on a device that works on while the program goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.benchmark.flops import training_flops
from recbole_idp.benchmark.loop import run_epochs
from recbole_idp.benchmark.sides import batch_sizes
from recbole_idp.benchmark.steps import TimedSteps
from recbole_idp.train.memory import PeakMemory

if TYPE_CHECKING:
    from recbole_idp.train.trainer import SequenceTrainer

_REPEATS, _WARM_UP = 20, 3


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class SyncedSteps(TimedSteps):
    """Steps that end when the device has done them.

    Args:
        loss: As of :class:`TimedSteps`.
        targets_of: As of :class:`TimedSteps`.
        steps: As of :class:`TimedSteps`.
        device: The device.
    """

    def __init__(
        self, loss: Callable[[Any], Any], targets_of: Callable[[Any], int], steps: int, device: torch.device
    ) -> None:
        super().__init__(loss, targets_of, steps)
        self._device = device

    def mark(self, targets: int) -> None:
        """Note that a step begins; see :meth:`TimedSteps.mark`."""
        wait_for(self._device)
        super().mark(targets)


def product_rate(device: torch.device, kind: torch.dtype, size: int) -> float:
    """Measure the matrix product of a device.

    Args:
        device: The device.
        kind: Type of the numbers.
        size: Rows and columns of the matrices.

    Returns:
        GFLOP/s of the fastest of some products.
    """
    left, right = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    seconds = []
    for _ in range(_WARM_UP + _REPEATS):
        wait_for(device)
        began = time.perf_counter()
        torch.mm(left, right)
        wait_for(device)
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds[_WARM_UP:]) / 1e9


def measure_steps(trainer: SequenceTrainer, train: Any, steps: int, peak: float) -> dict[str, Any]:
    """Train for some steps.

    Args:
        trainer: The trainer.
        train: What it trains on.
        steps: Steps that count.
        peak: GFLOP/s of the device's matrix product.

    Returns:
        The rate, its share of the peak, and the memory of the steps beyond that of the weights, in MiB; None on systems
        where it cannot be measured.
    """
    model, flops = trainer.model, list[float]()
    candidates = model.loss.n_candidates(model.n_items)

    def loss(batch: Any) -> torch.Tensor:
        flops.append(training_flops(*batch_sizes(batch), candidates, trainer.config))
        return model.position_loss(batch)

    timed = SyncedSteps(loss, lambda batch: batch.n_targets, steps, trainer.device)
    memory = PeakMemory(trainer.device)
    with memory.measured():
        run_epochs(trainer, train, timed)
    facts = timed.facts()
    gflops = sum(flops[1:]) / facts["seconds"] / 1e9
    return {
        "targets_per_second": round(facts["targets_per_second"], 1),
        "milliseconds_per_step": round(1000 * facts["seconds"] / facts["steps"], 3),
        "targets_per_step": round(facts["targets"] / facts["steps"], 1),
        "gflops": round(gflops, 1),
        "peak_gflops": round(peak, 1),
        "percent_of_peak": round(100 * gflops / peak, 2),
        "step_memory_mb": memory.peak_mb,
    }


def same_twice(make_trainer: Callable[[], SequenceTrainer], train: Any, steps: int) -> bool:
    """Return whether two trainings of some steps end with the same weights, to the last digit."""
    found = []
    for _ in range(2):
        trainer = make_trainer()
        run_epochs(trainer, train, TimedSteps(trainer.model.position_loss, lambda batch: batch.n_targets, steps))
        found.append([parameter.detach().cpu() for parameter in trainer.model.parameters()])
    return all(torch.equal(*pair) for pair in zip(*found, strict=True))
