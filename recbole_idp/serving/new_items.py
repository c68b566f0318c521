"""Items that join a trained model without training: each is generated from its text, as the others were."""

import dataclasses
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.data.item_text import read_item_texts
from recbole_idp.errors import UserError
from recbole_idp.models.idp.bundle import MATCHER, Bundle
from recbole_idp.models.idp.cdim.matchers import FrozenMatcher, open_matcher
from recbole_idp.models.idp.generation import GENERATORS, RESCALINGS, Evidence, generate
from recbole_idp.search.exact import Matches, retrieve
from recbole_idp.storage.schema import Nullable, OptionalKey, SchemaError, check_schema
from recbole_idp.train.pretrained_folder import TEXT_ENCODER

# What generating and reading texts take from the configuration that the model was trained with.
_SAYS = {
    **{"generator": set(GENERATORS), "rescale": set(RESCALINGS)},
    **dict.fromkeys(("generated_spread", "match_temperature", "map_ridge", "own_texts"), float),
    **{"field_separator": str, "ITEM_ID_FIELD": str, "text_fields": Nullable([str]), "text_length": int},
    "encoding": OptionalKey(Nullable(str)),
}


class NewItems(NamedTuple):
    """Items of a file that a model does not have.

    Attributes:
        texts (dict[str, str]): Text by id.
        titles (list[str]): Their titles.
        known (int): How many others of the file the model has already.
        blank (int): How many have no text.
    """

    texts: dict
    titles: list
    known: int
    blank: int


def read_new_items(trained, path):
    """Read the items of a file that a model does not have.

    Args:
        trained (TrainedModel): The model.
        path (str | Path): An ``.item`` file.

    Returns:
        NewItems: Those with a text.

    Raises:
        UserError: The file is wrong, or has no new item with a text.
    """
    config = trained.description["config"]
    form = {"separator": config["field_separator"], "encoding": config.get("encoding") or "utf-8"}
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
    return NewItems(new, [read.titles[token] for token in new], n_known, n_blank)


def add_items(trained, new, bundle):
    """Add items to a model.

    texts -> frozen text encoder -> matcher -> matches among the source items -> generator -> item vectors

    What generating takes from all items of a target (the mean text, the spread) stays that of the items which the model
    was trained with: an item gets the vector that it would have started from, had it been among them.

    Args:
        trained (TrainedModel): The model; it stays as it is.
        new (NewItems): What to add.
        bundle (Bundle): What the model was made from; see :func:`find_bundle`.

    Returns:
        TrainedModel: Not saved yet.
    """
    config = trained.description["config"]
    _check_fit(trained.transfer, bundle, trained)
    vectors = _adapted_vectors(bundle, list(new.texts.values()))
    old, n_old = trained.transfer, len(trained.tokens)
    found = retrieve(vectors, bundle.adapted_vectors, old["items"].shape[1])
    vectors = np.concatenate([old["vectors"].numpy(), vectors])
    items = np.concatenate([old["items"].numpy(), found.items])
    similarities = np.concatenate([old["similarities"].numpy(), found.similarities])
    matches = Matches(items, similarities, np.any(vectors, axis=1))
    settled = n_old - trained.description["added"]
    evidence = Evidence(bundle.item_embeddings, bundle.adapted_vectors, vectors, matches, settled)
    generated = torch.cat([trained.item_vectors, generate(evidence, config)[n_old:]])
    bias = trained.item_bias
    return dataclasses.replace(
        trained,
        item_vectors=generated,
        candidate_vectors=generated,
        # Nobody knows how much a new item is liked: as much as the others, on average.
        item_bias=None if bias is None else torch.cat([bias, bias[1:].mean().repeat(len(new.texts))]),
        tokens=[*trained.tokens, *new.texts],
        titles=[*trained.titles, *new.titles],
        description={**trained.description, "added": trained.description["added"] + len(new.texts)},
        transfer={
            "vectors": torch.from_numpy(vectors),
            "items": torch.from_numpy(items),
            "similarities": torch.from_numpy(similarities),
        },
        folder=None,
    )


def check_generated(trained):
    """Check that a model's items were generated from texts, so that others can join them.

    Raises:
        UserError: They were not.
    """
    if trained.transfer is None:
        about = trained.description
        raise UserError(
            f"{about['model']} ({about['variant']}) was trained without generated embeddings, so that no text makes an "
            "item for it: train IDP with --variants=fine_tune, and add items to what that leaves"
        )
    try:
        check_schema(trained.description["config"], _SAYS, "config")
    except SchemaError as error:
        raise UserError(f"{trained.folder} takes no items, as {error}: train the model again") from None


def find_bundle(trained, given=None):
    """Open the bundle that a model was made from.

    Args:
        trained (TrainedModel): The model.
        given (str | Path, optional): The bundle's folder; None: the one of its name beside the model's folder.

    Returns:
        Bundle: The bundle.

    Raises:
        UserError: It is not there, cannot be used, or is another one.
    """
    about = trained.description["bundle"]
    if about is None:
        raise UserError(f"{trained.folder} does not say which bundle it was made from: train the model again")
    # A name, whatever a stranger's description says: nothing of another folder is looked at.
    folder = Path(given or trained.folder.absolute().parent / Path(str(about["name"])).name)
    if not given and not folder.is_dir():
        raise UserError(
            f"the bundle {folder.name} that the model was made from is not beside it: name it, --pretrained=DIR"
        )
    if Bundle.read_description(folder).get("fingerprint") != about["fingerprint"]:
        raise UserError(
            f"{folder} is another bundle than the one that the model was made from ({about['fingerprint']})"
        )
    return Bundle.open(folder)


def _check_fit(transfer, bundle, trained):
    """Raise where what a model was generated from does not fit its bundle, as a stranger may have sealed anything."""
    vectors, items, similarities = (transfer.get(name) for name in ("vectors", "items", "similarities"))
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


def _adapted_vectors(bundle, texts):
    """Return the vectors of texts that matching compares; shape [T, W]."""
    frozen = open_text_encoder(bundle.folder / TEXT_ENCODER).encode(texts)
    kind = bundle.description.get("cdim", {}).get("matcher", FrozenMatcher.kind)
    with tempfile.TemporaryDirectory() as cache:
        return open_matcher(kind, bundle.folder / MATCHER, cache).vectors(texts, frozen)
