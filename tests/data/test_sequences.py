"""Flat sequences and the batches made from them."""

from itertools import combinations, pairwise

import pytest
import torch

from recbole_idp.data import rows
from recbole_idp.data.rows import PositionBatches, PrefixBatches, parts_of_like_length
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.testing import configured


def all_targets(sequences):
    """Returns every event but each user's first as a target."""
    starts = torch.repeat_interleave(sequences.offsets[:-1], sequences.lengths())
    index = torch.arange(sequences.n_events)
    return Targets(sequences, starts[index > starts], index[index > starts])


@pytest.fixture
def random_targets():
    """300 users of 2 to 80 events; each event is an item of its own, so that a mix-up shows."""
    lengths = torch.randint(2, 81, (300,), generator=torch.Generator().manual_seed(0))
    users = torch.repeat_interleave(torch.arange(300), lengths)
    return all_targets(Sequences.from_events(users, torch.arange(1, len(users) + 1)))


def test_events_are_sorted_by_user_and_time_and_ties_keep_the_given_order():
    sequences = Sequences.from_events([1, 0, 1, 1, 0], [10, 20, 30, 40, 50], [5.0, 2.0, 5.0, 1.0, 2.0])
    assert sequences.items.tolist() == [20, 50, 40, 10, 30]
    assert sequences.offsets.tolist() == [0, 2, 5]


def test_a_user_without_events_has_an_empty_sequence():
    assert Sequences.from_events([0, 2], [1, 2]).lengths().tolist() == [1, 0, 1]


def test_histories_are_the_latest_events_before_the_target():
    targets = all_targets(Sequences.from_events([0, 0, 0, 0, 1, 1], [1, 2, 3, 4, 5, 6]))
    items, lengths = targets.histories(torch.tensor([2, 3]), max_length=2)
    assert items.tolist() == [[2, 3], [5, 0]]
    assert lengths.tolist() == [2, 1]
    assert targets.items.tolist() == [2, 3, 4, 6]


def test_spans_join_neighbouring_targets_of_one_user_only():
    sequences = Sequences.from_events([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6])
    first, last = Targets(sequences, torch.tensor([0, 0, 3]), torch.tensor([1, 2, 4])).spans()
    assert first.tolist() == [1, 4]
    assert last.tolist() == [3, 5]


@pytest.mark.parametrize("rows", [PositionBatches, PrefixBatches])
def test_each_target_is_seen_once_an_epoch_after_the_event_before_it(random_targets, rows):
    batches = rows(random_targets, 50, 256, torch.Generator().manual_seed(1))
    for _ in range(3):
        seen = []
        for batch in batches:
            assert batch.n_targets == sum(int((targets > 0).sum()) for _, targets in batch.parts)
            for items, targets in batch.parts:
                here = targets > 0
                assert items.shape[1] <= 50
                # Items are numbered in the order of events, so the input before a target is the number before it.
                assert torch.equal(items[here] + 1, targets[here])
                seen.append(targets[here])
        assert torch.equal(torch.cat(seen).sort().values, random_targets.items)


@pytest.mark.parametrize("rows", [PositionBatches, PrefixBatches])
def test_rows_are_trimmed_and_padded_on_the_right(random_targets, rows):
    for batch in rows(random_targets, 50, 256, torch.Generator().manual_seed(1)):
        for items, _ in batch.parts:
            lengths = (items > 0).sum(1)
            assert int(lengths.max()) == items.shape[1]
            assert torch.equal(items > 0, torch.arange(items.shape[1]) < lengths.unsqueeze(1))


@pytest.mark.parametrize("at_most", [1, 2, 3, 8])
def test_no_other_parts_have_less_padding(monkeypatch, at_most):
    monkeypatch.setattr(rows, "PARTS", at_most)
    draw = torch.Generator().manual_seed(at_most)
    for _ in range(50):
        n_rows = int(torch.randint(1, 10, (), generator=draw))
        lengths = torch.randint(1, 7, (n_rows,), generator=draw)
        parts = parts_of_like_length(lengths)
        assert torch.cat(parts).tolist() == torch.argsort(lengths, stable=True).tolist()
        cells = sum(len(part) * int(lengths[part].max()) for part in parts)
        in_order = sorted(lengths.tolist())
        every = (cut for count in range(min(at_most, n_rows)) for cut in combinations(range(1, n_rows), count))
        least = min(sum((j - i) * in_order[j - 1] for i, j in pairwise((0, *cut, n_rows))) for cut in every)
        assert (cells, len(parts) <= at_most) == (least, True)


def test_batches_hold_about_the_wanted_number_of_targets(random_targets):
    sizes = [batch.n_targets for batch in PositionBatches(random_targets, 50, 1024, torch.Generator().manual_seed(1))]
    assert len(sizes) == pytest.approx(len(random_targets) / 1024, abs=1)
    assert max(sizes) < 1024 * 1.1 + 50


def test_the_same_seed_gives_the_same_batches(random_targets):
    def items(seed):
        return [b.parts[0][0] for b in PositionBatches(random_targets, 50, 512, torch.Generator().manual_seed(seed))]

    assert all(torch.equal(left, right) for left, right in zip(items(5), items(5), strict=True))
    assert not all(
        left.shape == right.shape and torch.equal(left, right) for left, right in zip(items(5), items(6), strict=False)
    )


def test_prefix_rows_are_those_of_recbole(domains):
    from recbole.data.dataset import SequentialDataset

    from recbole_idp.data.dataset import SequenceDataset

    config = configured(domains, "IDP", MAX_ITEM_LIST_LENGTH=4)
    config.final_config_dict["load_col"] = {"inter": ["user_id", "item_id", "timestamp"]}
    ours, theirs = SequenceDataset(config).build(), SequentialDataset(config).build()
    for own, other in zip(ours, theirs, strict=True):
        rows = own[torch.arange(len(own))]
        for field in ("user_id", "item_id", "item_length", "item_id_list"):
            assert torch.equal(rows[field], other.inter_feat[field])


def test_events_seconds_apart_are_told_apart(workplace):
    from recbole_idp.data.dataset import SequenceDataset

    rows = [f"u{user}\ti{step}\t{978300000 + step}" for user in range(3) for step in (4, 2, 0, 3, 1)]
    (workplace / "near").mkdir()
    header = "user_id:token\titem_id:token\ttimestamp:float"
    (workplace / "near" / "near.inter").write_text("\n".join([header, *rows]) + "\n")
    dataset = SequenceDataset(configured(workplace, "IDP", "near"))
    dataset.build()
    tokens = dataset.id2token("item_id", dataset.sequences.items)
    assert tokens.reshape(3, 5).tolist() == [[f"i{step}" for step in range(5)]] * 3
