"""A trainer's own epochs, ended by time or steps, and what they needed."""

import statistics
import time

from recbole_idp.benchmark.flops import training_flops
from recbole_idp.benchmark.measure import Budget, BudgetSpentError, load_average, matrix_product_rate, usage


def run_epochs(trainer, train, budget):
    """Trains until a budget is spent.

    Args:
        trainer (Trainer): RecBole's or ours.
        train (DataLoader): What to train on.
        budget (Budget): The loss, and when to stop.

    Returns:
        list[float]: Seconds of each whole epoch.
    """
    epochs = []
    try:
        while True:
            began = time.perf_counter()
            trainer._train_epoch(train, len(epochs), loss_func=budget)
            budget.finish_step()
            epochs.append(time.perf_counter() - began)
    except BudgetSpentError:
        return epochs


def measure_training(trainer, train, n_targets, n_candidates, loss, sizes_of, **limits):
    """Trains until time or steps are used up, and measures that.

    Args:
        trainer (Trainer): RecBole's or ours.
        train (DataLoader): What to train on.
        n_targets (int): Targets of a whole epoch.
        n_candidates (float): Items that each target is compared with, draws that a batch shares counted once.
        loss (Callable): The loss of a batch.
        sizes_of (Callable): The shapes of a batch's parts, and its targets.
        **limits: ``seconds`` or ``steps``.

    Returns:
        dict: The measurements. Rates count the time of the whole loop, the making of batches included; the machine's
        own rate is the mean of a measurement before and one after the training.
    """
    before, load = matrix_product_rate(), load_average()
    # One step apart, which pays for what the libraries set up on their first use.
    run_epochs(trainer, train, Budget(loss, sizes_of, lambda *_: 0, steps=1))
    sizes = trainer.config
    with usage() as used:
        budget = Budget(loss, sizes_of, lambda *batch: training_flops(*batch, n_candidates, sizes), **limits)
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
