"""RecTools' dataset and SASRecModel, where it is installed (``pip install rectools[torch]``)."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recbole_idp.benchmark.scale.steps import TimedSteps
from recbole_idp.config.derive import data_root
from recbole_idp.data.catalog import locate

if TYPE_CHECKING:
    from recbole_idp.benchmark.scale.meter import Meter
    from recbole_idp.benchmark.scale.request import Request

# Its defaults draw one negative for each target, or compare with all items.
_NEGATIVES = 128
_COLUMNS = ["user_id", "item_id", "datetime"]


def is_installed() -> bool:
    """Return whether RecTools can be imported."""
    return importlib.util.find_spec("rectools") is not None


def everything(request: Request, meter: Meter) -> None:
    """Measure reading, training steps and recommending, one after the other in one process.

    Its SASRecModel has the sizes of ours, its own batch of 128 users, and 128 negatives for each target.
    """
    # Stubs of neither are installed with the package.
    lightning: Any = importlib.import_module("pytorch_lightning")
    dataset_class: Any = importlib.import_module("rectools.dataset").Dataset
    sasrec: Any = importlib.import_module("rectools.models.nn.transformers.sasrec")
    # It knows nothing of the strings of pandas 3.
    pd.set_option("future.infer_string", False)
    meter.renew()
    config = request.made_config()
    with meter.stage("read") as facts:
        path = locate(config["dataset"], data_root(config)).inter_file
        events = pd.read_csv(path, sep="\t", header=0, names=_COLUMNS)
        events["datetime"] = pd.to_datetime(events["datetime"], unit="s")
        events["weight"] = 1
        dataset = dataset_class.construct(events)
        facts["events"] = len(events)
    steps = TimedSteps(lambda batch: batch, lambda batch: int((batch["y"] != 0).sum()), request.steps)

    class Marks(lightning.Callback):  # type: ignore[misc]  # its class is not known to mypy
        """Notes the beginning of each step, and stops after the last one."""

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> int | None:
            steps.mark(int((batch["y"] != 0).sum()))
            return -1 if steps.is_done else None

    def make_trainer(**_: Any) -> Any:
        return lightning.Trainer(
            max_steps=request.steps + 2,
            max_epochs=-1,
            callbacks=[Marks()],
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            logger=False,
            accelerator="cpu",
            devices=1,
        )

    class Preparator(sasrec.SASRecDataPreparator):  # type: ignore[misc]  # its class is not known to mypy
        """Its own, with the padding token in an array: pandas 3 finds no unique values of a tuple."""

        item_extra_tokens = np.array(sasrec.SASRecDataPreparator.item_extra_tokens, dtype=object)

    model = sasrec.SASRecModel(
        n_blocks=config["n_layers"],
        n_heads=config["n_heads"],
        n_factors=config["hidden_size"],
        session_max_len=config["MAX_ITEM_LIST_LENGTH"],
        loss="sampled_softmax",
        n_negatives=_NEGATIVES,
        data_preparator_type=Preparator,
        get_trainer_func=make_trainer,
    )
    with meter.stage("pretraining") as facts:
        model.fit(dataset)
        facts.update(steps.facts())
    users = dataset.user_id_map.external_ids[: request.users]
    with meter.stage("recommend") as facts:
        model.recommend(users, dataset, k=10, filter_viewed=True)
        facts["users"] = len(users)
