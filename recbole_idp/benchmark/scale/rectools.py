"""RecTools' dataset and SASRecModel, where it is installed (``pip install rectools[torch]``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from recbole_idp.benchmark.beside import library
from recbole_idp.benchmark.steps import TimedSteps
from recbole_idp.config.derive import data_root
from recbole_idp.data.catalog import locate

if TYPE_CHECKING:
    from recbole_idp.benchmark.scale.meter import Meter
    from recbole_idp.benchmark.scale.request import Request

# Its defaults draw one negative for each target, or compare with all items.
_NEGATIVES = 128
_COLUMNS = ["user_id", "item_id", "datetime"]


def everything(request: Request, meter: Meter) -> None:
    """Measure reading, training steps and recommending, one after the other in one process.

    Its SASRecModel has the sizes of ours, its own batch of 128 users, and 128 negatives for each target.
    """
    library.load()
    meter.renew()
    config = request.made_config()
    with meter.stage("read") as facts:
        path = locate(config["dataset"], data_root(config)).inter_file
        events = pd.read_csv(path, sep="\t", header=0, names=_COLUMNS)
        events["datetime"] = pd.to_datetime(events["datetime"], unit="s")
        events["weight"] = 1
        dataset = library.dataset(events)
        facts["events"] = len(events)
    steps = TimedSteps(lambda batch: batch, library.targets_of, request.steps)
    model = library.sasrec(
        steps,
        n_blocks=config["n_layers"],
        n_heads=config["n_heads"],
        n_factors=config["hidden_size"],
        session_max_len=config["MAX_ITEM_LIST_LENGTH"],
        loss="sampled_softmax",
        n_negatives=_NEGATIVES,
    )
    with meter.stage("pretraining") as facts:
        model.fit(dataset)
        facts.update(steps.facts())
    users = dataset.user_id_map.external_ids[: request.users]
    with meter.stage("recommend") as facts:
        model.recommend(users, dataset, k=10, filter_viewed=True)
        facts["users"] = len(users)
