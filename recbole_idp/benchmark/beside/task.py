"""``rectools``: train RecTools' models and ours on the same events, each at several batch sizes, for the same time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recbole_idp.benchmark.beside import library
from recbole_idp.benchmark.beside.data import Questions, ndcg, questions, training_events
from recbole_idp.benchmark.evaluation import evaluate
from recbole_idp.benchmark.loop import run_epochs
from recbole_idp.benchmark.measure import load_average
from recbole_idp.benchmark.output import Row, announce
from recbole_idp.benchmark.sides import Side
from recbole_idp.benchmark.steps import TimedSteps
from recbole_idp.config.derive import derive
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.errors import UserError
from recbole_idp.models.base.text_vectors import unit_text_vectors
from recbole_idp.run.prepare import data_fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from recbole_idp.config.strict import StrictConfig

_K = 10
# Users that UniSRecModel ranks items for at a time.
_USERS = 256
_ALL_STEPS = sys.maxsize - 2
Quality = Callable[[], float]
"""Returns NDCG@10 on the test targets."""


@dataclass(frozen=True)
class Contender:
    """A model that is trained.

    Attributes:
        name: Its key in the report.
        batches: Batch sizes to try: targets of ours, users of RecTools'.
        train: Trains a new model with a batch size until its steps are done, and returns its quality.
    """

    name: str
    batches: Sequence[int]
    train: Callable[[int, TimedSteps], Quality]


def run(
    config: StrictConfig, steps: int, seconds: float, our_batches: str, their_batches: str
) -> tuple[dict[str, Any], list[Row]]:
    """Measure the rate of each model at each batch size, then its quality at the fastest one.

    Args:
        config: The configuration, which names the data.
        steps: Steps of each measurement of a rate.
        seconds: Processor seconds of the training whose quality is measured; 0: none is.
        our_batches: Targets of a batch of ours, to try.
        their_batches: Users of a batch of RecTools', to try.

    Returns:
        The measurements, and the rows of the table.

    Raises:
        UserError: RecTools is not installed, or a list of batch sizes is wrong.
    """
    ours, theirs = _sizes("our_batches", our_batches), _sizes("their_batches", their_batches)
    library.load()
    announce(f"reading {config['dataset']}")
    side = Side.read(config)
    asked, events = questions(side, config["MAX_ITEM_LIST_LENGTH"]), training_events(side)
    announce("encoding texts for UniSRecModel")
    vectors = unit_text_vectors(TextEncoding.of(config), side.loaders[0].dataset)
    contenders = (
        Contender("ours", ours, lambda batch, timed: _train_ours(side, batch, timed)),
        Contender("rectools_sasrec", theirs, lambda *given: _train_sasrec(config, events, asked, *given)),
        Contender("rectools_unisrec", theirs, lambda *given: _train_unisrec(config, events, vectors, asked, *given)),
    )
    results = {contender.name: {"training": _rates(contender, steps)} for contender in contenders}
    best = results["ours"]["training"]["targets_per_cpu_second"]
    for contender in contenders:
        training = results[contender.name]["training"]
        training["ours_is_faster"] = round(best / training["targets_per_cpu_second"], 2)
        results[contender.name]["test"] = _quality(contender, training["batch_size"], seconds)
    facts = {"data_fingerprint": data_fingerprint(side.dataset), "events": len(events), **results}
    return facts, _rows(seconds)


def _sizes(option: str, text: str) -> list[int]:
    """Read a list of batch sizes."""
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise UserError(f"--{option} is {text!r}: give batch sizes, as in 64,128,256")
    return sizes


def _rates(contender: Contender, steps: int) -> dict[str, Any]:
    """Measure the rate at each batch size; return the measurements of the fastest, with the rates of all."""
    by_batch: dict[int, dict[str, Any]] = {}
    for batch in contender.batches:
        announce(f"training {contender.name} with batches of {batch:,} for {steps} steps")
        timed = _timed(steps)
        contender.train(batch, timed)
        by_batch[batch] = {**timed.facts(), "load_average": load_average()}
    fastest = max(by_batch, key=lambda batch: by_batch[batch]["targets_per_cpu_second"])
    rates = {str(batch): round(facts["targets_per_cpu_second"], 1) for batch, facts in by_batch.items()}
    return {**by_batch[fastest], "batch_size": fastest, "targets_per_cpu_second_by_batch_size": rates}


def _quality(contender: Contender, batch: int, seconds: float) -> dict[str, Any]:
    """Train for some time, and measure NDCG on the test targets."""
    if not seconds:
        return {"ndcg@10": "", "seconds": 0}
    announce(f"training {contender.name} with batches of {batch:,} for {seconds:g} s")
    timed = _timed(_ALL_STEPS, seconds)
    quality = contender.train(batch, timed)
    return {"ndcg@10": quality(), **timed.facts()}


def _timed(steps: int, seconds: float = float("inf")) -> TimedSteps:
    """Return what RecTools' steps are marked in; our trainer has a loss in it."""
    return TimedSteps(lambda batch: batch, lambda batch: batch.n_targets, steps, seconds)


