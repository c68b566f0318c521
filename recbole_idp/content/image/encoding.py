"""Settings of reading and encoding item pictures, with the place of their vectors, as one typed value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.content.image.cache import encode_pictures
from recbole_idp.content.image.encoder import load_image_encoder
from recbole_idp.content.image.keys import ImageSettings
from recbole_idp.content.vector_cache import cache_folder
from recbole_idp.data.item_text import ItemFileFormat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch
    from recbole.config import Config
    from typing_extensions import Self

    from recbole_idp.content.image.cache import PictureReport
    from recbole_idp.content.image.encoder import ImageEncoder


@dataclass(frozen=True)
class ImageEncoding:
    """Settings of item pictures and of their encoder.

    Attributes:
        settings: Columns of the pictures, and the encoder.
        file_format: Format of the files that name them.
        device: Device of the encoder.
        cache: Folder of vectors.
        seed: Seed of the shuffled control.
        show_progress: Whether to show progress bars.
    """

    settings: ImageSettings
    file_format: ItemFileFormat
    device: str | torch.device
    cache: Path
    seed: int
    show_progress: bool

    @classmethod
    def of(cls, config: Config) -> Self:
        """Read the values from a configuration."""
        return cls(
            settings=ImageSettings.of(config),
            file_format=ItemFileFormat.of(config),
            device=config["device"],
            cache=cache_folder(config["cache_path"], config["checkpoint_dir"]),
            seed=config["seed"],
            show_progress=config["show_progress"],
        )

    def load_encoder(self) -> ImageEncoder:
        """Load the image encoder; see :func:`~recbole_idp.content.image.encoder.load_image_encoder`."""
        return load_image_encoder(self.settings.image_encoder, self.settings.image_pooling, self.device)

    def encode(self, encoder: ImageEncoder, pictures: Sequence[Path | None]) -> tuple[np.ndarray, PictureReport]:
        """Encode pictures, or read their vectors from the cache; see :func:`encode_pictures`."""
        return encode_pictures(encoder, pictures, self.cache, self.show_progress)

    def controlled(self, pictures: Sequence[Path | None]) -> list[Path | None]:
        """Return the pictures as ``image_control`` has them: their own, or each that of another item at random."""
        if self.settings.image_control == "none":
            return list(pictures)
        named = np.array([row for row, path in enumerate(pictures) if path is not None], dtype=np.int64)
        drawn = list(pictures)
        for row, other in zip(named, np.random.default_rng(self.seed).permutation(named), strict=True):
            drawn[row] = pictures[other]
        return drawn
