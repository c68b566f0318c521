"""PRECISE's universal training, and finding what it gave before."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.config.derive import derive
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.domain_texts import check_any_text, texts_by_domain
from recbole_idp.data.domains import TargetLoader, source_locations
from recbole_idp.data.sequences import Targets
from recbole_idp.errors import UserError
from recbole_idp.models.precise.experts import log_experts
from recbole_idp.models.precise.keys import FusionSettings
from recbole_idp.models.precise.model import PRECISE_UT, PreciseModel, transferable
from recbole_idp.models.precise.targeted_data import targeted_config
from recbole_idp.models.precise.token_states import token_vectors
from recbole_idp.models.precise.universal_data import load_universal
from recbole_idp.storage.files import fingerprint
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat
from recbole_idp.train.clock import peak_memory_mb
from recbole_idp.train.pretrained import Pretraining, find_or_make
from recbole_idp.train.pretrained_folder import (
    WEIGHTS,
    FolderContent,
    PretrainedWeights,
    card_text,
    metrics_text,
    read_table,
    table_text,
)
from recbole_idp.train.source_training import (
    chosen_values,
    source_settings,
    text_encoder_identity,
    train_resumably,
)
from recbole_idp.train.table_trainer import SourceItemsTrainer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.domains import Domains
    from recbole_idp.data.rows import Batch
    from recbole_idp.train.clock import StageClock

ITEMS = "items.tsv"


@dataclass(frozen=True)
class UniversalModel(PretrainedWeights):
    """Fusion and Transformer after universal training.

    Attributes:
        tokens: Ids of the target's items, in the order of their rows from 1 on.
        description: As in the base class, and ``target``, ``sizes``, ``text_encoder``, ``seconds`` of training,
            ``expert_usage``.
    """

    folder_format = FolderFormat(
        name="universal PRECISE",
        made_by="a run of PRECISE or PRECISE_UT",
        identifier="recbole_idp PRECISE",
        description_file="precise.json",
        required_files=frozenset((WEIGHTS, ITEMS)),
        schema={"fingerprint": str, "target": str, "domains": [{"name": str, "items": int}], "sizes": ObjectOf()},
    )

    tokens: list[str]

    @classmethod
    def read_parts(cls, folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
        """Read weights and item ids."""
        _, tokens = read_table(folder / ITEMS, 2)
        # The first rows are the target's, the domains standing in their order.
        n_items = description["domains"][0]["items"]
        if not 0 <= n_items <= len(tokens):
            raise UserError(f"{folder} has {len(tokens):,} items, and not {n_items:,}: do not use it, or make it again")
        return {**super().read_parts(folder, description), "tokens": tokens[:n_items]}

    def rows(self, item_tokens: Sequence[str]) -> torch.Tensor:
        """Return the rows of some of the target's items.

        Args:
            item_tokens: Their ids, the first being padding; length N.

        Returns:
            Row numbers; int64, shape [N].

        Raises:
            UserError: An item is not there.
        """
        row_of = {token: row for row, token in enumerate(self.tokens, 1)}
        if missing := [token for token in item_tokens[1:] if token not in row_of]:
            raise UserError(f"{self.folder} does not know item {missing[0]}: train it again with this target")
        return torch.tensor([0, *(row_of[token] for token in item_tokens[1:])])


class UniversalTrainer(SourceItemsTrainer):
    """Train first with frozen token vectors, so that IDs learn, then everything (PRECISE, alternation).

    Patience counts in the second phase only.

    Args:
        config: With ``frozen_share``, the share of the epochs that belong to the first phase.
        model: The model.
    """

    def __init__(self, config: Config, model: PRECISE_UT) -> None:
        super().__init__(config, model)
        self.frozen_epochs = round(config["frozen_share"] * self.epochs)

    def _train_epoch(
        self,
        train_data: TargetLoader,
        epoch_idx: int,
        loss_func: Callable[[Batch], torch.Tensor] | None = None,
        show_progress: bool = False,
    ) -> float:
        self.model.fusion.freeze_tokens(epoch_idx < self.frozen_epochs)
        return super()._train_epoch(train_data, epoch_idx, loss_func, show_progress)

    def _after_epoch(self, epoch: int) -> None:
        if epoch < self.frozen_epochs:
            self.cur_step = 0


def held_out_values(config: Config) -> dict[str, Any]:
    """Return the keys and values that decide, with the target's files, on which of its events are held out."""
    further = [key for key in ("benchmark_filename", "latest_events") if config[key]]
    return chosen_values(
        config,
        *further,
        "eval_args",
        "val_interval",
        "user_inter_num_interval",
        "item_inter_num_interval",
        "rm_dup_inter",
        "targeted_interval",
        "train_users_share",
        "train_users_seed",
    )


