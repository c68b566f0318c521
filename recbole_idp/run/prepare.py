"""Prepare a run: folders, threads, seed and log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from recbole.utils import init_logger, init_seed

from recbole_idp import registry
from recbole_idp.config.derive import data_root, derive
from recbole_idp.content.image.digest import picture_digest
from recbole_idp.content.text.own.files import given_hashes
from recbole_idp.content.vector_cache import cache_folder
from recbole_idp.data.catalog import locate
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.data.keys import read_beside
from recbole_idp.errors import UserError
from recbole_idp.hub.address import is_address
from recbole_idp.hub.download import local_folder
from recbole_idp.storage.files import check_writable, fingerprint, refusing_failed_writes, sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Collection

    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset


def fetch_given(config: Config) -> Config:
    """Return a configuration whose key ``pretrained`` names a folder of this machine.

    A folder of the hub is fetched once, so that all of a run uses the same commit.

    Raises:
        UserError: It cannot be fetched, or is not as it was sealed.
    """
    given = config["pretrained"]
    return derive(config, pretrained=str(local_folder(given))) if is_address(given) else config


def prepare(config: Config) -> None:
    """Check and make the folders, and set threads, seed and log.

    Raises:
        UserError: A folder cannot be written.
    """
    folders = {key: config[key] for key in ("checkpoint_dir", "result_dir")}
    # RecBole's own, which it makes in the current folder.
    folders.update(
        {
            "the log": "log",
            "TensorBoard's log": "log_tensorboard",
            "cache_path": cache_folder(config["cache_path"], config["checkpoint_dir"]),
        }
    )
    for key, folder in folders.items():
        check_writable(key, folder)
    # RecBole looks whether its folders are there and then makes them, so that of two runs that start at once one fails.
    for folder in (Path("log", config["model"]), Path("log_tensorboard"), Path(config["checkpoint_dir"])):
        with refusing_failed_writes(folder):
            folder.mkdir(parents=True, exist_ok=True)
    if config["threads"]:
        import faiss

        torch.set_num_threads(config["threads"])
        faiss.omp_set_num_threads(config["threads"])
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)


def check_is_matched(model: str, variants: Collection[str]) -> None:
    """Check that a model matches its items to those of source domains.

    Args:
        model: The model's name.
        variants: The variants of its trainer.

    Raises:
        UserError: It does not.
    """
    if not variants:
        raise UserError(f"{model} does not transfer from source domains: train it by the task run, or name IDP")


def data_fingerprint(dataset: SequenceDataset) -> str:
    """Return the fingerprint of the target's events and of all keys that decide on rows and split.

    Texts of items are left out: models that read them and models that do not are compared on the same events.
    """
    # A dataset may take a part of the events, and says so in its own configuration.
    config = dataset.config
    keys = [
        "load_col",
        "val_interval",
        "user_inter_num_interval",
        "item_inter_num_interval",
        "rm_dup_inter",
        "eval_args",
    ]
    # What is not given is not counted, so that results of before stay comparable.
    keys += [key for key in ("benchmark_filename", "latest_events") if config[key]]
    if config["predicts"] not in (None, "next_item"):
        # Other targets than the next items: their ranks are not to be compared with those.
        keys += ["predicts", "profile_field", "shared_users"]
    events = content_hashes(dataset.location, with_items=False)
    return fingerprint([events, {key: config[key] for key in keys}])


def read_fingerprint(dataset: SequenceDataset, events: str) -> str:
    """Return the fingerprint of all that training on the target reads: events and, if the model reads them, items.

    Args:
        dataset: The target.
        events: Its :func:`data_fingerprint`.
    """
    config, path = dataset.config, dataset.location.item_file
    read = registry.reads_items(config["model"], config["load_col"], config["selected_features"]) and path.is_file()
    items = sha256_of_file(path) if read else None
    names = read_beside(config["model"], config["dataset"], config["shared_users"], config["source_domains"])
    beside = [content_hashes(locate(name, data_root(config)), with_items=read) for name in names]
    if config["profile_field"]:
        beside.append({"user": sha256_of_file(dataset.location.user_file)})
    vectors = given_hashes([config["text_vectors"], *(config["source_text_vectors"] or {}).values()])
    pictures = []
    if registry.reads_pictures(config["model"], config):
        file_format = ItemFileFormat.of(config)
        pictures.append(picture_digest(dataset.location, config["image_field"], "image_field", file_format))
    return fingerprint([events, items, *beside, *vectors, *pictures])
