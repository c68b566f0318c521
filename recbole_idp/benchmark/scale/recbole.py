"""RecBole's own dataset and SASRec, for the same stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole.data import create_dataset, data_preparation
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

from recbole_idp.benchmark.loop import run_epochs
from recbole_idp.benchmark.sides import recbole_config
from recbole_idp.benchmark.steps import TimedSteps

if TYPE_CHECKING:
    from recbole_idp.benchmark.scale.meter import Meter
    from recbole_idp.benchmark.scale.request import Request


def everything(request: Request, meter: Meter) -> None:
    """Measure reading, the split, training steps and evaluation, one after the other in one process.

    Each stage needs what the one before has made, which takes RecBole minutes.
    """
    config = recbole_config(request.made_config())
    with meter.stage("read") as facts:
        dataset = create_dataset(config)
        facts["events"] = len(dataset.inter_feat)
    with meter.stage("split"):
        train, valid, _ = data_preparation(config, dataset)
    init_seed(config["seed"], config["reproducibility"])
    model = get_model("SASRec")(config, train.dataset).to(config["device"])
    trainer = Trainer(config, model)
    trainer.eval_collector.data_collect(train)
    steps = TimedSteps(model.calculate_loss, len, request.steps)
    with meter.stage("pretraining") as facts:
        run_epochs(trainer, train, steps)
        facts.update(steps.facts())
    whole = valid.dataset
    some = FullSortEvalDataLoader(config, whole.copy(whole.inter_feat[: request.users]), None)
    with meter.stage("evaluation") as facts:
        trainer.evaluate(some, load_best_model=False)
        facts["users"] = len(some.dataset)
