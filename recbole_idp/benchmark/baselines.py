"""``baselines``: RecBole's own models, trained in the trimmed loop and in RecBole's."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from recbole.data import data_preparation
from recbole.utils import init_seed

from recbole_idp.benchmark.output import Row, announce
from recbole_idp.config.derive import data_root
from recbole_idp.config.strict import StrictConfig
from recbole_idp.recbole_models.choose import FAST_MODELS, make_dataset, model_class, trainer_class

if TYPE_CHECKING:
    from recbole.data.dataloader import TrainDataLoader
    from recbole.data.interaction import Interaction


_SHARED = ("cache_path", "checkpoint_dir", "result_dir", "seed", "text_encoder", "text_fields", "threads", "use_gpu")


class FirstBatches:
    """The first batches of a loader, with the interface of the loader.

    Args:
        loader: RecBole's loader.
        steps: Number of batches.
    """

    def __init__(self, loader: TrainDataLoader, steps: int) -> None:
        self.loader, self.steps = loader, steps
        self.dataset = self._dataset = loader.dataset
        self.shuffle = loader.shuffle

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Interaction]:
        return itertools.islice(iter(self.loader), self.steps)


def run(config: StrictConfig, steps: int) -> tuple[dict[str, Any], list[Row]]:
    """Train each model for some steps in both loops. The tests show that both give the same metrics.

    Args:
        config: The configuration, which names the data.
        steps: Number of batches for each model and loop.

    Returns:
        The measurements, and the rows of the table.
    """
    results: dict[str, dict[str, Any]] = {"ours": {}, "recbole": {}}
    for model in FAST_MODELS:
        for side, exact in (("ours", False), ("recbole", True)):
            announce(f"training {model}, {'RecBole' if exact else 'ours'}, for {steps} steps")
            results[side][model] = _measure(config, model, exact, steps)
    key = "targets_per_cpu_second"
    ratios = {model: round(results["ours"][model][key] / results["recbole"][model][key], 2) for model in FAST_MODELS}
    rows = [Row(f"{model}, training targets per CPU second", model, key, digits=0) for model in FAST_MODELS]
    return {**results, "ratio": ratios}, rows


def _measure(config: StrictConfig, model: str, exact: bool, steps: int) -> dict[str, float]:
    given = {key: config[key] for key in _SHARED}
    given.update(data_path=data_root(config), exact_recbole=exact, show_progress=False)
    own = StrictConfig(model, config["dataset"], config_dict=given)
    init_seed(own["seed"], own["reproducibility"])
    train, _, _ = data_preparation(own, make_dataset(own))
    trainer = trainer_class(own)(own, model_class(own)(own, train.dataset).to(own["device"]))
    batches = FirstBatches(train, min(steps, len(train)))
    wall, processors = time.perf_counter(), time.process_time()
    trainer._train_epoch(batches, 0)
    seconds, processors = time.perf_counter() - wall, time.process_time() - processors
    targets = min(len(batches) * train.batch_size, len(train.dataset))
    return {
        "steps": len(batches),
        "targets_per_second": round(targets / seconds, 1),
        "targets_per_cpu_second": round(targets / processors, 1),
    }
