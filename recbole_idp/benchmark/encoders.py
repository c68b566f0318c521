"""``encoders``: pre-train PeterRec on each of its encoders, beside IDP on the same sequences."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from recbole.utils import init_seed

from recbole_idp.benchmark.loop import run_epochs
from recbole_idp.benchmark.measure import Budget
from recbole_idp.benchmark.output import Row, announce
from recbole_idp.benchmark.sides import batch_sizes
from recbole_idp.config.derive import data_root
from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.domains import load_domains
from recbole_idp.models.base.source_next_item import source_next_item_settings
from recbole_idp.models.idp.model import IDP
from recbole_idp.models.peterrec.pretrain import PeterRecPretraining
from recbole_idp.train.source_training import source_settings
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.domains import TargetLoader
    from recbole_idp.models.base.sequence_model import SequenceModel

_SHARED = (
    *("cache_path", "checkpoint_dir", "result_dir", "seed", "threads", "use_gpu", "source_domains", "hidden_size"),
    *(
        "inner_size",
        "n_layers",
        "n_heads",
        "MAX_ITEM_LIST_LENGTH",
        "pretrain_batch_size",
        "pretrain_negatives",
        "pretrain_learning_rate",
    ),
)
IDPS, ENCODERS = "IDP", ("SASRec", "NextItNet")


def run(config: StrictConfig, steps: int) -> tuple[dict[str, Any], list[Row]]:
    """Train each for some steps.

    Args:
        config: The configuration with ``source_domains`` and the ``pretrain_*`` keys.
        steps: Number of training steps of each.

    Returns:
        The measurements, and the rows of the table.
    """
    domains = load_domains(config)
    train, _ = domains.split(config["pretrain_valid_users"], config["seed"])
    given = {"data_path": data_root(config), "show_progress": False, **{key: config[key] for key in _SHARED}}
    measured = {
        IDPS: _measure(IDPS, IDP, source_settings(config, train_negatives=config["pretrain_negatives"]), train, steps)
    }
    for encoder in ENCODERS:
        own = StrictConfig("PeterRec", config["dataset"], config_dict={**given, "encoder": encoder})
        name = f"PeterRec on {encoder}"
        measured[name] = _measure(name, PeterRecPretraining, source_next_item_settings(own), train, steps)
    rate = measured[IDPS]["targets_per_cpu_second"]
    for facts in measured.values():
        facts["relative_to_idp"] = round(facts["targets_per_cpu_second"] / rate, 3)
    rows = [Row(f"{name}, targets per CPU second", name, "targets_per_cpu_second", digits=0) for name in measured]
    rows += [Row(f"{name}, relative to IDP", name, "relative_to_idp") for name in measured]
    return {"events": domains.sequences.n_events, "ours": measured}, rows


def _measure(
    name: str, model_class: type[SequenceModel], settings: Config, train: TargetLoader, steps: int
) -> dict[str, Any]:
    """Train a model for some steps, after one step apart that pays for what is set up on first use."""
    announce(f"training {name} for {steps} steps")
    init_seed(settings["seed"], settings["reproducibility"])
    model = model_class(settings, train.dataset).to(settings["device"])
    trainer = SequenceTrainer(settings, model)
    run_epochs(trainer, train, Budget(model.position_loss, batch_sizes, lambda *_: 0, steps=1))
    wall, processors = time.perf_counter(), time.process_time()
    budget = Budget(model.position_loss, batch_sizes, lambda *_: 0, steps=steps)
    run_epochs(trainer, train, budget)
    return {
        "steps": len(budget.rates),
        "targets": budget.targets,
        "targets_per_second": round(budget.targets / (time.perf_counter() - wall), 1),
        "targets_per_cpu_second": round(budget.targets / (time.process_time() - processors), 1),
    }
