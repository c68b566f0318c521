"""``baselines``: RecBole's own models through the trimmed loop and through RecBole's."""

import itertools
import time

from recbole.data import data_preparation
from recbole.utils import init_seed

from recbole_idp.benchmark.output import Row, announce
from recbole_idp.config.derive import data_root
from recbole_idp.config.strict import StrictConfig
from recbole_idp.recbole_models.choose import FAST_MODELS, make_dataset, model_class, trainer_class

_SHARED = ("cache_path", "checkpoint_dir", "result_dir", "seed", "text_encoder", "text_fields", "threads", "use_gpu")


class FirstBatches:
    """The first batches of a loader, with the face of the loader.

    Args:
        loader (TrainDataLoader): RecBole's loader.
        steps (int): How many batches.
    """

    def __init__(self, loader, steps):
        self.loader, self.steps = loader, steps
        self.dataset = self._dataset = loader.dataset
        self.shuffle = loader.shuffle

    def __len__(self):
        return self.steps

    def __iter__(self):
        return itertools.islice(iter(self.loader), self.steps)


def run(config, steps):
    """Trains each model for some steps in both loops. That they give the same metrics is for the tests to show.

    Args:
        config (StrictConfig): Names the data.
        steps (int): Batches of each.

    Returns:
        tuple[dict, list[Row]]: The measurements, and the rows of the table.
    """
    results = {"ours": {}, "recbole": {}}
    for model in FAST_MODELS:
        for side, exact in (("ours", False), ("recbole", True)):
            announce(f"training {model}, {'RecBole' if exact else 'ours'}, for {steps} steps")
            results[side][model] = _measure(config, model, exact, steps)
    key = "targets_per_cpu_second"
    ratios = {model: round(results["ours"][model][key] / results["recbole"][model][key], 2) for model in FAST_MODELS}
    rows = [Row(f"{model}, training targets per CPU second", model, key, digits=0) for model in FAST_MODELS]
    return {**results, "ratio": ratios}, rows


def _measure(config, model, exact, steps):
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
