"""The contents of TransRec's items with their encoders, frozen or trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from recbole_idp.content.image.cache import check_any_picture
from recbole_idp.content.image.encoding import ImageEncoding
from recbole_idp.content.image.trainable import TrainableImages
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.content.trainable.tokens import frozen_tokens, trained_tokens
from recbole_idp.models.transrec.catalogue import choose_modality
from recbole_idp.models.transrec.item_encoder import IMAGE, TEXT, TextHead
from recbole_idp.models.transrec.keys import ItemEncoderSettings, ModalitySettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from recbole.config import Config
    from typing_extensions import Self

    from recbole_idp.content.image.encoder import ImageEncoder
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.trainable.interface import TokenStates
    from recbole_idp.models.transrec.catalogue import Catalogue
    from recbole_idp.models.transrec.keys import Modality


@dataclass(frozen=True)
class Encoders:
    """The frozen encoders of the modalities that items may have.

    Attributes:
        text: None where no item is a text.
        image: None where no item is a picture.
    """

    text: TextEncoder | None
    image: ImageEncoder | None

    def fit(self, catalogue: Catalogue) -> Self:
        """Learn from the texts what an encoder without weights of its own needs; return the same encoders."""
        if self.text is not None:
            self.text.fit(catalogue.texts)
        return self


@dataclass(frozen=True)
class ContentSettings:
    """Settings of reading and encoding the contents of items.

    Attributes:
        modalities: How an item's modality is chosen.
        text: Settings of texts and their encoder.
        image: Settings of pictures and their encoder.
        trained: Which layers of the encoders are trained, and how.
    """

    modalities: ModalitySettings
    text: TextEncoding
    image: ImageEncoding
    trained: TrainedEncoderSettings

    @classmethod
    def of(cls, config: Config) -> Self:
        """Read the values from a configuration."""
        return cls(
            ModalitySettings.of(config),
            TextEncoding.of(config),
            ImageEncoding.of(config),
            TrainedEncoderSettings.of(config),
        )

    def load_encoders(self, modality: Modality) -> Encoders:
        """Load the encoders that items of a modality, or mixed ones, need."""
        return Encoders(
            None if modality == "image" else self.text.load_encoder(),
            None if modality == "text" else self.image.load_encoder(),
        )


class FrozenVectors(nn.Module):
    """Vectors that do not change.

    Args:
        vectors: Of each input; shape [I, W].
        kept: Whether checkpoints hold them.
    """

    vectors: torch.Tensor

    def __init__(self, vectors: torch.Tensor, kept: bool) -> None:
        super().__init__()
        self.width = vectors.shape[1]
        self.register_buffer("vectors", vectors, persistent=kept)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Look up the vectors of some inputs; int64 [R] -> [R, W]."""
        return self.vectors[rows]


class ItemContents(nn.Module):
    """The contents of I inputs by modality.

    Args:
        modality: :data:`NOTHING`, :data:`TEXT` or :data:`IMAGE` for each input; shape [I].
        text: Their texts; None where none is a text.
        image: Their pictures; None where none is a picture.
    """

    modality: torch.Tensor

    def __init__(
        self, modality: torch.Tensor, text: TokenStates | None, image: FrozenVectors | TrainableImages | None
    ) -> None:
        super().__init__()
        self.text, self.image = text, image
        self.register_buffer("modality", modality, persistent=False)


def read_contents(
    catalogue: Catalogue,
    modality: Modality,
    encoders: Encoders,
    settings: ContentSettings,
    kept: bool,
    name: str,
    image_key: str,
) -> ItemContents:
    """Encode the contents of items as far as they are frozen, or read what is in the cache.

    Args:
        catalogue: The contents of inputs 1 to I - 1.
        modality: What they may be made of.
        encoders: The frozen encoders; of one that is trained a copy is.
        settings: How they are read.
        kept: Whether checkpoints hold what frozen encoders gave.
        name: Where the items are from, for messages.
        image_key: The setting that names the column of pictures, for messages.

    Returns:
        The contents.

    Raises:
        UserError: No item has a picture where all are to have one, or an encoder's layers cannot be trained.
    """
    has_picture = np.zeros(len(catalogue.tokens), dtype=bool)
    pictures = catalogue.pictures
    vectors = np.zeros((0, 0), dtype=np.float32)
    if encoders.image is not None:
        vectors, report = settings.image.encode(encoders.image, pictures)
        report.log(name)
        if modality == "image":
            check_any_picture(vectors, pictures, name, image_key)
        has_picture = np.any(vectors, axis=1)
    chosen = choose_modality(catalogue, has_picture, modality, settings.modalities.mixed_by, name)
    kinds = chosen[1:].numpy()
    text: TokenStates | None = None
    image: FrozenVectors | TrainableImages | None = None
    if encoders.text is not None and (kinds == TEXT).any():
        # Items that are pictures need no text to be encoded.
        texts = [text if kind == TEXT else "" for text, kind in zip(catalogue.texts, kinds, strict=True)]
        text = _text(encoders.text, texts, settings, kept)
    if encoders.image is not None and (kinds == IMAGE).any():
        image = _image(encoders.image, pictures, kinds, vectors, settings, kept)
    return ItemContents(chosen, text, image)


def _text(encoder: TextEncoder, texts: Sequence[str], settings: ContentSettings, kept: bool) -> TokenStates:
    """Return texts with the states of their tokens, frozen or trained."""
    if settings.trained.train_encoder == "none":
        return frozen_tokens(encoder, texts, settings.text, kept)
    return trained_tokens(encoder, texts, settings.text, settings.trained)


def _image(
    encoder: ImageEncoder,
    pictures: Sequence[Path | None],
    kinds: np.ndarray,
    vectors: np.ndarray,
    settings: ContentSettings,
    kept: bool,
) -> FrozenVectors | TrainableImages:
    """Return pictures with their vectors, frozen or trained."""
    trained = settings.trained
    if trained.train_encoder == "none":
        padded = np.concatenate([np.zeros((1, vectors.shape[1]), dtype=np.float32), vectors])
        return FrozenVectors(torch.from_numpy(padded), kept)
    return TrainableImages(
        encoder,
        [path if kind == IMAGE else None for path, kind in zip(pictures, kinds, strict=True)],
        trained.depth,
        settings.image.cache,
        settings.image.show_progress,
        getattr(torch, trained.encoder_precision),
        trained.gradient_checkpointing,
    )


def build_heads(
    contents: ItemContents, settings: ItemEncoderSettings, width: int, dropout_prob: float
) -> nn.ModuleDict:
    """Build what turns the encoders' outputs into item vectors, for each modality that items may have.

    Args:
        contents: The contents.
        settings: Sizes of the encoder of texts.
        width: Width D of the item vectors.
        dropout_prob: Dropout in the encoder of texts.

    Returns:
        With random weights.
    """
    heads: Mapping[str, nn.Module | None] = {
        "text": None
        if contents.text is None
        else TextHead(
            contents.text.state_width,
            width,
            settings.text_heads,
            settings.text_head_size,
            settings.text_pool_size,
            dropout_prob,
        ),
        "image": None if contents.image is None else nn.Linear(contents.image.width, width),
    }
    return nn.ModuleDict({name: head for name, head in heads.items() if head is not None})
