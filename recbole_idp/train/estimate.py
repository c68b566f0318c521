"""How long an epoch will take, before it starts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import torch

from recbole_idp import compat

if TYPE_CHECKING:
    from recbole.data.dataloader import AbstractDataLoader

    from recbole_idp.data.domains import TargetLoader
    from recbole_idp.train.trainer import SequenceTrainer

_TRIED_STEPS = 2


def estimate_line(trainer: SequenceTrainer, train_data: AbstractDataLoader | TargetLoader) -> str:
    """Return in words how long an epoch will take; arguments as of :func:`epoch_estimate`."""
    n_steps, minutes = epoch_estimate(trainer, train_data)
    return (
        f"an epoch of {n_steps:,} steps takes about {minutes:.1f} minutes on this machine, without validation; "
        f"{trainer.epochs} epochs at most"
    )


def epoch_estimate(trainer: SequenceTrainer, train_data: AbstractDataLoader | TargetLoader) -> tuple[int, float]:
    """Time some steps whose gradients are thrown away; no random draw is used up, and no counter of the trainer moves.

    Args:
        trainer: The trainer.
        train_data: What it trains on.

    Returns:
        The steps of an epoch, and the minutes that it takes on this machine without validation, by the last of the
        tried steps.
    """
    batches: Any = trainer._training_batches(train_data)
    generator = cast("torch.Generator", trainer.generator)
    state, counters = generator.get_state(), {name: getattr(trainer, name) for name in trainer.counters}
    trainer.model.train()
    seconds, n_steps = 0.0, 0
    with torch.random.fork_rng(), compat.without_anomaly_detection():
        for batch in batches:
            began = time.perf_counter()
            trainer._training_loss(batch.to(trainer.device)).backward()
            seconds = time.perf_counter() - began
            n_steps += 1
            if n_steps == _TRIED_STEPS:
                break
    trainer.model.zero_grad()
    generator.set_state(state)
    for name, value in counters.items():
        setattr(trainer, name, value)
    return len(batches), len(batches) * seconds / 60
