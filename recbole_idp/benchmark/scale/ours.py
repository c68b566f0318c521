"""The package's own stages: read, index, split, pre-training, evaluation, recommending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from recbole.data import create_dataset, data_preparation
from recbole.utils import init_seed

from recbole_idp.benchmark.loop import run_epochs
from recbole_idp.benchmark.steps import TimedSteps
from recbole_idp.config.derive import data_root, derive, given_values
from recbole_idp.data.catalog import locate
from recbole_idp.data.domains import Domain, Domains, TargetLoader, events_of, join_domains, load_domains
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.evaluation.ranking import rank_targets
from recbole_idp.models.idp.model import IDP
from recbole_idp.serving.pack import sizes_of
from recbole_idp.serving.recommender import Recommender
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.storage.files import replacing
from recbole_idp.train.row_adam import RowTrainer
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.benchmark.scale.meter import Meter
    from recbole_idp.benchmark.scale.request import Request


def read(request: Request, meter: Meter) -> None:
    """Measure reading with filters, indexing as a source domain, and the split as a target."""
    config = request.made_config()
    with meter.stage("read") as facts:
        dataset = create_dataset(config)
        facts["events"] = len(dataset.inter_feat)
    with meter.stage("index"):
        location = locate(config["dataset"], data_root(config))
        domains = join_domains([events_of(dataset, location)], None)
        domains.split(config["pretrain_valid_users"], config["seed"])
    _keep(request, domains)
    del domains
    with meter.stage("split"):
        data_preparation(config, dataset)


def pretraining(request: Request, meter: Meter) -> None:
    """Measure some steps of pre-training with the configured shared negatives."""
    _train("pretraining", SequenceTrainer, request, meter)


def pretraining_rows(request: Request, meter: Meter) -> None:
    """Measure the same with ``pretrain_row_updates``."""
    _train("pretraining_rows", RowTrainer, request, meter)


def _train(stage: str, trainer_class: type[SequenceTrainer], request: Request, meter: Meter) -> None:
    model, settings, (train, _) = _source_model(request)
    trainer = trainer_class(settings, model)
    steps = TimedSteps(model.position_loss, lambda batch: batch.n_targets, request.steps)
    with meter.stage(stage) as facts:
        run_epochs(trainer, train, steps)
        facts.update(steps.facts(), table_mb=_megabytes(model.item_embedding.weight))


def evaluation(request: Request, meter: Meter) -> None:
    """Measure the ranking of some users' held-out events among all items."""
    model, settings, (_, valid) = _source_model(request)
    targets = valid.dataset.targets()
    some = Targets(targets.sequences, targets.starts[: request.users], targets.ends[: request.users])
    with meter.stage("evaluation") as facts:
        rank_targets(model, some, settings["MAX_ITEM_LIST_LENGTH"])
        facts["users"] = len(some)


def recommend(request: Request, meter: Meter) -> None:
    """Measure recommendations of ten items to some users, one after the other as a server does, and all at once."""
    model, settings, (_, valid) = _source_model(request)
    model.eval()
    trained = _as_trained(model, settings)
    targets = valid.dataset.targets()
    rows = torch.arange(min(request.users, len(targets)))
    items, lengths = targets.histories(rows, settings["MAX_ITEM_LIST_LENGTH"])
    histories = [row[:length].tolist() for row, length in zip(items, lengths.tolist(), strict=True)]
    recommender = Recommender(trained)
    with meter.stage("recommend") as facts:
        recommender.rank(histories, 10)
        facts["users"] = len(histories)


def _source_model(request: Request) -> tuple[IDP, Config, tuple[TargetLoader, TargetLoader]]:
    """Return an untrained model, its settings, and the loaders of the indexed events."""
    config = request.made_config()
    if not request.indexed_file.is_file():
        _keep(request, load_domains(derive(config, source_domains=[request.size.dataset], shared_users=None)))
    kept = np.load(request.indexed_file)
    sequences = Sequences(torch.from_numpy(kept["items"]), torch.from_numpy(kept["offsets"]))
    n_items = int(kept["n_items"])
    about = Domain(request.size.dataset, len(sequences.offsets) - 1, n_items - 1, sequences.n_events, {})
    domains = Domains([about], sequences, ["[PAD]", *map(str, range(1, n_items))], np.zeros(n_items, dtype=np.int64))
    settings = derive(
        config,
        learning_rate=config["pretrain_learning_rate"],
        train_batch_size=config["pretrain_batch_size"],
        train_negatives=config["pretrain_negatives"],
        generated_prior=0.0,
        exclude_history=False,
    )
    # At least as many as are to be evaluated.
    loaders = domains.split(max(request.users, config["pretrain_valid_users"]), config["seed"])
    init_seed(config["seed"], config["reproducibility"])
    return IDP(settings, loaders[0].dataset).to(config["device"]), settings, loaders


def _keep(request: Request, domains: Domains) -> None:
    """Keep the indexed events for the other jobs."""
    sequences = domains.sequences
    with replacing(request.indexed_file) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            items=sequences.items.numpy(),
            offsets=sequences.offsets.numpy(),
            n_items=np.array(len(domains.item_tokens)),
        )


def _as_trained(model: IDP, settings: Config) -> TrainedModel:
    """Return what serves a model, without writing it."""
    serving, vectors = model.serving(), model.item_vectors().detach()
    description: dict[str, Any] = {
        "dataset": settings["dataset"],
        "encoder": sizes_of(serving, given_values(settings)),
        "hidden_event": serving.hidden_event,
        "temperature": serving.temperature,
        "only_unseen": serving.excludes_history,
        "bundle": None,
    }
    tokens = [f"i{number}" for number in range(1, len(vectors))]
    return TrainedModel(
        item_vectors=vectors,
        candidate_vectors=vectors,
        item_bias=None,
        encoder=dict(serving.encoder.state_dict()),
        tokens=tokens,
        titles=[""] * len(tokens),
        description=description,
    )


def _megabytes(tensor: torch.Tensor) -> float:
    return round(tensor.nbytes / (1 << 20), 1)
