"""Pre-training on the source domains, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from recbole.utils import get_model

from recbole_idp import registry
from recbole_idp.config.derive import as_model, as_pretrained, derive
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.content.text.keys import TextSettings
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.domains import source_locations
from recbole_idp.errors import UserError
from recbole_idp.models.idp.bundle import Bundle, ItemNames, bundle_card, bundle_content
from recbole_idp.models.idp.cdim.depths import SourceItems, check_depth, deciding_values, train_matcher
from recbole_idp.models.idp.keys import MatcherSettings
from recbole_idp.models.idp.model import IDP
from recbole_idp.models.idp.source_model import SourceModel, find_source_model, keep_source_model
from recbole_idp.storage.files import fingerprint, remove_kept
from recbole_idp.train.pretrained import Pretraining, find_or_make, open_given
from recbole_idp.train.pretrained_folder import FolderContent
from recbole_idp.train.resumable import kept_files
from recbole_idp.train.row_adam import RowTrainer
from recbole_idp.train.source_training import (
    read_sources,
    source_settings,
    text_encoder_identity,
    train_resumably,
)
from recbole_idp.train.table_trainer import SourceTableTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.domains import Domains
    from recbole_idp.train.clock import StageClock


def pretrain_config(config: Config) -> Config:
    """Return the configuration of the model that is pre-trained, which ``pretrain_model`` may name.

    Args:
        config: The target's configuration.

    Returns:
        With the defaults of that model, and all that the user changed.

    Raises:
        UserError: The named model is unknown, or cannot be pre-trained.
    """
    name = config["pretrain_model"] or config["model"]
    registry.check_model(name)
    if not issubclass(get_model(name), IDP) or not get_model(name).can_be_pretrained:
        raise UserError(f"pretrain_model {name} cannot be pre-trained: name a model of the plugin, such as IDP")
    return derive(as_model(as_pretrained(config), name), pretrain_model=None)


class BundlePretraining(Pretraining[Bundle]):
    """Pre-training of a bundle: item IDs and sequence encoder, then the matcher (arXiv 2405.03562).

    IDs and encoder that the same sources and settings gave before are taken from there, be it another bundle or what an
    interrupted run has kept.

    Args:
        config: The configuration of the model that is pre-trained; see :func:`pretrain_config`.
    """

    result = Bundle
    prefix = "pretrain"

    def __init__(self, config: Config) -> None:
        # A typing error in a domain's name shows before anything else is loaded.
        super().__init__(config, source_locations(config))
        self.encoding = TextEncoding.of(self.config)
        self.matcher = MatcherSettings.of(self.config)
        self.text_encoder = self.encoding.load_source_encoder(self.locations)
        check_depth(self.matcher, self.text_encoder)

    @cached_property
    def source_fingerprint(self) -> str:
        """Hexadecimal digits that stand for all that decides on IDs and sequence encoder."""
        data = [content_hashes(location) for location in self.locations]
        others = {*TextSettings.model_fields, *MatcherSettings.model_fields}
        values = {key: value for key, value in super().values().items() if key not in others}
        return fingerprint({"data": data, "hyper_parameters": values})

    def deciding(self) -> dict[str, Any]:
        """Return what decides on IDs and encoder, on the texts, and on the matcher."""
        return {
            "pretrain": self.source_fingerprint,
            "texts": {key: value for key, value in self.values().items() if key in TextSettings.model_fields},
            "text_encoder": text_encoder_identity(self.text_encoder),
            "matcher": deciding_values(self.matcher),
        }

    def values(self) -> dict[str, Any]:
        """Return the keys that decide on IDs and encoder, on the texts, and on the matcher, and their values."""
        unread = MatcherSettings.model_fields.keys() - deciding_values(self.matcher).keys()
        return {key: value for key, value in super().values().items() if key not in unread}

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the bundle's card."""
        return bundle_card(description)

    @property
    def unfinished(self) -> Path:
        """The folder from which an interrupted training resumes, the same for all matchers of the same IDs."""
        return Path(self.config["checkpoint_dir"]) / f"unfinished-{self.prefix}-{self.source_fingerprint}"

    @property
    def kept_source_model(self) -> Path:
        """The file of the trained IDs and sequence encoder until a bundle has them."""
        return self.unfinished / "source-model.safetensors"

    @property
    def kept_matcher(self) -> Path:
        """The file from which an interrupted training of the matcher resumes."""
        return self.unfinished / f"cdim-{self.fingerprint}.safetensors"

    def kept_files(self) -> tuple[Path, ...]:
        """Return the files from which an interrupted run resumes."""
        return (self.kept_source_model, self.kept_matcher, *super().kept_files())

    def train(self, clock: StageClock) -> FolderContent:
        """Train item IDs and sequence encoder, then the matcher; see :class:`Pretraining`."""
        config, text_encoder = self.config, self.text_encoder
        domains, texts, titles = read_sources(config, self.locations, self.encoding, clock)
        if text_encoder.needs_fitting:
            # Before the training: texts from which nothing can be learned are refused at once.
            text_encoder.fit(texts)
        source = self._source_model(domains, clock)
        with clock.stage("encode", f"encoding {len(texts):,} source texts with {text_encoder.name}") as facts:
            vectors, report = self.encoding.encode(text_encoder, texts)
            facts.update(encoded=report.encoded, items_per_second=round(report.items_per_second))
        with clock.stage("cdim", f"training the matcher, depth {self.matcher.cdim_depth}") as facts:
            events = np.bincount(domains.sequences.items.numpy(), minlength=len(domains.item_tokens))[1:]
            items = SourceItems(
                source.item_embeddings, events, texts, vectors, domains.item_domain[1:], domains.sequences
            )
            matcher, about_matcher = train_matcher(
                self.matcher, items, text_encoder, self.encoding, self.kept_matcher, config["seed"]
            )
            adapted_vectors = matcher.vectors(texts, vectors)
            facts.update(about_matcher)
        item_domains = [domains.domains[number].name for number in domains.item_domain[1:]]
        return bundle_content(
            source,
            domains.domains,
            ItemNames(item_domains, domains.item_tokens[1:], titles),
            (vectors, adapted_vectors),
            (text_encoder, matcher),
            {
                "pretrain_fingerprint": self.source_fingerprint,
                "encoder": get_model(config["model"]).describe_encoder(config),
                "text_encoder": {
                    "name": text_encoder.name,
                    "fingerprint": text_encoder.fingerprint,
                    "pooling": config["text_pooling"],
                    "max_tokens": config["text_tokens"],
                },
                "cdim": about_matcher,
            },
        )

    def _source_model(self, domains: Domains, clock: StageClock) -> SourceModel:
        """Find item IDs and sequence encoder, or train them (IDP, ID-based pre-training)."""
        config, kept = self.config, self.kept_source_model
        if found := find_source_model(config["checkpoint_dir"], self.source_fingerprint, kept):
            return found
        # Fingerprints have no key of how targets are ranked.
        changes = {"train_negatives": config["pretrain_negatives"], "generated_prior": 0.0, "exclude_history": False}
        settings = source_settings(config, **changes)
        with clock.stage("pretrain", "training item IDs and sequence encoder on the source domains") as facts:
            loaders = domains.split(config["pretrain_valid_users"], config["seed"])

            def make_model() -> IDP:
                return get_model(config["model"])(settings, loaders[0].dataset)

            kind = RowTrainer if config["pretrain_row_updates"] else SourceTableTrainer
            trainer, valid = train_resumably(settings, make_model, loaders, self.unfinished, kind)
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
            found = keep_source_model(kept, trainer.model, valid)
            remove_kept(kept_files(self.unfinished))
        return found


def planned_encoder(config: Config) -> dict[str, Any]:
    """Return kind and sizes of the encoder that :func:`find_or_pretrain` will give, without making it."""
    if config["pretrained"]:
        return Bundle.read_description(config["pretrained"])["encoder"]
    planned = pretrain_config(config)
    return get_model(planned["model"]).describe_encoder(planned)


def find_or_pretrain(config: Config, clock: StageClock | None = None) -> Bundle:
    """Open the bundle that a configuration means, and make it first where there is none.

    Args:
        config: With ``pretrained`` naming a bundle, or else the sources and all hyper-parameters.
        clock: Where stages are timed.

    Returns:
        The bundle.

    Raises:
        UserError: The named bundle or the sources cannot be used.
    """
    if config["pretrained"]:
        return open_given(Bundle, config["pretrained"], config["dataset"])
    return find_or_make(BundlePretraining(pretrain_config(config)), clock)
