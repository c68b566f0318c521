"""The kinds of contents that MoRec's items have: of the target and of the source domains, by the key ``content``."""

from __future__ import annotations

import abc
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recbole_idp.content.image.cache import distinct_pictures
from recbole_idp.content.image.encoder import open_image_encoder
from recbole_idp.content.image.encoding import ImageEncoding
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.errors import UserError
from recbole_idp.models.base.image_vectors import input_pictures
from recbole_idp.models.base.text_vectors import input_texts
from recbole_idp.models.morec.contents import ImageContents, ItemContents, TextContents
from recbole_idp.storage.files import fingerprint
from recbole_idp.train.pretrained_folder import IMAGE_ENCODER, TEXT_ENCODER
from recbole_idp.train.source_training import read_domains, read_sources, text_encoder_identity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from recbole.config import Config

    from recbole_idp.content.image.encoder import ImageEncoder
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.domains import Domains
    from recbole_idp.train.clock import StageClock
    from recbole_idp.train.pretrained_folder import PretrainedWeights

MEAN = "text_mean"
"""The name of the mean among pre-trained weights."""


class ContentKind(abc.ABC):
    """A kind of contents.

    Attributes:
        part: Name of the encoder's folder in what was pre-trained.
        plural: What the contents are called.
    """

    part: str
    plural: str

    @property
    @abc.abstractmethod
    def encoder(self) -> Any:
        """The encoder that the configuration names."""

    @abc.abstractmethod
    def deciding(self, locations: Sequence[DatasetLocation]) -> dict[str, Any]:
        """Return what decides on the vectors of the source domains, besides keys and ``.item`` files."""

    @abc.abstractmethod
    def of_sources(
        self, config: Config, locations: Sequence[DatasetLocation], clock: StageClock
    ) -> tuple[Domains, ItemContents]:
        """Read the source domains and the contents of their items; UserError where there are none."""

    @abc.abstractmethod
    def of_target(self, dataset: SequenceDataset, start: PretrainedWeights | None) -> ItemContents:
        """Read the contents of a target's items.

        Args:
            dataset: The target.
            start: What was pre-trained, whose encoder and mean are taken; None: nothing was.

        Raises:
            UserError: There are no contents, or the encoder cannot be loaded, or is one of other contents.
        """

    @abc.abstractmethod
    def is_found_by_name(self, encoder: Any) -> bool:
        """Return whether an encoder that nobody trained is loaded by its name anywhere, and is the same."""

    def mean_of(self, start: PretrainedWeights, width: int) -> torch.Tensor:
        """Return the mean of what was pre-trained; UserError where it is of another width than its encoder's."""
        mean = start.state[MEAN]
        if mean.shape != (width,):
            raise UserError(f"{start.folder} has a mean of another width than its encoder's: pre-train again")
        return mean

    def folder_of(self, start: PretrainedWeights) -> Path:
        """Return the folder of the encoder in what was pre-trained; UserError where it is one of other contents."""
        folder = start.folder / self.part
        if not folder.is_dir():
            raise UserError(f"{start.folder} was not pre-trained on {self.plural}: give content as it was there")
        return folder


class Texts(ContentKind):
    """Texts.

    Args:
        config: The configuration.
    """

    part, plural = TEXT_ENCODER, "texts"

    def __init__(self, config: Config) -> None:
        self._encoding = TextEncoding.of(config)

    @functools.cached_property
    def encoder(self) -> TextEncoder:
        """The encoder that the configuration names."""
        return self._encoding.load_encoder()

    def deciding(self, locations: Sequence[DatasetLocation]) -> dict[str, Any]:
        """See :class:`ContentKind`."""
        return {"text_encoder": text_encoder_identity(self._source_encoder(locations))}

    def of_sources(
        self, config: Config, locations: Sequence[DatasetLocation], clock: StageClock
    ) -> tuple[Domains, ItemContents]:
        """See :class:`ContentKind`."""
        domains, texts, _ = read_sources(config, locations, self._encoding, clock)
        return domains, TextContents(self._encoding, texts, self._source_encoder(locations).fit(texts))

    def of_target(self, dataset: SequenceDataset, start: PretrainedWeights | None) -> ItemContents:
        """See :class:`ContentKind`."""
        texts = input_texts(self._encoding, dataset)
        with torch.random.fork_rng(devices=[]):
            if start is None:
                return TextContents(self._encoding, texts, self.encoder.fit(texts))
            encoder = self._encoding.open_encoder(self.folder_of(start))
        return TextContents(self._encoding, texts, encoder, self.mean_of(start, encoder.width))

    def is_found_by_name(self, encoder: TextEncoder) -> bool:
        """See :class:`ContentKind`."""
        return self._encoding.is_found_by_name(encoder)

    def _source_encoder(self, locations: Sequence[DatasetLocation]) -> TextEncoder:
        """Return the encoder, loaded once; for vectors of the user's own those of the source domains."""
        return self._encoding.load_source_encoder(locations) if self._encoding.is_own else self.encoder


class Images(ContentKind):
    """Pictures.

    Args:
        config: The configuration.
    """

    part, plural = IMAGE_ENCODER, "pictures"

    def __init__(self, config: Config) -> None:
        self._encoding = ImageEncoding.of(config)

    @functools.cached_property
    def encoder(self) -> ImageEncoder:
        """The encoder that the configuration names."""
        return self._encoding.load_encoder()

    def deciding(self, locations: Sequence[DatasetLocation]) -> dict[str, Any]:
        """See :class:`ContentKind`; pictures are not in the ``.item`` files that name them."""
        found = [sorted(self._encoding.named(location, source=True).paths.items()) for location in locations]
        _, hashes, places, _ = distinct_pictures([path for paths in found for _, path in paths])
        content = [[key.hex() for key in hashes], places.tolist()]
        return {"image_encoder": self.encoder.fingerprint, "pictures": fingerprint(content)}

    def of_sources(
        self, config: Config, locations: Sequence[DatasetLocation], clock: StageClock
    ) -> tuple[Domains, ItemContents]:
        """See :class:`ContentKind`."""
        domains = read_domains(config, clock)
        pictures: list[Path | None] = []
        for number, location in enumerate(locations):
            tokens = [domains.item_tokens[item] for item in np.flatnonzero(domains.item_domain == number)]
            pictures += self._encoding.pictures(location, tokens, source=True)
        name = ", ".join(location.name for location in locations)
        return domains, ImageContents(self._encoding, pictures, self.encoder, name, "source_image_field")

    def of_target(self, dataset: SequenceDataset, start: PretrainedWeights | None) -> ItemContents:
        """See :class:`ContentKind`."""
        pictures, name = input_pictures(self._encoding, dataset), dataset.location.name
        with torch.random.fork_rng(devices=[]):
            if start is None:
                return ImageContents(self._encoding, pictures, self.encoder, name, "image_field")
            encoder = open_image_encoder(self.folder_of(start), self._encoding.device)
        mean = self.mean_of(start, encoder.width)
        return ImageContents(self._encoding, pictures, encoder, name, "image_field", mean)

    def is_found_by_name(self, encoder: ImageEncoder) -> bool:
        """See :class:`ContentKind`."""
        return self._encoding.is_found_by_name(encoder)


def content_kind(config: Config) -> ContentKind:
    """Return the kind of contents that a configuration's items have."""
    return Images(config) if config["content"] == "image" else Texts(config)
