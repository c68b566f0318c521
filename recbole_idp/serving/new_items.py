"""Add items to a trained model without training: their vectors are made from text, as those of the others."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.content.text.own.encoder import NAME, own_vectors, read_own
from recbole_idp.data.catalog import DatasetLocation
from recbole_idp.data.domain_texts import item_ids, titles_of
from recbole_idp.data.item_text import ItemFileFormat, read_item_texts
from recbole_idp.errors import UserError
from recbole_idp.hub.download import local_folder
from recbole_idp.models.idp.bundle import MATCHER, Bundle
from recbole_idp.models.idp.cdim.matchers import FrozenMatcher, open_matcher
from recbole_idp.models.idp.generation import GENERATORS, RESCALINGS, Evidence, generate
from recbole_idp.models.idp.keys import GenerationSettings
from recbole_idp.search.exact import Matches, retrieve
from recbole_idp.serving.source_items import SourceItems
from recbole_idp.storage.schema import Nullable, OptionalKey, SchemaError, check_schema
from recbole_idp.train.pretrained_folder import TEXT_ENCODER

if TYPE_CHECKING:
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.text.own.encoder import OwnVectors
    from recbole_idp.serving.answering import TrainedItems
    from recbole_idp.serving.trained_model import TrainedModel

TEXT_KEYS = {
    "field_separator": str,
    "ITEM_ID_FIELD": str,
    "text_fields": Nullable([str]),
    "text_length": int,
    "encoding": OptionalKey(Nullable(str)),
}
"""The keys of the configuration of training that the reading of texts needs."""
_NEW = "new items"

# Those that generation needs besides.
_SAYS = {
    **TEXT_KEYS,
    "generator": set(GENERATORS),
    "rescale": set(RESCALINGS),
    "generated_spread": float,
    "match_temperature": float,
    "map_ridge": float,
    "own_texts": float,
}


class NewItems(NamedTuple):
    """The items of a file that a model does not have yet.

    Attributes:
        texts: Text by id.
        titles: Their titles.
        known: Number of items of the file that the model has already.
        blank: Number of new items without a content.
        attributes: Name and value of each of their columns of text.
        content: What their vectors are made of.
        vectors: Their vectors where the user brings them; the texts are their names then; None: there are none.
    """

    texts: dict[str, str]
    titles: list[str]
    known: int
    blank: int
    attributes: Sequence[Sequence[tuple[str, str]]] = ()
    content: str = "text"
    vectors: OwnVectors | None = None


def read_new_items(trained: TrainedItems, path: str | Path, vectors: str | Path | None = None) -> NewItems:
    """Read the items of a file that a model does not have yet.

    Args:
        trained: The model.
        path: An ``.item`` file.
        vectors: A file of vectors of the items, or ``column:NAME``; None: they are known by their texts.

    Returns:
        The new items with a text, or with a vector.

    Raises:
        UserError: A file cannot be read, or has no new item with a text or a vector.
    """
    config = trained.description["config"]
    form = {"separator": config["field_separator"], "encoding": config.get("encoding") or "utf-8"}
    if vectors is not None:
        file_format = ItemFileFormat(config["ITEM_ID_FIELD"], config["text_length"], **form)
        return _with_vectors(trained, Path(path), str(vectors), config["text_fields"], file_format)
    read = read_item_texts(path, config["text_fields"], config["ITEM_ID_FIELD"], config["text_length"], **form)
    known = set(trained.tokens)
    unknown = {token: text for token, text in read.texts.items() if token not in known}
    new = {token: text for token, text in unknown.items() if text}
    n_known, n_blank = len(read.texts) - len(unknown), len(unknown) - len(new)
    if not new:
        raise UserError(
            f"{path} has no new item with a text: {n_known} of its {len(read.texts)} items are in the model already, "
            f"{n_blank} have no text"
        )
    return NewItems(new, [read.titles[token] for token in new], n_known, n_blank, read.attributes(new))


def _with_vectors(
    trained: TrainedItems, path: Path, given: str, fields: list[str] | None, file_format: ItemFileFormat
) -> NewItems:
    """Return the items of a file that a model does not have yet, with vectors of the user's own."""
    location = DatasetLocation(path.stem, path.parent, path.stem, str(path))
    table = read_own(given, location, "text_vectors", file_format)
    tokens = item_ids(path, file_format)
    encoder = own_vectors({_NEW: table})
    names = dict(zip(tokens, encoder.names(_NEW, tokens), strict=True))
    known = set(trained.tokens)
    unknown = {token: name for token, name in names.items() if token not in known}
    new = {token: name for token, name in unknown.items() if name}
    if not new:
        raise UserError(
            f"{table.source} has a vector of no new item of {path}: {len(names) - len(unknown)} of its {len(names)} "
            f"items are in the model already, {len(unknown)} have no vector"
        )
    titles = titles_of(location, list(new), fields, file_format)
    return NewItems(new, titles, len(names) - len(unknown), len(unknown) - len(new), content="vector", vectors=encoder)


