"""Merge several datasets into one item space; users stay separate unless a configuration joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch

from recbole_idp.config.columns import USUAL_NAMES, following
from recbole_idp.config.derive import data_root, derive
from recbole_idp.data.atomic import FileFormat, read_header
from recbole_idp.data.catalog import DatasetLocation, locate
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.data.few_shot import training_users
from recbole_idp.data.keys import SourceSettings
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.errors import UserError, nearest

if TYPE_CHECKING:
    from recbole.config import Config


@dataclass(frozen=True)
class Domain:
    """Facts about one of the datasets.

    Attributes:
        name: The dataset's name.
        users: Users after the configured filters.
        items: Items after the configured filters.
        interactions: Events after the configured filters.
        sha256: Content hashes of its atomic files by suffix.
    """

    name: str
    users: int
    items: int
    interactions: int
    sha256: dict[str, str]


class Domains:
    """Source domains in one ID space, item 0 being padding (IDP, pre-training data: no alignment between domains).

    Attributes:
        domains: One entry for each dataset, in the given order.
        sequences: The events of all users.
        item_tokens: The id of each item in its own domain; length N.
        item_domain: Number of the item's domain, -1 for padding; shape [N].
    """

    def __init__(
        self, domains: list[Domain], sequences: Sequences, item_tokens: list[str], item_domain: np.ndarray
    ) -> None:
        self.domains, self.sequences = domains, sequences
        self.item_tokens, self.item_domain = item_tokens, item_domain

    def num(self, field: str) -> int:
        """Return the number of items, padding included. RecBole's models ask for no other field."""
        return len(self.item_tokens)

    @property
    def n_inputs(self) -> int:
        """The number of items that stand in histories, padding included."""
        return len(self.item_tokens)

    def split(self, n_valid_users: int, seed: int) -> tuple[TargetLoader, TargetLoader]:
        """Hold out the last event of some users.

        Args:
            n_valid_users: Number of users; at most half of those with three events or more are taken.
            seed: Seed of the choice.

        Returns:
            The targets of training, and those of validation.
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


class ItemSpace(Protocol):
    """The part of a dataset that gives the number of items."""

    @property
    def n_inputs(self) -> int:
        """The number of items that stand in histories, padding included."""

    def num(self, field: str) -> int:
        """Return the number of items, padding included."""


class TargetLoader:
    """Targets as a RecBole dataloader, with the attributes that a trainer reads.

    Args:
        dataset: What the targets are from.
        targets: The targets.

    Attributes:
        generator: None, as this loader draws no random numbers.
    """

    generator = None

    def __init__(self, dataset: ItemSpace, targets: Targets) -> None:
        self.dataset = _View(dataset, targets)
        self._dataset = self.dataset

    def __len__(self) -> int:
        return len(self.dataset.targets())


class _View:
    """A dataset with only some of its targets."""

    def __init__(self, dataset: ItemSpace, targets: Targets) -> None:
        self._whole, self._targets = dataset, targets

    def num(self, field: str) -> int:
        """Return the number of items."""
        return self._whole.num(field)

    @property
    def n_inputs(self) -> int:
        """The number of items that stand in histories, padding included."""
        return self._whole.n_inputs

    def targets(self) -> Targets:
        """Return the targets."""
        return self._targets

    def item_counts(self) -> np.ndarray:
        """Count the events of each item; int64, shape [N]."""
        return self._targets.item_counts(self.num("item_id"))


def source_locations(config: Config, with_target: bool = False) -> list[DatasetLocation]:
    """Check the source domains of a configuration, and find their files; see :func:`check_domains`."""
    return check_domains(SourceSettings.of(config), config["dataset"], data_root(config), with_target)


def check_domains(sources: SourceSettings, target: str, root: str, with_target: bool = False) -> list[DatasetLocation]:
    """Check the names of the source domains, and find their files.

    Args:
        sources: Their names, and those whose users are shared.
        target: Name of the target.
        root: Folder of all datasets.
        with_target: Whether the target is trained on together with them. Then the list of sources may be empty.

    Returns:
        The location of each source.

    Raises:
        UserError: No source is named, one is unknown or named twice, or the target is among them.
    """
    names = sources.source_domains
    if not names and not with_target:
        raise UserError("source_domains is empty: name at least one dataset to pre-train on")
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"source_domains names {name} twice: name each domain once")
    if target in names:
        raise UserError(f"{target} is the target and among source_domains: take it out of one of the two")
    joined = [*names, target]
    for name in {name for group in sources.shared_users for name in group}:
        if name not in joined:
            close = nearest(name, joined)
            hint = f": did you mean {close[0]}?" if close else f": choose from {', '.join(joined)}"
            raise UserError(f"shared_users names {name}, which is neither the target nor among source_domains{hint}")
    return [locate(name, root) for name in names]


def load_domains(config: Config) -> Domains:
    """Read the source domains of a configuration.

    RecBole's keys for filtering apply to each domain separately.

    Args:
        config: RecBole's configuration with ``source_domains`` and ``shared_users``.

    Returns:
        The merged data.

    Raises:
        UserError: A domain cannot be found or read, or has no user of two events.
    """
    return join_domains(source_events(config), config["shared_users"])


def source_events(config: Config, with_target: bool = False) -> list[DomainEvents]:
    """Read each source domain of a configuration, or the share of its users that ``source_share`` says.

    Args:
        config: RecBole's configuration with ``source_domains`` and ``source_share``.
        with_target: As of :func:`check_domains`.

    Returns:
        The events of each source.

    Raises:
        UserError: A domain cannot be found or read.
    """
    share = SourceSettings.of(config).source_share
    locations = source_locations(config, with_target)
    return [share_of_users(read_domain(config, location), share) for location in locations]


# Runs of several seeds pre-train on the same users.
_SHARE_SEED = 2020
_COLUMNS = ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD")


class DomainEvents(NamedTuple):
    """The events of one domain, in the order of its file.

    Attributes:
        location: Where its files are.
        user_tokens: Id of each user number.
        item_tokens: Id of each item number, number 0 being padding.
        users: User number of each event; shape [E].
        items: Item number of each event; shape [E].
        times: Time of each event; shape [E].
    """

    location: DatasetLocation
    user_tokens: Sequence[str]
    item_tokens: Sequence[str]
    users: np.ndarray
    items: np.ndarray
    times: np.ndarray


def read_domain(config: Config, location: DatasetLocation) -> DomainEvents:
    """Read a dataset as one of several; RecBole's keys for filtering apply to it separately.

    It is read whole: ``benchmark_filename`` is about the target, and so is its split. The keys that name columns are
    about the target as well where a source has RecBole's usual columns.

    Args:
        config: RecBole's configuration.
        location: Where the files of the dataset are.

    Returns:
        Its events.

    Raises:
        UserError: The dataset cannot be read.
    """
    columns = usual_columns(location, config["load_col"], {key: config[key] for key in _COLUMNS}, FileFormat.of(config))
    dataset = SequenceDataset(derive(config, dataset=location.name, benchmark_filename=None, **columns))
    return events_of(dataset, location)


def events_of(dataset: SequenceDataset, location: DatasetLocation) -> DomainEvents:
    """Return the events of a dataset that was read and not split yet.

    Args:
        dataset: The dataset.
        location: Where its files are.
    """
    events, tokens = dataset.inter_feat, dataset.field2id_token
    arrays = (events[field].to_numpy() for field in (dataset.uid_field, dataset.iid_field, dataset.time_field))
    return DomainEvents(location, tokens[dataset.uid_field], tokens[dataset.iid_field], *arrays)


def share_of_users(events: DomainEvents, share: float) -> DomainEvents:
    """Keep the events of some users, chosen by the hash of their ids, and the items that these have.

    Args:
        events: All events.
        share: The share of the users to keep.

    Returns:
        Their events, with new numbers of items; the events themselves if the share is 1.
    """
    if share == 1:
        return events
    tokens = np.asarray(events.user_tokens)
    users = np.unique(events.users)
    chosen = set(training_users(tokens[users].tolist(), share, _SHARE_SEED))
    kept = np.isin(events.users, users[[token in chosen for token in tokens[users].tolist()]])
    items, numbers = np.unique(events.items[kept], return_inverse=True)
    item_tokens = [events.item_tokens[0], *np.asarray(events.item_tokens)[items].tolist()]
    return events._replace(
        item_tokens=item_tokens, users=events.users[kept], items=numbers + 1, times=events.times[kept]
    )


def domain_facts(events: DomainEvents) -> Domain:
    """Return the facts about a domain that was read."""
    n_users, hashes = len(np.unique(events.users)), content_hashes(events.location)
    return Domain(events.location.name, n_users, len(events.item_tokens) - 1, len(events.users), hashes)


def usual_columns(
    location: DatasetLocation, load_col: Any, names: Mapping[str, str], file_format: FileFormat
) -> dict[str, Any]:
    """Return values of the keys that name columns, for a source that has RecBole's usual ones and not the target's.

    Args:
        location: Where the source lies.
        load_col: The columns to read of each file of the target.
        names: The target's column of users, of items and of times, by key.
        file_format: Format of the source's files.

    Returns:
        Values that replace the target's; none where the source has the target's columns.
    """
    usual = {key: USUAL_NAMES[key] for key in names}
    if names == usual:
        return {}
    header = read_header(location.inter_file, *file_format).keys()
    if header >= set(names.values()) or not header >= set(usual.values()):
        return {}
    return {**usual, "load_col": following(load_col, names, usual)}


def join_domains(parts: Sequence[DomainEvents], shared_users: Sequence[Sequence[str]] | None) -> Domains:
    """Merge domains into one ID space, in the order of the domains.

    Args:
        parts: The domains.
        shared_users: Groups of domains whose user ids mean the same people. Their events are merged in the order of
            time.

    Returns:
        The merged data.

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
        domains.append(domain_facts(part))
    users = np.concatenate(number_users(parts, shared_users))
    # RecBole's padding user has a number here as well; its sequence is empty.
    sequences = Sequences.from_events(users, np.concatenate(items), np.concatenate(times))
    if int(sequences.lengths().max()) < 2:
        raise UserError(
            f"no user of {', '.join(domain.name for domain in domains)} has two events: nothing to train on"
        )
    return Domains(domains, sequences, tokens, np.concatenate(domain_of))


def number_users(parts: Sequence[DomainEvents], shared_users: Sequence[Sequence[str]] | None) -> list[np.ndarray]:
    """Number the users of several domains.

    Args:
        parts: The domains.
        shared_users: Groups of domains whose user ids mean the same people.

    Returns:
        For each domain the user number of each event.
    """
    shared = {name: number for number, group in enumerate(shared_users or []) for name in group}
    found: list[np.ndarray] = []
    known: dict[int, dict[str, int]] = {}
    count = 0
    for part in parts:
        name = part.location.name
        if name in shared:
            numbers = known.setdefault(shared[name], {})
            # What is new gets the next numbers.
            count -= len(numbers)
            number_of = np.array([numbers.setdefault(token, count + len(numbers)) for token in part.user_tokens])
            count += len(numbers)
        else:
            # Each has a token of its own, and nobody else has it.
            number_of = np.arange(count, count + len(part.user_tokens))
            count += len(part.user_tokens)
        found.append(number_of[part.users])
    return found
