"""``pretraining``: read the source domains, and train on them for some steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole.utils import init_seed

from recbole_idp.benchmark.loop import measure_training
from recbole_idp.benchmark.measure import usage
from recbole_idp.benchmark.output import Row, announce
from recbole_idp.benchmark.sides import batch_sizes
from recbole_idp.benchmark.training import arithmetic_rows
from recbole_idp.config.derive import derive
from recbole_idp.data.domains import load_domains
from recbole_idp.models.idp.model import IDP
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole_idp.config.strict import StrictConfig


def run(config: StrictConfig, steps: int) -> tuple[dict[str, Any], list[Row]]:
    """Measure reading with indexing, and training with the configured shared negatives.

    Args:
        config: The configuration with ``source_domains`` and the ``pretrain_*`` keys.
        steps: Number of training steps.

    Returns:
        The measurements, and the rows of the table.
    """
    announce(f"reading {', '.join(config['source_domains'])}")
    with usage() as used:
        domains = load_domains(config)
        train, _ = domains.split(config["pretrain_valid_users"], config["seed"])
    events = domains.sequences.n_events
    reading = {
        "seconds": round(used.seconds, 3),
        "interactions": events,
        "items": len(domains.item_tokens) - 1,
        "interactions_per_second": round(events / used.seconds),
        "seconds_per_million": round(used.seconds / events * 1e6, 3),
        "peak_memory_mb": round(used.peak_memory_mb, 1),
    }
    settings = derive(
        config,
        learning_rate=config["pretrain_learning_rate"],
        train_batch_size=config["pretrain_batch_size"],
        train_negatives=config["pretrain_negatives"],
    )
    init_seed(config["seed"], config["reproducibility"])
    model = IDP(settings, train.dataset).to(config["device"])
    announce(f"training for {steps} steps")
    trainer, n_candidates = SequenceTrainer(settings, model), model.loss.n_candidates(model.n_items)
    trained = measure_training(trainer, train, len(train), n_candidates, model.position_loss, batch_sizes, steps=steps)
    facts = {
        "domains": [vars(domain) for domain in domains.domains],
        "shared_negatives": config["pretrain_negatives"],
        "ours": {"reading": reading, "training": trained},
    }
    return facts, [
        Row("interactions", "reading", "interactions", digits=0),
        Row("items", "reading", "items", digits=0),
        Row("reading and indexing, s", "reading", "seconds"),
        Row("interactions/s", "reading", "interactions_per_second", digits=0),
        Row("seconds per million interactions", "reading", "seconds_per_million"),
        Row("reading memory, MiB", "reading", "peak_memory_mb", digits=0),
        Row("training targets/s", "training", "targets_per_second", digits=0),
        Row("training targets/s, median step", "training", "targets_per_second_of_median_step", digits=0),
        Row("training targets per CPU second", "training", "targets_per_cpu_second", digits=0),
        Row("training memory, MiB", "training", "peak_memory_mb", digits=0),
        *arithmetic_rows(),
    ]
