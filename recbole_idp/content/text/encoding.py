"""Settings of reading and encoding item texts, with the place of their vectors, as one typed value.

Where the user brings vectors of his own, names of items take the place of texts, and their vectors are looked up; see
:class:`~recbole_idp.content.text.own.encoder.OwnVectors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbole_idp.config.derive import data_root
from recbole_idp.content.text.cache import EncodeReport, encode_cached
from recbole_idp.content.text.encoder import load_text_encoder, open_text_encoder
from recbole_idp.content.text.keys import TextSettings
from recbole_idp.content.text.own.encoder import NAME, OwnVectors, log_missing, own_vectors, read_own
from recbole_idp.content.text.unknown import warn_of_unknown_tokens
from recbole_idp.content.vector_cache import cache_folder
from recbole_idp.data.catalog import locate
from recbole_idp.data.domain_texts import check_any_text, domain_texts, item_texts, titles_of
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from recbole.config import Config
    from typing_extensions import Self

    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.domains import Domains


@dataclass(frozen=True)
class TextEncoding:
    """Settings of item texts and of their encoder.

    Attributes:
        settings: Columns and length of the texts, and the encoder.
        file_format: Format of the files with the texts.
        device: Device of the encoder.
        cache: Folder of text vectors and search indexes.
        show_progress: Whether to show progress bars.
        target: Name of the target.
        data_path: Folder of datasets.
        blocks: Blocks of texts that are encoded at a time, by tasks of the Ray cluster; 1: one, in this process.
    """

    settings: TextSettings
    file_format: ItemFileFormat
    device: str | torch.device
    cache: Path
    show_progress: bool
    target: str
    data_path: str
    blocks: int = 1

    @classmethod
    def of(cls, config: Config) -> Self:
        """Read the values from a configuration."""
        return cls(
            settings=TextSettings.of(config),
            file_format=ItemFileFormat.of(config),
            device=config["device"],
            cache=cache_folder(config["cache_path"], config["checkpoint_dir"]),
            show_progress=config["show_progress"],
            target=config["dataset"],
            data_path=data_root(config),
            blocks=(config["nproc"] or 1) if config["engine"] == "ray" else 1,
        )

    @property
    def fields(self) -> tuple[list[str] | None, list[str] | None]:
        """The columns of the target's texts, and those of the sources' texts; None: all text columns."""
        return self.settings.text_fields, self.settings.source_text_fields

    @property
    def is_own(self) -> bool:
        """Whether the user brings vectors of his own."""
        return bool(self.settings.text_vectors or self.settings.source_text_vectors)

    def load_encoder(self) -> TextEncoder:
        """Load the text encoder; see :func:`~recbole_idp.content.text.encoder.load_text_encoder`.

        Returns:
            The encoder, or the vectors of the user's own of all domains, checked.
        """
        settings = self.settings
        if self.is_own:
            # The width of the sources is compared as well, before any work.
            return self._own([self.target, *(settings.source_text_vectors or {})])
        encoder = load_text_encoder(
            settings.text_encoder, settings.text_pooling, max_tokens=settings.text_tokens, device=self.device
        )
        encoder.blocks = self.blocks
        return encoder

    def is_found_by_name(self, encoder: TextEncoder) -> bool:
        """Return whether an encoder that nobody trained is loaded by its name anywhere, and is the same."""
        return encoder.reads_texts and not encoder.needs_fitting and self.settings.text_pooling is None

    def load_source_encoder(self, locations: Sequence[DatasetLocation]) -> TextEncoder:
        """Load the text encoder, or the vectors of the user's own of source domains; else as :meth:`load_encoder`."""
        return self._own([location.name for location in locations]) if self.is_own else self.load_encoder()

    def open_encoder(self, folder: Path) -> TextEncoder:
        """Open the text encoder that a folder of what was pre-trained holds.

        Args:
            folder: The encoder's folder.

        Returns:
            The encoder; for vectors of the user's own, those of this configuration.

        Raises:
            UserError: The folder is damaged; or it was pre-trained on texts and vectors are given, or the other way
                round; or the vectors have another width.
        """
        encoder = open_text_encoder(folder, device=self.device)
        encoder.blocks = self.blocks
        if encoder.reads_texts:
            if self.is_own:
                raise UserError(
                    f"{folder.parent} was pre-trained on texts by {encoder.name}: leave text_vectors out, or pre-train "
                    "on vectors, source_text_vectors={NAME: FILE}"
                )
            return encoder
        if not self.is_own:
            raise UserError(f"{folder.parent} was pre-trained on {NAME}: give those of the target, --text_vectors=FILE")
        found = self.load_encoder()
        if found.width != encoder.width:
            raise UserError(
                f"text_vectors has vectors of {found.width:,} numbers, and {folder.parent} was pre-trained on ones of "
                f"{encoder.width:,}: give vectors of the same encoder"
            )
        return found

    def encode(self, encoder: TextEncoder, texts: Sequence[str]) -> tuple[np.ndarray, EncodeReport]:
        """Encode texts, or read their vectors from the cache; see :func:`encode_cached`."""
        if not encoder.reads_texts:
            return encoder.encode(texts), EncodeReport(0, len(texts), 0.0, 0.0)
        warn_of_unknown_tokens(encoder, texts)
        return encode_cached(encoder, texts, self.cache, self.show_progress)

    def target_texts(self, location: DatasetLocation, tokens: Sequence[str]) -> list[str]:
        """Read the texts of a target's items; for vectors of the user's own, their names.

        Args:
            location: Where the target lies.
            tokens: Its item ids.

        Returns:
            A text for each item, blank where it has none.

        Raises:
            UserError: No item has a text.
        """
        if self.is_own:
            return self._names(location.name, tokens)
        return self._read(location, tokens, self.settings.text_fields, "text_fields")

    def joined_texts(self, location: DatasetLocation, tokens: Sequence[str]) -> list[str]:
        """Read the texts of some items of a source domain; see :meth:`target_texts`."""
        if self.is_own:
            return self._names(location.name, tokens)
        return self._read(location, tokens, self.settings.source_text_fields, "source_text_fields")

    def source_texts(self, domains: Domains, locations: Sequence[DatasetLocation]) -> tuple[list[str], list[str]]:
        """Read texts and titles of all items of the source domains.

        Args:
            domains: The merged data.
            locations: Where each domain lies.

        Returns:
            Text of items 1 to N - 1, or their names for vectors of the user's own; and their titles.

        Raises:
            UserError: No item has a text.
        """
        fields = self.settings.source_text_fields
        if not self.is_own:
            return domain_texts(domains, locations, fields, self.file_format)
        names: list[str] = []
        titles: list[str] = []
        for number, location in enumerate(locations):
            tokens = [domains.item_tokens[item] for item in (domains.item_domain == number).nonzero()[0]]
            names += self._names(location.name, tokens)
            titles += titles_of(location, tokens, fields, self.file_format)
        return names, titles

    def _read(self, location: DatasetLocation, tokens: Sequence[str], fields: list[str] | None, key: str) -> list[str]:
        """Read the texts of items, one of which has one at least."""
        texts = item_texts(location, fields, self.file_format).for_items(tokens)
        check_any_text(texts, location.name, key)
        return texts

    def _names(self, domain: str, tokens: Sequence[str]) -> list[str]:
        """Return the names of items with vectors, and log how many have none."""
        encoder = self._own([domain])
        names = encoder.names(domain, tokens)
        log_missing(domain, names, encoder.tables[domain].source)
        return names

    def _own(self, domains: Sequence[str]) -> OwnVectors:
        """Read the vectors of domains; files are read once in a process."""
        settings, tables = self.settings, {}
        for name in domains:
            is_target = name == self.target and settings.text_vectors
            key = "text_vectors" if name == self.target else f"source_text_vectors[{name}]"
            given = settings.text_vectors if is_target else (settings.source_text_vectors or {}).get(name)
            if given is None:
                raise UserError(f"no vectors of {name} are given: {_asked_for(name, self.target)}")
            tables[name] = read_own(given, locate(name, self.data_path), key, self.file_format)
        return own_vectors(tables)


def _asked_for(name: str, target: str) -> str:
    """Return what to write to give the vectors of a domain."""
    return "--text_vectors=FILE" if name == target else f"add it to source_text_vectors, {{{name}: FILE, ...}}"
