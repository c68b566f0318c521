"""Settings of reading and encoding item pictures, with the place of their vectors, as one typed value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.content.image.cache import encode_pictures
from recbole_idp.content.image.encoder import NAME, load_image_encoder
from recbole_idp.content.image.keys import ImageSettings
from recbole_idp.content.vector_cache import cache_folder
from recbole_idp.data.item_pictures import item_pictures
from recbole_idp.data.item_text import ItemFileFormat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch
    from recbole.config import Config
    from typing_extensions import Self

    from recbole_idp.content.image.cache import PictureReport
    from recbole_idp.content.image.encoder import ImageEncoder
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.item_pictures import ItemPictures


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

    def is_found_by_name(self, encoder: ImageEncoder) -> bool:
        """Return whether an encoder that nobody trained is loaded by its name anywhere, and is the same.

        Others lie in folders, or in packages of which there are many versions.
        """
        return encoder.name == NAME and self.settings.image_pooling is None

    def encode(self, encoder: ImageEncoder, pictures: Sequence[Path | None]) -> tuple[np.ndarray, PictureReport]:
        """Encode pictures, or read their vectors from the cache; see :func:`encode_pictures`."""
        return encode_pictures(encoder, pictures, self.cache, self.show_progress)

    def pictures(self, location: DatasetLocation, tokens: Sequence[str], source: bool) -> list[Path | None]:
        """Read which file holds the picture of each of some items; with ``image_control``, that of another item.

        Args:
            location: Where the dataset lies.
            tokens: The items.
            source: Whether it is a source domain, whose column another key names.

        Returns:
            Files in the dataset's folder, which may be missing; None for items that name none.

        Raises:
            UserError: There is no such column, or a file lies outside the folder.
        """
        return self._controlled(self.named(location, source).for_items(tokens))

    def named(self, location: DatasetLocation, source: bool) -> ItemPictures:
        """Read which files a dataset names; arguments and errors as in :meth:`pictures`."""
        settings = self.settings
        field = settings.source_image_field if source else settings.image_field
        key = "source_image_field" if source else "image_field"
        return item_pictures(location, field, key, self.file_format)

    def _controlled(self, pictures: Sequence[Path | None]) -> list[Path | None]:
        """Return the pictures as ``image_control`` has them: their own, or each that of another item at random."""
        if self.settings.image_control == "none":
            return list(pictures)
        named = np.array([row for row, path in enumerate(pictures) if path is not None], dtype=np.int64)
        drawn = list(pictures)
        for row, other in zip(named, np.random.default_rng(self.seed).permutation(named), strict=True):
            drawn[row] = pictures[other]
        return drawn
