"""Few-shot training: nested users, no leaked target, evaluation of everybody, and epochs that are long enough."""

import itertools
import random

import pytest
import torch
from recbole.data import create_dataset, data_preparation

from recbole_idp.data.few_shot import few_shot, few_shot_loader, training_users
from recbole_idp.data.rows import Passes, PositionBatches, PrefixBatches
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.models.base.sequence_model import target_counts
from recbole_idp.testing import configured

TOKENS = [f"user {number}" for number in range(1000)]
SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)


def loaders(folder, **changes):
    config = configured(folder, "IDP", **changes)
    return data_preparation(config, create_dataset(config))


def users_of(dataset):
    """Returns the ids of the users who have a target in a part of a dataset."""
    return set(dataset.field2id_token[dataset.uid_field][dataset.inter_feat[dataset.uid_field].unique()])


def events_of(targets):
    """Returns the flat indices of the targets."""
    return set(targets.ends.tolist())


def test_users_of_a_smaller_share_are_among_those_of_a_larger_one():
    chosen = [training_users(TOKENS, share, 7) for share in SHARES]
    assert [len(users) for users in chosen] == [50, 100, 200, 500, 1000]
    for smaller, larger in itertools.pairwise(chosen):
        assert set(smaller) < set(larger)


def test_the_choice_depends_on_the_seed_and_not_on_the_order_of_the_file():
    shuffled = random.Random(1).sample(TOKENS, len(TOKENS))
    assert training_users(shuffled, 0.1, 7) == training_users(TOKENS, 0.1, 7)
    other = set(training_users(TOKENS, 0.1, 8))
    assert other != set(training_users(TOKENS, 0.1, 7))
    # 10 of 100 are expected by chance, with a standard deviation of 3.
    assert len(other & set(training_users(TOKENS, 0.1, 7))) < 30


def test_one_user_is_left_of_the_smallest_share():
    assert len(training_users(TOKENS, 1e-9, 7)) == 1


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_targets_of_other_users_are_gone_and_histories_are_not(share, domains):
    train, valid, test = loaders(domains)
    narrow, narrow_valid, narrow_test = loaders(domains, train_users_share=share)
    everybody, kept = users_of(train.dataset), users_of(narrow.dataset)
    assert kept == set(training_users(list(everybody), share, 2020))
    assert len(kept) == round(share * len(everybody)) < len(everybody)

    # all targets of those who are kept, and none of the others
    users = train.dataset.inter_feat[train.dataset.uid_field]
    tokens = train.dataset.field2id_token[train.dataset.uid_field]
    of_kept = torch.tensor([tokens[user] in kept for user in users])
    assert events_of(narrow.dataset.targets()) == set(train.dataset.targets().ends[of_kept].tolist())

    for whole, same in ((valid, narrow_valid), (test, narrow_test)):
        before, after = whole.dataset.targets(), same.dataset.targets()
        rows = torch.arange(len(before))
        assert torch.equal(before.items, after.items)
        assert all(map(torch.equal, before.histories(rows, 10), after.histories(rows, 10)))

    counts = target_counts(narrow.dataset, narrow.dataset.item_num)
    assert torch.equal(counts, torch.bincount(narrow.dataset.targets().items, minlength=len(counts)).float())
    assert int(counts.sum()) == len(narrow.dataset.targets())


@pytest.mark.parametrize("rows", [PositionBatches, PrefixBatches])
def test_no_batch_has_a_target_of_another_user(rows, domains):
    train, _, test = loaders(domains, train_users_share=0.2)
    targets, sequences = train.dataset.targets(), train.dataset.sequences
    numbered = Sequences(torch.arange(1, sequences.n_events + 1), sequences.offsets)
    numbered_targets = Targets(numbered, targets.starts, targets.ends)
    seen = [
        batch_targets[batch_targets > 0]
        for batch in rows(numbered_targets, 10, 64, torch.Generator().manual_seed(1))
        for _, batch_targets in batch.parts
    ]
    assert set((torch.cat(seen) - 1).tolist()) == events_of(targets)
    assert not events_of(targets) & events_of(test.dataset.targets())


def test_a_loader_of_all_users_becomes_one_of_some(domains):
    train = loaders(domains)[0]
    narrow = few_shot_loader(train, 0.2, 2020)
    expected = loaders(domains, train_users_share=0.2)[0]
    assert torch.equal(narrow.dataset.targets().ends, expected.dataset.targets().ends)
    assert narrow.sample_size == expected.sample_size == len(narrow.dataset)
    assert few_shot(train.dataset, 1.0, 2020) is train.dataset


def test_the_choice_of_users_does_not_follow_the_seed_of_training(domains):
    kept = [users_of(loaders(domains, train_users_share=0.3, seed=seed)[0].dataset) for seed in (1, 2)]
    assert kept[0] == kept[1]
    assert users_of(loaders(domains, train_users_share=0.3, train_users_seed=1)[0].dataset) != kept[0]


@pytest.mark.parametrize(
    ("n_targets", "passes"),
    # 19 steps a pass are those of Amazon Office, 14 those of the target that RecBole's ml-100k is carved into.
    [(2 * 64, 10), (4 * 64, 5), (10 * 64, 2), (11 * 64, 1), (14 * 64, 1), (19 * 64, 1), (50 * 64, 1), (3, 20)],
)
def test_an_epoch_has_as_many_whole_passes_as_fit_in_its_steps(n_targets, passes):
    sequences = Sequences.from_events([*range(n_targets)] * 2, [1] * n_targets + [2] * n_targets)
    ends = sequences.offsets[1:] - 1
    batches = PositionBatches(Targets(sequences, ends - 1, ends), 50, 64, torch.Generator().manual_seed(1))
    epoch = Passes(batches, 20)
    sizes = [batch.n_targets for batch in epoch]
    assert sum(sizes) == passes * n_targets
    assert len(sizes) == len(epoch) == passes * len(batches)
    assert passes == 1 or len(sizes) <= 20
