"""Settings of reading and encoding item texts, with the place of their vectors, as one typed value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbole_idp.content.text.cache import encode_cached
from recbole_idp.content.text.encoder import load_text_encoder
from recbole_idp.content.text.keys import TextSettings
from recbole_idp.content.text.unknown import warn_of_unknown_tokens
from recbole_idp.content.vector_cache import cache_folder
from recbole_idp.data.item_text import ItemFileFormat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from recbole.config import Config
    from typing_extensions import Self

    from recbole_idp.content.text.cache import EncodeReport
    from recbole_idp.content.text.interface import TextEncoder


@dataclass(frozen=True)
class TextEncoding:
    """Settings of item texts and of their encoder.

    Attributes:
        settings: Columns and length of the texts, and the encoder.
        file_format: Format of the files with the texts.
        device: Device of the encoder.
        cache: Folder of text vectors and search indexes.
        show_progress: Whether to show progress bars.
    """

    settings: TextSettings
    file_format: ItemFileFormat
    device: str | torch.device
    cache: Path
    show_progress: bool

    @classmethod
    def of(cls, config: Config) -> Self:
        """Read the values from a configuration."""
        return cls(
            settings=TextSettings.of(config),
            file_format=ItemFileFormat.of(config),
            device=config["device"],
            cache=cache_folder(config["cache_path"], config["checkpoint_dir"]),
            show_progress=config["show_progress"],
        )

    @property
    def fields(self) -> tuple[list[str] | None, list[str] | None]:
        """The columns of the target's texts, and those of the sources' texts; None: all text columns."""
        return self.settings.text_fields, self.settings.source_text_fields

    def load_encoder(self) -> TextEncoder:
        """Load the text encoder; see :func:`~recbole_idp.content.text.encoder.load_text_encoder`."""
        settings = self.settings
        return load_text_encoder(
            settings.text_encoder, settings.text_pooling, max_tokens=settings.text_tokens, device=self.device
        )

    def encode(self, encoder: TextEncoder, texts: Sequence[str]) -> tuple[np.ndarray, EncodeReport]:
        """Encode texts, or read their vectors from the cache; see :func:`encode_cached`."""
        warn_of_unknown_tokens(encoder, texts)
        return encode_cached(encoder, texts, self.cache, self.show_progress)