def check_brings(encoder: str, given: str | Path | None, folder: object) -> None:
    """Check that new items are known by what a model was trained on.

    Args:
        encoder: Name of its text encoder.
        given: The file of vectors of the new items; None: they are known by their texts.
        folder: The model's folder, for messages.

    Raises:
        UserError: They are known by texts and the model by vectors of the user's own, or the other way round.
    """
    if given is None and encoder == NAME:
        raise UserError(
            f"{folder} was trained on {NAME}, so that texts alone add no items: give those of the new items, "
            "--text_vectors=FILE"
        )
    if given is not None and encoder != NAME:
        raise UserError(f"{folder} was trained on texts by {encoder}: leave --text_vectors out")


def encoder_for(new: NewItems, kept: TextEncoder, folder: object) -> TextEncoder:
    """Return what makes the vectors of new items.

    Args:
        new: The items.
        kept: The encoder that the model was trained with.
        folder: The model's folder, for messages.

    Raises:
        UserError: Their vectors have another width, or are not of the kind of the model's.
    """
    check_brings(kept.name, None if new.vectors is None else "", folder)
    if new.vectors is None:
        return kept
    if new.vectors.width != kept.width:
        raise UserError(
            f"text_vectors has vectors of {new.vectors.width:,} numbers, and {folder} was trained on ones of "
            f"{kept.width:,}: give vectors of the same encoder"
        )
    return new.vectors


def add_items(trained: TrainedModel, new: NewItems, bundle: Bundle) -> TrainedModel:
    """Add items to a model.

    texts -> frozen text encoder -> matcher -> matches among the source items -> generator -> item vectors

    The statistics that generation takes from all target items (the mean text, the spread) stay those of the training
    items: a new item gets the embedding that it would have started from, had it been among them.

    Args:
        trained: The model, which is not changed.
        new: The items to add.
        bundle: The bundle that the model was made from; see :func:`find_bundle`.

    Returns:
        The extended model, not saved yet.
    """
    config = trained.description["config"]
    assert trained.transfer is not None  # as check_generated says
    _check_fit(trained.transfer, bundle, trained)
    vectors = _adapted_vectors(bundle, new, trained.folder)
    old, n_old = trained.transfer, len(trained.tokens)
    found = retrieve(vectors, bundle.adapted_vectors, old["items"].shape[1])
    vectors = np.concatenate([old["vectors"].numpy(), vectors])
    items = np.concatenate([old["items"].numpy(), found.items])
    similarities = np.concatenate([old["similarities"].numpy(), found.similarities])
    matches = Matches(items, similarities, np.any(vectors, axis=1))
    settled = n_old - trained.description["added"]
    evidence = Evidence(bundle.item_embeddings, bundle.adapted_vectors, vectors, matches, settled)
    added = generate(evidence, GenerationSettings.of(config))[n_old:]
    return dataclasses.replace(
        extended(trained, added, new),
        transfer={
            "vectors": torch.from_numpy(vectors),
            "items": torch.from_numpy(items),
            "similarities": torch.from_numpy(similarities),
        },
        source_items=SourceItems.of(bundle, items),
    )


def add_by_content(
    trained: TrainedModel, path: str | Path, vectors: str | Path | None = None
) -> tuple[TrainedModel, NewItems]:
    """Add items to a model whose items are their contents: each gets the vector that it would have had in training.

    Args:
        trained: The model, which is not changed.
        path: An ``.item`` file.
        vectors: As of :func:`read_new_items`.

    Returns:
        The extended model, not saved yet, and the new items.

    Raises:
        UserError: The file has no new item with a content, or the content encoder cannot be loaded, or does not fit.
    """
    assert trained.content is not None  # as the caller has looked
    content: Any = trained.content
    content = dataclasses.replace(content, encoder=content.load())
    new, added = content.read_new(trained, Path(path), vectors)
    if added.shape[1] != trained.item_vectors.shape[1]:
        raise UserError(f"{trained.folder} has dense layers of another width than its items: train the model again")
    return dataclasses.replace(extended(trained, added, new), content=content), new


