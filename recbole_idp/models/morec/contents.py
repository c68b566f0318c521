"""The contents of MoRec's items: texts or pictures, the encoder that reads them, and the mean that is taken off."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch

from recbole_idp.content.image.cache import check_any_picture
from recbole_idp.content.image.trainable import TrainableImages
from recbole_idp.content.trainable.text import TrainableText, check_layers
from recbole_idp.errors import UserError
from recbole_idp.search.vectors import centred

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from recbole_idp.content.image.encoder import ImageEncoder
    from recbole_idp.content.image.encoding import ImageEncoding
    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.content.trainable.interface import TrainableContent
    from recbole_idp.content.trainable.keys import TrainedEncoderSettings


class ItemContents(abc.ABC):
    """Contents of I inputs and an encoder of them, whose vectors are W wide.

    Attributes:
        encoder: The encoder.
        mean: What is taken off each vector; shape [W]. None: the mean over these contents.
    """

    encoder: Any
    mean: torch.Tensor | None

    @abc.abstractmethod
    def vectors(self) -> tuple[np.ndarray, int]:
        """Encode the contents, or read their vectors from the cache.

        Returns:
            Vectors of inputs 1 to I - 1, zero for inputs without content, of shape [I - 1, W]; and how many contents
            were encoded.

        Raises:
            UserError: No input has a content.
        """

    @abc.abstractmethod
    def copied(self, settings: TrainedEncoderSettings) -> TrainableContent:
        """Return the contents with a copy of the encoder that is trained; see :meth:`trainable`."""

    def frozen(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the contents, or read their vectors from the cache.

        Returns:
            The vectors, centred and of length one, zero for padding and for inputs without content, of shape [I, W];
            and the mean that was taken off, of shape [W].
        """
        # Models draw the same first weights whether or not their contents had to be encoded first.
        with torch.random.fork_rng(devices=[]):
            vectors, _ = self.vectors()
        return centred(vectors, None if self.mean is None else self.mean.numpy())

    def trainable(self, settings: TrainedEncoderSettings) -> TrainableContent:
        """Return the contents with a copy of the encoder that is trained.

        Args:
            settings: Which parts of the encoder are trained, and how; not none of them.

        Returns:
            The contents.

        Raises:
            UserError: The encoder has no layers, or fewer than are to be trained.
        """
        # Models draw the same first weights whether or not lower layers had to be run first.
        with torch.random.fork_rng(devices=[]):
            return self.copied(settings)


@dataclass(frozen=True)
class TextContents(ItemContents):
    """Texts.

    Attributes:
        encoding: Where the cache lies.
        texts: Text of inputs 1 to I - 1, blank for none.
        encoder: The encoder, fitted where it needs that.
        mean: See :class:`ItemContents`.
    """

    encoding: TextEncoding
    texts: Sequence[str]
    encoder: TextEncoder
    mean: torch.Tensor | None = None

    def vectors(self) -> tuple[np.ndarray, int]:
        """See :class:`ItemContents`."""
        vectors, report = self.encoding.encode(self.encoder, self.texts)
        return vectors, report.encoded

    def copied(self, settings: TrainedEncoderSettings) -> TrainableContent:
        """See :class:`ItemContents`."""
        if not self.encoder.has_tokens:
            raise UserError(
                f"train_encoder is {settings.train_encoder}, but {self.encoder.name} has no layers to train: give "
                "none, or another text_encoder"
            )
        sentence = cast("SentenceEncoder", self.encoder)
        layers = settings.depth
        if layers is not None:
            check_layers(sentence, layers, "trained_layers")
        return TrainableText(
            sentence,
            self.texts,
            layers,
            self.encoding.cache,
            self.encoding.show_progress,
            getattr(torch, settings.encoder_precision),
            settings.gradient_checkpointing,
        )


@dataclass(frozen=True)
class ImageContents(ItemContents):
    """Pictures.

    Attributes:
        encoding: Where the cache lies.
        pictures: File of inputs 1 to I - 1; None for none.
        encoder: The encoder.
        name: Where the items are from, for messages.
        key: The setting that names their column, for messages.
        mean: See :class:`ItemContents`.
    """

    encoding: ImageEncoding
    pictures: Sequence[Path | None]
    encoder: ImageEncoder
    name: str
    key: str
    mean: torch.Tensor | None = None

    def vectors(self) -> tuple[np.ndarray, int]:
        """See :class:`ItemContents`."""
        vectors, report = self.encoding.encode(self.encoder, self.pictures)
        report.log(self.name)
        check_any_picture(vectors, self.pictures, self.name, self.key)
        return vectors, report.encoded

    def copied(self, settings: TrainedEncoderSettings) -> TrainableContent:
        """See :class:`ItemContents`."""
        return TrainableImages(
            self.encoder,
            self.pictures,
            settings.depth,
            self.encoding.cache,
            self.encoding.show_progress,
            getattr(torch, settings.encoder_precision),
            settings.gradient_checkpointing,
        )