def _train_ours(side: Side, batch: int, timed: TimedSteps) -> Quality:
    side = replace(side, config=derive(side.config, train_batch_size=batch))
    side.renew()
    timed.loss = side.model.position_loss
    run_epochs(side.trainer, side.loaders[0], timed)
    return lambda: evaluate(side, side.loaders[2])[1]["ndcg@10"]


def _train_sasrec(
    config: StrictConfig, events: pd.DataFrame, asked: Questions, batch: int, timed: TimedSteps
) -> Quality:
    model = library.sasrec(timed, batch_size=batch, dropout_rate=config["hidden_dropout_prob"], **_sizes_of(config))
    model.fit(library.dataset(events))

    def quality() -> float:
        dataset = library.dataset(asked.events())
        found = model.recommend(
            np.arange(len(asked.targets)), dataset, k=_K, filter_viewed=False, on_unsupported_targets="ignore"
        )
        best = np.zeros((len(asked.targets), _K), dtype=np.int64)
        best[found["user_id"], found["rank"] - 1] = found["item_id"]
        return ndcg(best, asked.targets.numpy())

    return quality


def _train_unisrec(
    config: StrictConfig, events: pd.DataFrame, vectors: torch.Tensor, asked: Questions, batch: int, timed: TimedSteps
) -> Quality:
    options = {"batch_size": batch, "dropout": config["hidden_dropout_prob"], **_sizes_of(config)}
    model = library.unisrec(vectors, timed, **options)
    columns = (events["user_id"], events["item_id"], events["datetime"].astype("int64"))
    model.fit(*(torch.from_numpy(column.to_numpy().copy()) for column in columns))

    def quality() -> float:
        histories = model.map_item_ids(asked.padded_left()).split(_USERS)
        best = torch.cat([model.predict_topk(some, _K)[1] for some in histories])
        return ndcg(best.numpy(), asked.targets.numpy())

    return quality


def _sizes_of(config: StrictConfig) -> dict[str, Any]:
    """Return our sizes as RecTools names them; its losses are softmax over all items, as ours."""
    return {
        "n_blocks": config["n_layers"],
        "n_heads": config["n_heads"],
        "n_factors": config["hidden_size"],
        "session_max_len": config["MAX_ITEM_LIST_LENGTH"],
        "lr": config["learning_rate"],
        "loss": "softmax",
    }


def _rows(seconds: float) -> list[Row]:
    return [
        Row("fastest batch size (ours: targets; theirs: users)", "training", "batch_size", digits=0),
        Row("training targets per CPU second", "training", "targets_per_cpu_second", digits=0),
        Row("training targets/s", "training", "targets_per_second", digits=0),
        Row("ours is faster, times", "training", "ours_is_faster"),
        Row(f"test NDCG@10 after {seconds:g} CPU seconds", "test", "ndcg@10", digits=4),
    ]
