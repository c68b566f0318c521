"""What pre-training hands to transfer: a folder of tensors, JSON and text that executes nothing when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from recbole_idp.errors import UserError
from recbole_idp.models.idp.cdim.matchers import FrozenMatcher, open_matcher
from recbole_idp.storage.schema import ObjectOf, OptionalKey
from recbole_idp.storage.sealed import FolderFormat, read_weights
from recbole_idp.train.pretrained_folder import (
    TEXT_ENCODER,
    FolderContent,
    PretrainedFolder,
    card_text,
    metrics_text,
    read_table,
    table_text,
)
from recbole_idp.train.pretrained_items import row_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.data.domains import Domain
    from recbole_idp.data.item_names import HistoryItem
    from recbole_idp.models.idp.cdim.matchers import EncoderMatcher, HeadMatcher
    from recbole_idp.models.idp.source_model import SourceModel

ENCODER = "encoder.safetensors"
ITEMS = "items.safetensors"
NAMES = "items.tsv"
MATCHER = "cdim"


class ItemNames(NamedTuple):
    """What source items are called.

    Attributes:
        domains: Domain of each item; length S.
        tokens: Item ids in their domains; length S.
        titles: Titles; length S.
    """

    domains: list[str]
    tokens: list[str]
    titles: list[str]


@dataclass(frozen=True)
class Bundle(PretrainedFolder):
    """Pre-trained item IDs and sequence encoder. S source items, D width, W width of text vectors.

    Attributes:
        item_embeddings: Pre-trained ID embeddings; shape [S, D].
        text_vectors: Vector of each item's text by the frozen encoder, zero without text; shape [S, W].
        adapted_vectors: The vectors that matching compares; shape [S, W].
        encoder: State of the sequence encoder.
        domains: Domain of each item; length S.
        tokens: Item ids in their domains; length S.
        titles: Titles; length S.
        description: As in the base class, and ``encoder`` (kind and sizes), ``text_encoder``, ``cdim`` (depth, what is
            kept, matching quality), ``pretrain_fingerprint`` of IDs and encoder alone.
        folder: Where it was opened from.
    """

    folder_format = FolderFormat(
        name="bundle",
        made_by="the task pretrain",
        identifier="recbole_idp bundle",
        description_file="bundle.json",
        required_files=frozenset((ENCODER, ITEMS, NAMES)),
        schema={
            "fingerprint": str,
            "domains": [{"name": str}],
            "encoder": {"kind": str, "hidden_size": int},
            "valid": ObjectOf(float),
            "cdim": OptionalKey({"matcher": {"none", "head", "encoder"}}),
        },
        version=2,
        # Version 1 had no adapted vectors; such a bundle matches by its frozen ones.
        readable_versions=(1, 2),
    )

    item_embeddings: torch.Tensor
    text_vectors: np.ndarray
    adapted_vectors: np.ndarray
    encoder: dict[str, torch.Tensor]
    domains: list[str]
    tokens: list[str]
    titles: list[str]

    @classmethod
    def read_parts(cls, folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
        """Read tensors and names, and check that they fit each other."""
        items, encoder = (read_weights(folder / name, cls.folder_format) for name in (ITEMS, ENCODER))
        names = ItemNames(*read_table(folder / NAMES, len(ItemNames._fields)))
        try:
            embeddings, texts = items["item_embeddings"], items["text_vectors"]
            adapted = items.get("adapted_vectors", texts)
            _check_items(embeddings, texts, adapted, len(names.tokens), description["encoder"]["hidden_size"])
        except (KeyError, ValueError) as error:
            raise UserError(f"bundle {folder} cannot be read ({error}): pre-train again") from error
        return {
            "item_embeddings": embeddings,
            "text_vectors": texts.numpy(),
            "adapted_vectors": adapted.numpy(),
            "encoder": encoder,
            **names._asdict(),
        }

    def ids_of(self, items: Sequence[HistoryItem]) -> tuple[torch.Tensor, int]:
        """Return the IDs of items that stand in a target's histories.

        Args:
            items: The history items; length K.

        Returns:
            Their IDs, shape [K, D], the mean of all of its domain for an item that was not pre-trained; and how many
            such items there are.
        """
        rows = row_numbers(
            zip(self.domains, self.tokens, strict=True), [(item.domain, " ".join(item.token.split())) for item in items]
        )
        found = self.item_embeddings[rows - 1].clone()
        domain_of = np.array([item.domain for item in items])
        for name in dict.fromkeys(domain_of.tolist()):
            own = torch.from_numpy(domain_of == name)
            pretrained = torch.tensor([domain == name for domain in self.domains])
            found[own & (rows == 0)] = self.item_embeddings[pretrained].mean(0)
        return found, int((rows == 0).sum())

    def matcher(self, encoding: TextEncoding) -> FrozenMatcher | HeadMatcher | EncoderMatcher:
        """Return what makes the vectors of target texts comparable with :attr:`adapted_vectors`.

        Args:
            encoding: Where the matcher computes, and the cache of what it gives.

        Returns:
            An object with ``vectors(texts, frozen_vectors)``.
        """
        kind = self.description.get("cdim", {}).get("matcher", FrozenMatcher.kind)
        return open_matcher(kind, self.folder / MATCHER, encoding.cache, encoding.device, encoding.show_progress)


def bundle_content(
    source: SourceModel,
    domains: Sequence[Domain],
    names: ItemNames,
    vectors: tuple[np.ndarray, np.ndarray],
    encoders: tuple[TextEncoder, FrozenMatcher | HeadMatcher | EncoderMatcher],
    facts: Mapping[str, Any],
) -> FolderContent:
    """Return what a bundle holds.

    Args:
        source: Item IDs and sequence encoder.
        domains: The source domains.
        names: What the items are called.
        vectors: Text vectors of the frozen encoder, and the adapted ones; shape [S, W] each.
        encoders: The text encoder, copied so that target items are encoded alike, and the matcher.
        facts: Further facts of the description.

    Returns:
        All parts of the folder.
    """
    text_vectors, adapted_vectors = vectors
    tensors = {
        "item_embeddings": source.item_embeddings,
        "text_vectors": torch.from_numpy(np.ascontiguousarray(text_vectors)),
    }
    if adapted_vectors is not text_vectors:
        tensors["adapted_vectors"] = torch.from_numpy(np.ascontiguousarray(adapted_vectors))
    columns = ([" ".join(text.split()) for text in column] for column in names)
    text_encoder, matcher = encoders
    return FolderContent(
        domains=domains,
        valid=source.valid,
        weights={ENCODER: source.encoder, ITEMS: tensors},
        facts=facts,
        texts={NAMES: table_text(("domain", "item_id", "title"), *columns)},
        parts={TEXT_ENCODER: text_encoder, MATCHER: matcher},
    )


def bundle_card(about: Mapping[str, Any]) -> str:
    """Return the model card of a bundle, as Markdown.

    Args:
        about: Its description.

    Returns:
        The model card.
    """
    rows = "\n".join(
        f"| {domain['name']} | {domain['users']:,} | {domain['items']:,} | {domain['interactions']:,} |"
        for domain in about["domains"]
    )
    summary = (
        "Item ID embeddings and a sequence encoder, pre-trained on the domains below (IDP, arXiv 2405.03562), with "
        "the text vectors by which items of a new domain find them.\n\n"
        f"| domain | users | items | interactions |\n| --- | --- | --- | --- |\n{rows}"
    )
    facts = {
        "Sequence encoder": f"{about['encoder']['kind']}, width {about['encoder']['hidden_size']}",
        "Text encoder": about["text_encoder"]["name"],
        "Validation on held-out source users": metrics_text(about["valid"]),
        "Matcher": _about_matcher(about["cdim"]),
        "Seed": about["seed"],
    }
    terms = (
        "The embeddings tell which source items are interacted with together; the titles are those of the source data, "
        "whose terms apply.\n"
    )
    return card_text("A bundle of recbole_idp", summary, facts, "--model=IDP --dataset=NAME") + "\n" + terms


def _check_items(
    embeddings: torch.Tensor, texts: torch.Tensor, adapted: torch.Tensor, n_items: int, width: int
) -> None:
    """Raise ValueError where tensors do not fit each other, as anybody may have sealed the folder."""
    parts = {"item_embeddings": embeddings, "text_vectors": texts, "adapted_vectors": adapted}
    for name, tensor in parts.items():
        if tensor.dtype != torch.float32 or tensor.ndim != 2 or len(tensor) != n_items:
            raise ValueError(f"{name} has shape {list(tensor.shape)} for {n_items} items, or is not of float32")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} has values that are not numbers")
    if embeddings.shape[1] != width or texts.shape != adapted.shape:
        raise ValueError("its vectors are of other widths than it says")


def _about_matcher(cdim: Mapping[str, Any]) -> str:
    """Return what the model card says of the matcher."""
    if cdim["matcher"] == FrozenMatcher.kind:
        return "the text encoder as it is"
    found = ", ".join(f"{name} {cdim['before'][name]:.4f} -> {value:.4f}" for name, value in cdim["after"].items())
    return f"CDIM, depth {cdim['depth']}; behaviour neighbours found, before and after training: {found}"