def universal_settings(config: Config, **values: Any) -> Config:
    """Return the configuration of universal training, a copy with further values."""
    changes = {"dataset": config["dataset"], "epoch_steps": config["pretrain_epoch_steps"], "train_negatives": 0}
    return derive(source_settings(config), exclude_history=True, **changes, **values)


class UniversalTraining(Pretraining[UniversalModel]):
    """PRECISE's universal training on the target and the sources (arXiv 2412.06308).

    The target's validated users decide which epoch is best, as the model is made for them.

    Args:
        config: The target's configuration.
        dataset: The training part of the target.
        valid: The part that it is validated on; without it every epoch is trained.
    """

    result = UniversalModel
    prefix = "precise"
    trains_on_target = True

    def __init__(self, config: Config, dataset: SequenceDataset, valid: SequenceDataset | None) -> None:
        super().__init__(config, source_locations(config, with_target=True))
        self.dataset, self.valid = dataset, valid
        self.encoding, self.fusion = TextEncoding.of(self.config), FusionSettings.of(self.config)
        self.text_encoder = self.encoding.load_encoder()

    def model_name(self) -> str:
        """Return PRECISE: the universal model is shared with PRECISE_UT."""
        return "PRECISE"

    def deciding(self) -> dict[str, Any]:
        """Return all that decides on the result."""
        # Earlier releases identified held-out events by user and item.
        identified_by = {} if targeted_config(self.config) is self.config else {"held_out": "rows"}
        return {
            **identified_by,
            "target": target_digest(held_out_values(self.config), self.dataset),
            "sources": [content_hashes(location) for location in self.locations],
            "text_encoder": text_encoder_identity(self.text_encoder),
            "hyper_parameters": self.values(),
            "validated": self.valid is not None,
        }

    def dataset_names(self) -> list[str]:
        """Return the names of the target and of the sources."""
        return [self.config["dataset"], *self.config["source_domains"]]

    def train(self, clock: StageClock) -> FolderContent:
        """Train on target and sources; see :class:`Pretraining`."""
        config, names = self.config, ", ".join(self.dataset_names())
        with clock.stage("read", f"reading {names}, all events that may be trained on"):
            domains = load_universal(config, self.dataset)
            locations = [self.dataset.location, *self.locations]
            texts = universal_texts(self.encoding, self.fusion, locations, domains)
        train_data, _ = domains.split(0, config["seed"])
        valid_data = None
        if self.valid is not None:
            drawn = _drawn(self.valid.targets(), config["pretrain_valid_users"], config["seed"])
            valid_data = TargetLoader(domains, drawn)
        settings = universal_settings(config)
        tokens = None
        if self.fusion.fusion != "id_only":
            with clock.stage("encode", f"making token vectors of {len(texts):,} texts"):
                tokens = token_vectors(self.encoding, self.fusion, texts)

        def make_model() -> PRECISE_UT:
            model = PRECISE_UT(settings, train_data.dataset)
            if tokens is not None:
                model.fusion.start_tokens(tokens)
            return model

        with clock.stage("pretrain", f"universal training on {domains.sequences.n_events:,} events") as facts:
            loaders = train_data, valid_data
            trainer, valid = train_resumably(settings, make_model, loaders, self.unfinished, UniversalTrainer)
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
            logging.getLogger().info(f"Universal training: {peak_memory_mb():,} MiB at most so far")
        usage = trainer.model.fusion.expert_usage()
        if usage is not None:
            log_experts(usage.tolist(), f"universal training on {names}")
        domain_of_item = [domains.domains[number].name for number in domains.item_domain[1:]]
        return FolderContent(
            domains=domains.domains,
            valid=valid,
            weights={WEIGHTS: transferable(trainer.model)},
            facts={
                "target": target_digest(held_out_values(config), self.dataset),
                "sizes": chosen_values(config, *PreciseModel.encoder_keys),
                "text_encoder": self.text_encoder.name,
                "seconds": round(facts["seconds"] + trainer.earlier_seconds, 2),
                "expert_usage": None if usage is None else [round(share, 4) for share in usage.tolist()],
            },
            texts={ITEMS: table_text(("domain", "item"), domain_of_item, domains.item_tokens[1:])},
        )

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        names = [domain["name"] for domain in description["domains"]]
        return card_text(
            "A universal PRECISE of recbole_idp",
            f"Item fusion and causal Transformer (arXiv 2412.06308), trained on {', '.join(names)}; of {names[0]}, the "
            "target, without what is validated and tested on.",
            {
                "Text encoder": description["text_encoder"],
                "Validation on held-out events of the training data": metrics_text(description["valid"]),
                "Seed": description["seed"],
            },
            f"--model=PRECISE --dataset={names[0]}",
        )


