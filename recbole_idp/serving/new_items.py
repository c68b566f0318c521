"""Items that join a trained model without training: each is generated from its text, as the others were."""

import dataclasses
import logging
import tempfile
from pathlib import Path

import numpy as np
import torch

from recbole_idp.bundle import MATCHER, TEXT_ENCODER, Bundle, read_description
from recbole_idp.data.item_text import read_item_texts
from recbole_idp.errors import UserError
from recbole_idp.matcher.adapted import FrozenMatcher, open_matcher
from recbole_idp.matcher.generation import Evidence, generate
from recbole_idp.matcher.retrieval import Matches, retrieve
from recbole_idp.text.encoder import open_text_encoder


def read_new_items(trained, path):
    """Reads the items of a file that a model does not have.

    Args:
        trained (TrainedModel): The model.
        path (str | Path): An ``.item`` file; items that the model has, and those without text, are left out.

    Returns:
        tuple[dict[str, str], list[str]]: Text by id, and the titles.

    Raises:
        UserError: The file is wrong, or has no new item with a text.
    """
    config = trained.description["config"]
    form = {"separator": config["field_separator"], "encoding": config["encoding"] or "utf-8"}
    read = read_item_texts(path, config["text_fields"], config["ITEM_ID_FIELD"], config["text_length"], **form)
    known = set(trained.tokens)
    texts = {token: text for token, text in read.texts.items() if token not in known}
    new = {token: text for token, text in texts.items() if text}
    if not new:
        raise UserError(
            f"{path} has no new item with a text: {len(read.texts) - len(texts)} of its {len(read.texts)} items are in "
            "the model already, the others have no text"
        )
    if len(new) < len(read.texts):
        known_items, blank = len(read.texts) - len(texts), len(texts) - len(new)
        logging.getLogger(__name__).warning(
            f"left out: {known_items} items that the model has already, {blank} without a text"
        )
    return new, [read.titles[token] for token in new]


def add_items(trained, texts, titles, bundle):
    """Adds items to a model.

    texts -> frozen text encoder -> matcher -> matches among the source items -> generator -> item vectors

    What generating takes from all items of a target (the mean text, the spread) stays that of the items which the model
    was trained with: an item gets the vector that it would have started from, had it been among them.

    Args:
        trained (TrainedModel): The model; it stays as it is.
        texts (dict[str, str]): Text of each new item by its id.
        titles (list[str]): Their titles.
        bundle (Bundle): What the model was made from; see :func:`find_bundle`.

    Returns:
        TrainedModel: Not saved yet.
    """
    config = trained.description["config"]
    vectors = _adapted_vectors(bundle, list(texts.values()))
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
        item_bias=None if bias is None else torch.cat([bias, bias[1:].mean().repeat(len(texts))]),
        tokens=[*trained.tokens, *texts],
        titles=[*trained.titles, *titles],
        description={**trained.description, "added": trained.description["added"] + len(texts)},
        transfer={
            "vectors": torch.from_numpy(vectors),
            "items": torch.from_numpy(items),
            "similarities": torch.from_numpy(similarities),
        },
        folder=None,
    )


def check_generated(trained):
    """Checks that a model's items were generated from texts, so that others can join them.

    Raises:
        UserError: They were not.
    """
    if trained.transfer is None:
        about = trained.description
        raise UserError(
            f"{about['model']} ({about['variant']}) was trained without generated embeddings, so that no text makes an "
            "item for it: train IDP with --variants=fine_tune, and add items to what that leaves"
        )


def find_bundle(trained, given=None):
    """Opens the bundle that a model was made from.

    Args:
        trained (TrainedModel): The model.
        given (str | Path, optional): The bundle's folder; None: the one of its name beside the model's folder.

    Returns:
        Bundle: The bundle.

    Raises:
        UserError: It is not there, cannot be used, or is another one.
    """
    about = trained.description["bundle"]
    # A name, whatever a stranger's description says: nothing of another folder is looked at.
    folder = Path(given or trained.folder.absolute().parent / Path(str(about["name"])).name)
    if not given and not folder.is_dir():
        raise UserError(
            f"the bundle {folder.name} that the model was made from is not beside it: name it, --pretrained=DIR"
        )
    if read_description(folder).get("fingerprint") != about["fingerprint"]:
        raise UserError(
            f"{folder} is another bundle than the one that the model was made from ({about['fingerprint']})"
        )
    return Bundle.open(folder)


def _adapted_vectors(bundle, texts):
    """Returns the vectors of texts that matching compares; shape [T, W]."""
    frozen = open_text_encoder(bundle.folder / TEXT_ENCODER).encode(texts)
    kind = bundle.description.get("cdim", {}).get("matcher", FrozenMatcher.kind)
    with tempfile.TemporaryDirectory() as cache:
        return open_matcher(kind, bundle.folder / MATCHER, cache).vectors(texts, frozen)