def extended(trained: TrainedModel, added: torch.Tensor, new: NewItems) -> TrainedModel:
    """Return a model with further items.

    Args:
        trained: The model, which is not changed.
        added: Vectors of T new items; shape [T, D].
        new: These items.

    Returns:
        The model, not saved yet.
    """
    first_other, bias = trained.n_items, trained.item_bias
    return dataclasses.replace(
        trained,
        # The items of other domains come after those of the target.
        item_vectors=torch.cat([trained.item_vectors[:first_other], added, trained.item_vectors[first_other:]]),
        candidate_vectors=torch.cat([trained.candidate_vectors, added]),
        # The popularity of a new item is unknown: take the mean of the others.
        item_bias=None if bias is None else torch.cat([bias, bias[1:].mean().repeat(len(new.texts))]),
        tokens=[*trained.tokens, *new.texts],
        titles=[*trained.titles, *new.titles],
        description={**trained.description, "added": trained.description["added"] + len(new.texts)},
        users=None if trained.users is None else trained.users.renumbered(first_other, len(new.texts)),
        folder=None,
    )


def check_generated(trained: TrainedModel) -> None:
    """Check that a model's item embeddings were generated from texts, so that items can be added.

    Raises:
        UserError: They were not generated.
    """
    if trained.transfer is None:
        about = trained.description
        if about["encoder"]["kind"] == "Fused":
            raise UserError(
                f"{about['model']} ({about['variant']}) is fused with another model, so that an added item would need "
                "vectors of both: train it without fuse"
            )
        raise UserError(
            f"{about['model']} ({about['variant']}) was trained without generated embeddings, so that it cannot "
            "make items of texts: train IDP with --variants=fine_tune, and add items to what that leaves"
        )
    try:
        check_schema(trained.description["config"], _SAYS, "config")
    except SchemaError as error:
        raise UserError(f"{trained.folder} cannot take new items, as {error}: train the model again") from None


def find_bundle(trained: TrainedModel, given: str | Path | None = None) -> Bundle:
    """Open the bundle that a model was made from.

    Args:
        trained: The model.
        given: The bundle's folder; None: the folder of its name next to the model's.

    Returns:
        The bundle.

    Raises:
        UserError: The bundle is missing, cannot be used, or is another one.
    """
    about = trained.description["bundle"]
    if about is None:
        raise UserError(f"{trained.folder} does not say which bundle it was made from: train the model again")
    if given:
        folder = Path(local_folder(given))
    else:
        assert trained.folder is not None  # as of an opened model
        # The last part of the name only: a description from elsewhere must not name another folder.
        folder = trained.folder.absolute().parent / Path(str(about["name"])).name
    if not given and not folder.is_dir():
        raise UserError(
            f"the bundle {folder.name} that the model was made from is not next to it: name it, --pretrained=DIR"
        )
    if Bundle.read_description(folder).get("fingerprint") != about["fingerprint"]:
        raise UserError(
            f"{folder} is another bundle than the one that the model was made from ({about['fingerprint']})"
        )
    return Bundle.open(folder)


def _check_fit(transfer: Mapping[str, torch.Tensor], bundle: Bundle, trained: TrainedModel) -> None:
    """Raise UserError where the kept matches do not fit the bundle; a seal alone does not make a folder consistent."""
    parts: list[Any] = [transfer.get(name) for name in ("vectors", "items", "similarities")]
    vectors, items, similarities = parts
    fits = (
        None not in (vectors, items, similarities)
        and vectors.shape == (len(trained.tokens), bundle.adapted_vectors.shape[1])
        and items.ndim == 2
        and items.shape == similarities.shape
        and len(items) == len(vectors)
        and items.shape[1] > 0
        and 0 <= int(items.min()) <= int(items.max()) < len(bundle.tokens)
    )
    if not fits or not 0 <= trained.description["added"] < len(trained.tokens):
        raise UserError(f"{trained.folder} and its bundle do not fit each other: train the model again")


def _adapted_vectors(bundle: Bundle, new: NewItems, folder: object) -> np.ndarray:
    """Encode the texts of T items with the bundle's text encoder and matcher; shape [T, W]."""
    texts = list(new.texts.values())
    frozen = encoder_for(new, open_text_encoder(bundle.folder / TEXT_ENCODER), folder).encode(texts)
    kind = bundle.description.get("cdim", {}).get("matcher", FrozenMatcher.kind)
    with tempfile.TemporaryDirectory() as cache:
        return open_matcher(kind, bundle.folder / MATCHER, cache).vectors(texts, frozen)
