"""Run a trainer's own epochs until time or steps are used up, and measure them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from recbole_idp.benchmark.flops import training_flops
from recbole_idp.benchmark.measure import Budget, BudgetSpentError, SizesOf, load_average, matrix_product_rate, usage

if TYPE_CHECKING:
    import torch
    from recbole.data.dataloader import AbstractDataLoader
    from recbole.trainer import Trainer

    from recbole_idp.data.domains import TargetLoader


class Counted(Protocol):
    """A loss that counts its steps, and raises ``BudgetSpentError`` after the last one."""

    def __call__(self, batch: Any) -> torch.Tensor:
        """Return the loss of a batch."""

    def finish_step(self) -> None:
        """Count the step that is running."""


def run_epochs(trainer: Trainer, train: AbstractDataLoader | TargetLoader, budget: Counted) -> list[float]:
    """Train until a budget is spent.

    Args:
        trainer: RecBole's or ours.
        train: The training batches.
        budget: The loss, which decides when to stop.

    Returns:
        Seconds of each whole epoch.
    """
    epochs: list[float] = []
    try:
        while True:
            began = time.perf_counter()
            trainer._train_epoch(train, len(epochs), loss_func=budget)
            budget.finish_step()
            epochs.append(time.perf_counter() - began)
    except BudgetSpentError:
        return epochs


def measure_training(
    trainer: Trainer,
    train: AbstractDataLoader,
    n_targets: int,
    n_candidates: float,
    loss: Callable[[Any], torch.Tensor],
    sizes_of: SizesOf,
    *,
    seconds: float | None = None,
    steps: int | None = None,
) -> dict[str, Any]:
    """Train until time or steps are used up, and measure the training.

    Args:
        trainer: RecBole's or ours.
        train: The training batches.
        n_targets: Number of targets of a whole epoch.
        n_candidates: Number of items that each target is compared with; negatives that a batch shares count once.
        loss: Function that returns the loss of a batch.
        sizes_of: Function that returns the shapes of a batch's parts, and its number of targets.
        seconds: Time of all steps together; None: no limit.
        steps: Number of steps; None: no limit.

    Returns:
        The measurements. Rates count the time of the whole loop, the making of batches included; the machine's own rate
        is the mean of a measurement before and one after the training.
    """
    before, load = matrix_product_rate(), load_average()
    # One step apart, which pays for what the libraries set up on their first use.
    run_epochs(trainer, train, Budget(loss, sizes_of, lambda *_: 0, steps=1))
    sizes = trainer.config

    def flops_of(shapes: Sequence[tuple[int, ...]], targets: int) -> float:
        return training_flops(shapes, targets, n_candidates, sizes)

    with usage() as used:
        budget = Budget(loss, sizes_of, flops_of, seconds, steps)
        epochs = run_epochs(trainer, train, budget)
    machine = (before + matrix_product_rate()) / 2
    rate, gflops = budget.targets / budget.elapsed, budget.flops / budget.elapsed / 1e9
    return {
        "seconds": round(budget.elapsed, 3),
        "steps": len(budget.rates),
        "targets": budget.targets,
        "epochs": round(budget.targets / n_targets, 3),
        "targets_per_second": round(rate, 1),
        "targets_per_second_of_median_step": round(statistics.median(budget.rates), 1),
        "targets_per_cpu_second": round(budget.targets / used.cpu_seconds, 1),
        "seconds_per_epoch": round(statistics.median(epochs) if epochs else n_targets / rate, 3),
        "seconds_per_epoch_is": "median of measured epochs" if epochs else "targets / rate",
        "peak_memory_mb": round(used.peak_memory_mb, 1),
        "flops_per_target": round(budget.flops / budget.targets),
        "gflops": round(gflops, 2),
        "machine_gflops": round(machine, 2),
        "machine_percent": round(100 * gflops / machine, 1),
        "load_average": load,
    }