def target_digest(held_out: Mapping[str, Any], dataset: SequenceDataset) -> str:
    """Return hexadecimal digits that stand for the target's files and for which of its events are held out.

    Args:
        held_out: As of :func:`held_out_values`.
        dataset: The target.
    """
    return fingerprint([content_hashes(dataset.location), held_out])


def find_or_train(
    config: Config,
    dataset: SequenceDataset,
    valid: SequenceDataset | None = None,
    clock: StageClock | None = None,
) -> UniversalModel:
    """Open the universal model that a configuration means, and train it first where there is none.

    Args:
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        dataset: The training part of the target.
        valid: The part that it is validated on; without it every epoch is trained.
        clock: Where stages are timed.

    Returns:
        Fusion and Transformer.

    Raises:
        UserError: The named folder, the sources or the texts cannot be used.
    """
    if not config["pretrained"]:
        return find_or_make(UniversalTraining(config, dataset, valid), clock)
    found = UniversalModel.open(config["pretrained"])
    if found.description["target"] != target_digest(held_out_values(config), dataset):
        raise UserError(
            f"{found.folder} was trained for {found.domain_names()[0]} with another split or other data than this "
            f"run's {config['dataset']}, so that it may know what is tested: remove --pretrained"
        )
    return found


def _drawn(targets: Targets, n_users: int, seed: int) -> Targets:
    """Return the targets of some drawn users, or all where there are fewer."""
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))
    rows = order[:n_users].sort().values
    return Targets(targets.sequences, targets.starts[rows], targets.ends[rows])


def universal_texts(
    encoding: TextEncoding, settings: FusionSettings, locations: Sequence[DatasetLocation], domains: Domains
) -> list[str]:
    """Read the texts of all items of the universal data.

    Args:
        encoding: Columns and length of the texts.
        settings: Kind of fusion: ``id_only`` reads no texts.
        locations: Where target and sources lie.
        domains: The universal data.

    Returns:
        Text of items 1 to N - 1.

    Raises:
        UserError: A domain has no texts.
    """
    if settings.fusion == "id_only":
        return [""] * (len(domains.item_tokens) - 1)
    texts: list[str] = []
    by_domain = texts_by_domain(
        locations, domains.item_domain, domains.item_tokens, encoding.fields, encoding.file_format
    )
    for location, key, _, found in by_domain:
        check_any_text(found, location.name, key)
        texts += found
    return texts
