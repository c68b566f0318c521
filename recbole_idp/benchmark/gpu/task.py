"""``gpu``: training on an accelerator in float32 and bfloat16, its memory with a large catalogue, and its quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from recbole.utils import get_model, init_seed

from recbole_idp.benchmark.gpu.rates import measure_steps, product_rate, same_twice
from recbole_idp.benchmark.output import Row, announce
from recbole_idp.benchmark.sides import Side
from recbole_idp.config.derive import derive
from recbole_idp.data.domains import Domain, Domains, TargetLoader
from recbole_idp.data.sequences import Sequences
from recbole_idp.errors import UserError
from recbole_idp.models.idp.model import IDP
from recbole_idp.run.prepare import data_fingerprint
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.config.strict import StrictConfig

PRECISIONS = ("float32", "bfloat16")
_KINDS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# A product that fills an accelerator; a processor is asked for a smaller one.
_SIZE = {"cuda": 8192, "cpu": 512}
_EVENTS_OF_A_USER = 50


def run(config: StrictConfig, steps: int, width: int, items: int, large_batch: int) -> tuple[dict[str, Any], list[Row]]:
    """Measure everything.

    Args:
        config: The configuration, which names the data.
        steps: Training steps of each measurement.
        width: Width of the wide model.
        items: Items of the large catalogue.
        large_batch: Targets of a batch with it.

    Returns:
        The measurements, and the rows of the table.

    Raises:
        UserError: There is no accelerator.
    """
    device = config["device"]
    if config["use_gpu"] and device.type != "cuda":
        raise UserError("no accelerator is found: run this where there is one, or try small sizes by --use_gpu=false")
    announce(f"reading {config['dataset']}")
    side, results = Side.read(config), dict[str, dict[str, Any]]()
    for precision in PRECISIONS:
        peak = product_rate(device, _KINDS[precision], _SIZE[device.type])
        found: dict[str, Any] = {}
        wide = {"hidden_size": width, "inner_size": 4 * width}
        for name, changes in (("training", {}), ("wide", wide)):
            announce(f"training in {precision}, {name}")
            settings = derive(side.config, precision=precision, **changes)
            found[name] = measure_steps(_trainer(settings, side), side.loaders[0], steps, peak)
        announce(f"training {items:,} items in {precision}")
        found["large"] = _large(derive(config, precision=precision), items, large_batch, steps, peak)
        announce(f"training in {precision} to early stopping")
        found["quality"] = _quality(derive(side.config, precision=precision), side)
        results[precision] = found
    announce("training twice")
    twice = same_twice(lambda: _trainer(side.config, side), side.loaders[0], steps)
    facts = {
        "data_fingerprint": data_fingerprint(side.dataset),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "same_weights_twice": twice,
        **results,
    }
    announce(f"the same weights after {steps} steps twice: {'yes' if twice else 'no'}")
    return facts, _rows(width, items)


def _trainer(settings: Config, side: Side) -> SequenceTrainer:
    """Make a model with the random weights of the seed, and its trainer."""
    init_seed(settings["seed"], settings["reproducibility"])
    model = get_model(settings["model"])(settings, side.loaders[0].dataset).to(settings["device"])
    return SequenceTrainer(settings, model)


def _quality(settings: Config, side: Side) -> dict[str, Any]:
    """Train until validation stops it, and test the best epoch."""
    trainer = _trainer(settings, side)
    trainer.eval_collector.data_collect(side.loaders[0])
    _, valid = trainer.fit(side.loaders[0], side.loaders[1], saved=True, show_progress=False)
    test = trainer.evaluate(side.loaders[2], show_progress=False)
    assert test is not None  # as there are test users
    return {
        "valid_ndcg@10": float(valid["ndcg@10"]),
        "test_ndcg@10": float(test["ndcg@10"]),
        "targets_per_second": round(trainer.targets_per_second, 1),
    }


def _large(config: Config, items: int, batch: int, steps: int, peak: float) -> dict[str, Any]:
    """Train with the softmax over a large catalogue, whose events are random."""
    device = config["device"]
    settings = derive(config, train_batch_size=batch, train_negatives=0, generated_prior=0.0, exclude_history=False)
    # As many events as all steps need; each user has a first one, which is no target.
    users = -(-(steps + 2) * batch // (_EVENTS_OF_A_USER - 1))
    draw = np.random.default_rng(config["seed"])
    numbers = torch.from_numpy(draw.integers(1, items + 1, users * _EVENTS_OF_A_USER))
    sequences = Sequences(numbers, torch.arange(users + 1) * _EVENTS_OF_A_USER)
    about = Domain("random", users, items, len(numbers), {})
    tokens = ["[PAD]", *map(str, range(1, items + 1))]
    train: TargetLoader = Domains([about], sequences, tokens, np.zeros(items + 1, dtype=np.int64)).split(0, 0)[0]
    before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    init_seed(config["seed"], config["reproducibility"])
    trainer = SequenceTrainer(settings, IDP(settings, train.dataset).to(device))
    facts = measure_steps(trainer, train, steps, peak)
    weights = sum(parameter.nbytes for parameter in trainer.model.parameters()) / 2**20
    whole = facts["step_memory_mb"]
    return {
        **facts,
        "weights_mb": round(weights, 3),
        "held_before_mb": round(before / 2**20, 1),
        "memory_mb": None if whole is None else round(whole + weights, 1),
    }


def _rows(width: int, items: int) -> list[Row]:
    rows = []
    for part, label in (("training", "as configured"), ("wide", f"width {width}"), ("large", f"{items:,} items")):
        rows += [
            Row(f"{label}: training targets/s", part, "targets_per_second", digits=0),
            Row(f"{label}: % of the matrix product", part, "percent_of_peak"),
            Row(f"{label}: memory of steps, MiB", part, "step_memory_mb", digits=0),
        ]
    return [
        *rows,
        Row(f"{items:,} items: memory with weights, MiB", "large", "memory_mb", digits=0),
        Row("valid NDCG@10", "quality", "valid_ndcg@10", digits=4),
        Row("test NDCG@10", "quality", "test_ndcg@10", digits=4),
    ]
