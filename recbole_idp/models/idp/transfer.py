"""The cross-domain transfer trainer: a target model that starts from matched source IDs."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from recbole.config import Config
from recbole.utils import get_model

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.data.domains import source_locations
from recbole_idp.data.keys import joined_with
from recbole_idp.errors import UserError
from recbole_idp.models.base.text_vectors import target_texts
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.models.idp.generation import Evidence, generate, neighbours, principal_components
from recbole_idp.models.idp.keys import GenerationSettings
from recbole_idp.models.idp.model import check_encoder
from recbole_idp.models.idp.prediction import predict
from recbole_idp.models.idp.pretrain import find_or_pretrain, planned_encoder
from recbole_idp.models.idp.variants import OWN_ENCODER, SOURCELESS, VARIANTS
from recbole_idp.search.exact import Matches, random_matches, retrieve
from recbole_idp.train.clock import StageClock
from recbole_idp.train.pretrained_folder import TEXT_ENCODER
from recbole_idp.train.table_trainer import TableTrainer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recbole_idp.data.item_names import HistoryItem
    from recbole_idp.models.idp.model import IDP


@dataclass(frozen=True)
class TransferStart:
    """What a target model starts from.

    Attributes:
        bundle: The pre-trained model; None where no variant transfers anything.
        matches: Source items matched to items 1 to N - 1 of the target.
        frozen_vectors: Vectors of their texts by the frozen encoder, zero without text; shape [N - 1, W].
        vectors: The adapted vectors that matching compared; shape [N - 1, W].
    """

    bundle: Bundle
    matches: Matches
    frozen_vectors: np.ndarray
    vectors: np.ndarray

    def evidence(self, matches: Matches | None = None) -> Evidence:
        """Return the input of the generators, with the found matches or others."""
        vectors = self.bundle.adapted_vectors
        return Evidence(self.bundle.item_embeddings, vectors, self.vectors, matches or self.matches)

    def generated(self, settings: GenerationSettings) -> np.ndarray:
        """Return the generated embeddings for figures, zero for items without text; shape [N - 1, D]."""
        generated = generate(self.evidence(), settings).numpy()
        generated[~self.matches.matched] = 0
        return generated

    def prediction(self, settings: GenerationSettings, dataset: SequenceDataset, seed: int) -> dict[str, Any]:
        """Predict whether transfer is likely to help this target.

        See :func:`~recbole_idp.models.idp.prediction.predict`.

        The embeddings are those that the sources give, without the target's own texts that ``blend`` mixes in.
        """
        generated = self.generated(settings.model_copy(update={"own_texts": 0.0}))
        return predict(dataset.targets(), generated, self.frozen_vectors, seed)


def prepare_start(
    config: Config, dataset: SequenceDataset, variants: Iterable[str], clock: StageClock | None = None
) -> TransferStart:
    """Find or make the bundle, encode the target's texts and match them.

    Args:
        config: RecBole's configuration.
        dataset: The target.
        variants: The variants to prepare for; keys of :data:`VARIANTS`.
        clock: Where stages are timed.

    Returns:
        What every variant starts from.

    Raises:
        UserError: The bundle, the sources or the target's texts cannot be used.
    """
    clock, encoding = clock or StageClock(), TextEncoding.of(config)
    transferred = [variant for variant in variants if variant not in SOURCELESS]
    # What does not fit, and a mistake in the target's texts, show before hours of pre-training.
    if transferred:
        own = get_model(config["model"]).describe_encoder(config)
        taking_over = [name for name in transferred if name not in OWN_ENCODER]
        check_encoder(config["model"], own, planned_encoder(config), taking_over)
    texts = target_texts(encoding, dataset)
    bundle = find_or_pretrain(config, clock) if transferred else None
    encoder = encoding.open_encoder(bundle.folder / TEXT_ENCODER) if bundle else encoding.load_encoder().fit(texts)
    with clock.stage("encode", f"encoding {len(texts):,} target texts with {encoder.name}") as facts:
        frozen_vectors, report = encoding.encode(encoder, texts)
        vectors = bundle.matcher(encoding).vectors(texts, frozen_vectors) if bundle else frozen_vectors
        facts["encoded"] = facts.get("encoded", 0) + report.encoded
        facts["target_items_without_text"] = sum(not text for text in texts)
    if not bundle:
        # No variant reads the first two.
        return TransferStart(None, None, frozen_vectors, vectors)  # type: ignore[arg-type]
    settings = GenerationSettings.of(config)
    m, search, recall = settings.top_m, settings.search, settings.search_recall
    with clock.stage("match", f"matching them to {m} of {len(bundle.tokens):,} source items each") as facts:
        matches = retrieve(vectors, bundle.adapted_vectors, m, search, recall, encoding.cache, encoding.device)
        facts["search"], facts["recall"] = search, round(matches.recall, 4)
        facts["mean_similarity"] = round(float(matches.similarities[:, 0].mean()), 4)
    return TransferStart(bundle, matches, frozen_vectors, vectors)


def check_joined(bundle: Bundle, target: str, others: Sequence[str]) -> None:
    """Check, before any work, that the domains whose users are joined with the target's are pre-trained on.

    Args:
        bundle: The bundle.
        target: Name of the target.
        others: The domains that are joined with it.

    Raises:
        UserError: One is not: its items have no IDs.
    """
    for name in others:
        if name not in bundle.domains:
            raise UserError(
                f"shared_users joins {target} with {name}, and {bundle.folder} has none of its items: "
                f"pre-train on {name} as well, or take it out of shared_users"
            )


def initialise(
    model: IDP,
    variant: str,
    start: TransferStart,
    settings: GenerationSettings,
    seed: int,
    history_items: Sequence[HistoryItem] = (),
) -> None:
    """Load the weights that a variant starts from into a new model.

    Args:
        model: The target model, with random weights.
        variant: A key of :data:`VARIANTS`.
        start: What was pre-trained and matched; not used for ``scratch``.
        settings: Settings of generation.
        seed: Seed of the draw of random matches.
        history_items: Items of source domains that stand in histories. Without sources their IDs are random, and
            trained.
    """
    if variant == "scratch":
        return
    if history_items and variant not in SOURCELESS:
        ids, missing = start.bundle.ids_of(history_items)
        model.start_history_from(ids, frozen=settings.history_ids == "frozen")
        if missing:
            logging.getLogger().info(
                f"{missing:,} of {len(history_items):,} items of other domains were not pre-trained: each has the mean "
                "ID of its domain"
            )
    encoder = None if variant in OWN_ENCODER else start.bundle.encoder
    if variant == "text_pca":
        generated = principal_components(
            start.frozen_vectors, model.hidden_size, settings.generated_spread, whitening=settings.text_whitening
        )
    elif variant == "random_match":
        generated = neighbours(start.evidence(_random_matches(start, seed)), settings)
    else:
        generated = generate(start.evidence(), settings)
    model.start_from(generated, encoder)
    if variant == "random_match":
        # Random matches say nothing about an item, so the prior must not hold the control where it started.
        model.generated.zero_()


def _random_matches(start: TransferStart, seed: int) -> Matches:
    """Draw as many random source items for each target item as were matched (IDP, "w/o M")."""
    # Not the seed itself: the same stream drew the model's first weights.
    digits = hashlib.sha256(f"random match {seed}".encode()).hexdigest()[:8]
    n_targets, m = start.matches.items.shape
    return random_matches(n_targets, len(start.bundle.tokens), m, int(digits, 16))


class TransferTrainer(TableTrainer):
    """Start the target model from the source domains, then train it as :class:`TableTrainer` does.

    The configuration's ``transfer`` names the variant. The bundle is the one named by ``pretrained``, or the one made
    before from the same sources, or is made now.

    Attributes:
        start (TransferStart | None): What a run has prepared for all of its trials; None: ``fit`` prepares it.
    """

    variants = VARIANTS
    stage = "transfer"

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check the source domains, unless nothing is pre-trained on them."""
        if set(variants) <= set(SOURCELESS):
            return
        if config["pretrained"]:
            others = joined_with(config["dataset"], config["shared_users"])
            check_joined(Bundle.open(config["pretrained"]), config["dataset"], others)
        else:
            source_locations(config)

    @classmethod
    def prepare_start(
        cls, config: Config, dataset: SequenceDataset, variants: Sequence[str], clock: StageClock
    ) -> TransferStart | None:
        """Return the :class:`TransferStart` of these variants; None where all start at random."""
        return None if set(variants) == {"scratch"} else prepare_start(config, dataset, variants, clock)

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Load the weights that the variant starts from."""
        variant = self.config["transfer"]
        if self.start is None and variant != "scratch":
            self.start = prepare_start(self.config, train_data, [variant])
        settings, seed = GenerationSettings.of(self.config), self.config["seed"]
        initialise(self.model, variant, self.start, settings, seed, train_data.history_items)

    def is_trained(self) -> bool:
        """Return whether the variant is trained on the target: all but ``zero_shot`` are."""
        return self.config["transfer"] != "zero_shot"
