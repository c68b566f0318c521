"""Several datasets as one: a single item space, users apart unless a configuration joins them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from recbole_idp.config.derive import data_root, derive
from recbole_idp.data.catalog import DatasetLocation, locate
from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.data.item_text import read_item_texts
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.errors import UserError, nearest
from recbole_idp.storage.files import sha256_of_file


@dataclass(frozen=True)
class Domain:
    """What is told about one of the datasets.

    Attributes:
        name (str): The dataset's name.
        users (int): Users after the configured filters.
        items (int): Items after the configured filters.
        interactions (int): Events after the configured filters.
        sha256 (dict[str, str]): Content hashes of its atomic files by suffix.
    """

    name: str
    users: int
    items: int
    interactions: int
    sha256: dict


class Domains:
    """Source domains in one ID space, item 0 being padding (IDP, pre-training data: no alignment between domains).

    Attributes:
        domains (list[Domain]): One entry for each dataset, in the given order.
        sequences (Sequences): The events of all users.
        item_tokens (list[str]): The item's id in its own domain; length N.
        item_domain (np.ndarray): Number of the item's domain, -1 for padding; shape [N].
    """

    def __init__(self, domains, sequences, item_tokens, item_domain):
        self.domains, self.sequences = domains, sequences
        self.item_tokens, self.item_domain = item_tokens, item_domain

    def num(self, field):
        """Returns the number of items, padding included, whatever the field: RecBole's models ask for no other."""
        return len(self.item_tokens)

    def split(self, n_valid_users, seed):
        """Holds out the last event of some users.

        Args:
            n_valid_users (int): How many users, at most half of those with three events or more.
            seed (int): Decides on the users.

        Returns:
            tuple[TargetLoader, TargetLoader]: What to train on, and what to validate on.
        """
        sequences = self.sequences
        lengths = sequences.lengths()
        eligible = (lengths >= 3).nonzero().squeeze(1)
        order = torch.randperm(len(eligible), generator=torch.Generator().manual_seed(seed))
        held_out = eligible[order[: min(n_valid_users, len(eligible) // 2)]].sort().values
        starts = torch.repeat_interleave(sequences.offsets[:-1], lengths)
        is_target = torch.arange(sequences.n_events) > starts
        ends = sequences.offsets[held_out + 1] - 1
        is_target[ends] = False
        train = is_target.nonzero().squeeze(1)
        return (
            TargetLoader(self, Targets(sequences, starts[train], train)),
            TargetLoader(self, Targets(sequences, sequences.offsets[held_out], ends)),
        )


class TargetLoader:
    """Targets with the face of a RecBole dataloader, as far as a trainer looks at it.

    Args:
        dataset (Domains): Where the targets are from.
        targets (Targets): The targets.
    """

    def __init__(self, dataset, targets):
        self.dataset = _View(dataset, targets)
        self._dataset = self.dataset

    def __len__(self):
        return len(self.dataset.targets())


class _View:
    """A dataset of which only some targets count."""

    def __init__(self, dataset, targets):
        self._whole, self._targets = dataset, targets

    def num(self, field):
        """Returns the number of items."""
        return self._whole.num(field)

    def targets(self):
        """Returns the targets."""
        return self._targets


def check_domains(config, with_target=False):
    """Checks the names of the source domains, and that their files can be found.

    Args:
        config (Config): RecBole's configuration with ``source_domains`` and ``shared_users``.
        with_target (bool): Whether the target is trained on together with them, so that users may be shared with it
            and there need be no other domain.

    Returns:
        list[DatasetLocation]: Where each source lies.

    Raises:
        UserError: None is named, one is unknown or named twice, or the target is among them.
    """
    names = config["source_domains"] or []
    if not names and not with_target:
        raise UserError("source_domains is empty: name at least one dataset to pre-train on")
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"source_domains names {name} twice: name each domain once")
    if config["dataset"] in names:
        raise UserError(f"{config['dataset']} is the target and among source_domains: take it out of one of the two")
    joined = [*names, config["dataset"]] if with_target else names
    for name in {name for group in config["shared_users"] or [] for name in group}:
        if name not in joined:
            close = nearest(name, joined)
            hint = f": did you mean {close[0]}?" if close else f": choose from {', '.join(joined)}"
            raise UserError(f"shared_users names {name}, which is not among source_domains{hint}")
    return [locate(name, data_root(config)) for name in names]


def load_domains(config):
    """Reads the source domains of a configuration.

    RecBole's keys for filtering apply to each domain by itself.

    Args:
        config (Config): RecBole's configuration with ``source_domains`` and ``shared_users``.

    Returns:
        Domains: The merged data.

    Raises:
        UserError: A domain cannot be found or read, or has no user of two events.
    """
    locations = check_domains(config)
    return join_domains([read_domain(config, location) for location in locations], config["shared_users"])


class DomainEvents(NamedTuple):
    """The events of one domain, in the order of its file.

    Attributes:
        location (DatasetLocation): Where it lies.
        user_tokens (Sequence[str]): The user's id by number.
        item_tokens (Sequence[str]): The item's id by number, number 0 being padding.
        users (np.ndarray): User number of each event; shape [E].
        items (np.ndarray): Item number of each event; shape [E].
        times (np.ndarray): Time of each event; shape [E].
    """

    location: DatasetLocation
    user_tokens: Sequence
    item_tokens: Sequence
    users: np.ndarray
    items: np.ndarray
    times: np.ndarray


def read_domain(config, location):
    """Reads a dataset as one of several; RecBole's keys for filtering apply to it by itself.

    Args:
        config (Config): RecBole's configuration.
        location (DatasetLocation): Where the dataset lies.

    Returns:
        DomainEvents: Its events.

    Raises:
        UserError: It cannot be read.
    """
    dataset = SequenceDataset(derive(config, dataset=location.name))
    events, tokens = dataset.inter_feat, dataset.field2id_token
    columns = (events[field].to_numpy() for field in (dataset.uid_field, dataset.iid_field, dataset.time_field))
    return DomainEvents(location, tokens[dataset.uid_field], tokens[dataset.iid_field], *columns)


def join_domains(parts, shared_users):
    """Puts domains into one ID space, item after item in the order of the domains.

    Args:
        parts (list[DomainEvents]): The domains.
        shared_users (list[list[str]] | None): Names of domains whose user ids mean the same people: their events are
            merged in the order of time.

    Returns:
        Domains: The merged data.

    Raises:
        UserError: No user has two events.
    """
    domains, tokens, domain_of = [], ["[PAD]"], [np.array([-1])]
    items, times = [], []
    for number, part in enumerate(parts):
        items.append(part.items + len(tokens) - 1)
        times.append(part.times)
        own = part.item_tokens[1:]
        tokens.extend(own)
        domain_of.append(np.full(len(own), number))
        n_users = len(np.unique(part.users))
        name, hashes = part.location.name, content_hashes(part.location)
        domains.append(Domain(name, n_users, len(own), len(part.users), hashes))
    users = np.concatenate(number_users(parts, shared_users))
    # RecBole's padding user has a number here as well; its sequence is empty.
    sequences = Sequences.from_events(users, np.concatenate(items), np.concatenate(times))
    if int(sequences.lengths().max()) < 2:
        raise UserError(
            f"no user of {', '.join(domain.name for domain in domains)} has two events: nothing to train on"
        )
    return Domains(domains, sequences, tokens, np.concatenate(domain_of))


def number_users(parts, shared_users):
    """Numbers the users of several domains.

    Args:
        parts (list[DomainEvents]): The domains.
        shared_users (list[list[str]] | None): Names of domains whose user ids mean the same people.

    Returns:
        list[np.ndarray]: For each domain the user number of each of its events.
    """
    shared = {name: number for number, group in enumerate(shared_users or []) for name in group}
    found, numbers = [], {}
    for number, part in enumerate(parts):
        name = part.location.name
        scope = ("shared", shared[name]) if name in shared else ("domain", number)
        number_of = np.array([numbers.setdefault((scope, token), len(numbers)) for token in part.user_tokens])
        found.append(number_of[part.users])
    return found


def texts_by_domain(config, locations, item_domain, item_tokens):
    """Reads the texts of the items of several domains.

    Args:
        config (Config): With ``text_fields`` for the first domain, the target, ``source_text_fields`` for the others.
        locations (list[DatasetLocation]): Where the domains lie.
        item_domain (Sequence[int]): Number of each item's domain; length N.
        item_tokens (Sequence[str]): Id of each item in its domain; length N.

    Yields:
        tuple[DatasetLocation, str, np.ndarray, list[str]]: For each domain where it lies, the key that names its
        columns, the places of its items among the N, and their texts.
    """
    for number, location in enumerate(locations):
        key = "source_text_fields" if number else "text_fields"
        places = np.flatnonzero(np.asarray(item_domain) == number)
        texts = item_texts(config, location, config[key])
        yield location, key, places, texts.for_items([item_tokens[place] for place in places])


def content_hashes(location):
    """Returns the SHA-256 of a dataset's ``.inter`` and, where there is one, ``.item`` file."""
    files = {"inter": location.inter_file, "item": location.item_file}
    return {suffix: sha256_of_file(path) for suffix, path in files.items() if path is not None and path.is_file()}


def domain_texts(config, domains, locations):
    """Reads texts and titles of all items of the source domains.

    Args:
        config (Config): With ``source_text_fields`` and ``text_length``.
        domains (Domains): The merged data.
        locations (list[DatasetLocation]): Where each domain lies.

    Returns:
        tuple[list[str], list[str]]: Text and title of items 1 to N - 1.
    """
    texts, titles = [], []
    for number, location in enumerate(locations):
        tokens = [domains.item_tokens[item] for item in np.flatnonzero(domains.item_domain == number)]
        read = item_texts(config, location, config["source_text_fields"])
        texts += read.for_items(tokens)
        titles += [read.titles.get(token, "") for token in tokens]
    check_any_text(texts, ", ".join(location.name for location in locations), "source_text_fields")
    return texts, titles


def check_any_text(texts, name, key):
    """Checks that there is something to match by: single items without text are no harm.

    Args:
        texts (list[str]): Text of each item.
        name (str): Where the items are from.
        key (str): The key that names the columns.

    Raises:
        UserError: No item has a text.
    """
    if not any(texts):
        raise UserError(f"none of the {len(texts):,} items of {name} has a text to be matched by: see {key}")


def item_texts(config, location, fields):
    """Reads the item texts of one dataset and says how many items have none.

    Args:
        config (Config): With ``text_length``.
        location (DatasetLocation): Where the dataset lies.
        fields (list[str] | None): Columns to read.

    Returns:
        ItemTexts: Texts and titles by item id.

    Raises:
        UserError: The dataset has no ``.item`` file, or the file is wrong.
    """
    path = location.folder / f"{location.stem}.item"
    if not path.is_file():
        raise UserError(f"{location.name} has no item texts: {path} is missing, and matching needs one text an item")
    read = read_item_texts(
        path,
        fields,
        config["ITEM_ID_FIELD"],
        config["text_length"],
        config["field_separator"],
        config["encoding"] or "utf-8",
    )
    if read.without_text:
        logging.getLogger().warning(f"{location.name}: {read.without_text} items of {path} have no text")
    return read
