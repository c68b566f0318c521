"""What PRECISE's universal training reads: all behaviour of the target's users before what is held out, and sources."""

import numpy as np
import torch

from recbole_idp.data.domains import check_domains, join_domains, read_domain
from recbole_idp.models.precise.targeted_data import targeted_config


def load_universal(config, dataset):
    """Joins the target's events and those of the source domains (arXiv 2412.06308, universal sequences).

    Of the target every event counts, also those that ``targeted_interval`` leaves out, up to each user's last event
    that may be trained on. What is validated or tested on, and all that the user did after it in the target, is not
    there; nor are users without any training event. The sources are whole.

    Args:
        config (Config): RecBole's configuration with ``source_domains`` and ``shared_users``.
        dataset (SequenceDataset): The training part of the target.

    Returns:
        Domains: The target first; its items 1 to N - 1 have the numbers that they have in ``dataset``, then follow its
        other items, and those of the sources.

    Raises:
        UserError: A source is wrong, or there is nothing to train on.
    """
    sources = check_domains(config, with_target=True)
    target = _renumbered(read_domain(config, dataset.location), dataset.item_tokens())
    order = np.lexsort((target.times, target.users))
    target = _picked(target, order)
    before = _before_position if targeted_config(config) is config else _before_held_out
    kept = before(target, dataset)
    parts = [_picked(target, np.flatnonzero(kept)), *(read_domain(config, location) for location in sources)]
    return join_domains(parts, config["shared_users"])


def _renumbered(events, first_tokens):
    """Returns events whose items have the numbers of ``first_tokens``, others following."""
    number_of = {token: number for number, token in enumerate(first_tokens)}
    for token in events.item_tokens[1:]:
        number_of.setdefault(token, len(number_of))
    numbers = np.array([0, *(number_of[token] for token in events.item_tokens[1:])])
    return events._replace(item_tokens=list(number_of), items=numbers[events.items])


def _picked(events, index):
    """Returns some of the events."""
    return events._replace(users=events.users[index], items=events.items[index], times=events.times[index])


def _trained_lengths(dataset):
    """Returns how many of each user's events, the first ones, may be trained on; shape [U]."""
    targets = dataset.targets()
    users = torch.bucketize(targets.ends, dataset.sequences.offsets, right=True) - 1
    lengths = torch.zeros(len(dataset.sequences.offsets) - 1, dtype=torch.long)
    seen = targets.ends + 1 - dataset.sequences.offsets[users]
    return lengths.scatter_reduce(0, users, seen, "amax").numpy()


def _by_token(values, dataset, user_tokens):
    """Returns a value of each of the dataset's users in the order of other user numbers, 0 for those it lacks."""
    tokens = dataset.field2id_token[dataset.uid_field]
    value_of = dict(zip(tokens, [*values, *[0] * (len(tokens) - len(values))], strict=True))
    return np.array([value_of.get(token, 0) for token in user_tokens])


def _before_position(events, dataset):
    """Tells which events may be trained on, where the dataset has the same events in the same order; shape [E]."""
    lengths = _by_token(_trained_lengths(dataset), dataset, events.user_tokens)
    return _positions(events.users) < lengths[events.users]


def _before_held_out(events, dataset):
    """Tells which events stand before the first one that is held out, where the dataset has some of them; shape [E].

    An event is told by user and item: where one was there before as well, more is left out than had to be.
    """
    lengths, sequences = _trained_lengths(dataset), dataset.sequences
    own = np.repeat(np.arange(len(lengths)), sequences.lengths().numpy())
    held = _positions(own) >= lengths[own]
    tokens = dataset.field2id_token[dataset.uid_field]
    number_of = {token: number for number, token in enumerate(events.user_tokens)}
    number = np.array([number_of[token] for token in tokens[: len(lengths)]])
    pairs = number[own[held]] * len(events.item_tokens) + sequences.items.numpy()[held]
    is_held = np.isin(events.users * len(events.item_tokens) + events.items, pairs)
    first = np.full(len(events.user_tokens), len(events.users))
    places = np.flatnonzero(is_held)
    np.minimum.at(first, events.users[places], places)
    trained = _by_token(lengths, dataset, events.user_tokens) > 0
    return (np.arange(len(events.users)) < first[events.users]) & trained[events.users]


def _positions(users):
    """Returns the position of each event among those of its user, which stand together; shape [E]."""
    starts = np.flatnonzero(np.r_[True, users[1:] != users[:-1]]) if len(users) else np.zeros(0, dtype=int)
    lengths = np.diff(np.r_[starts, len(users)])
    return np.arange(len(users)) - np.repeat(starts, lengths)
