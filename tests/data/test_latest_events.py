"""The latest events of each user alone, after the filters: what is earlier is not there at all."""

import pytest
from recbole.data import create_dataset, data_preparation

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.domains import load_domains
from recbole_idp.recbole_models.choose import make_dataset
from recbole_idp.testing import configured
from tests.support.commands import refusal

# User b has four events; c's events are written in the wrong order, and two have one time.
EVENTS = {
    "a": [("x1", 1), ("x2", 2), ("x3", 3), ("x4", 4), ("x5", 5), ("x6", 6)],
    "b": [("x1", 1), ("x2", 2), ("x3", 3), ("x9", 4)],
    "c": [("x5", 9), ("x3", 1), ("x4", 2), ("x2", 2), ("x6", 10), ("x7", 0)],
}


@pytest.fixture
def data(tmp_path):
    (tmp_path / "few").mkdir()
    rows = [f"{user}\t{item}\t{time}\n" for user, events in EVENTS.items() for item, time in events]
    (tmp_path / "few" / "few.inter").write_text("".join(["user_id:token\titem_id:token\ttimestamp:float\n", *rows]))
    return tmp_path


def parts(folder, model, **changes):
    config = configured(folder, model, "few", **changes)
    return [loader.dataset for loader in data_preparation(config, create_dataset(config))]


def histories(dataset):
    """Returns the items of each user."""
    tokens, users = dataset.field2id_token[dataset.iid_field], dataset.field2id_token[dataset.uid_field]
    items, offsets = dataset.user_histories().items, dataset.user_histories().offsets.tolist()
    found = {users[n]: [tokens[i] for i in items[offsets[n] : offsets[n + 1]]] for n in range(len(offsets) - 1)}
    return {user: items for user, items in found.items() if items}


CHANGES = {"user_inter_num_interval": "[5,inf)", "latest_events": 4}


def test_the_latest_events_of_users_with_enough(data):
    train, _, test = parts(data, "PositionSASRec", **CHANGES)
    assert histories(train) == {"a": ["x3", "x4", "x5", "x6"], "c": ["x4", "x2", "x5", "x6"]}
    # Items that are left without an event are no candidates; number 0 is padding.
    assert sorted(test.field2id_token[test.iid_field][1:]) == ["x2", "x3", "x4", "x5", "x6"]
    whole, *_ = parts(data, "PositionSASRec")
    assert {user: len(items) for user, items in histories(whole).items()} == {"a": 6, "b": 4, "c": 6}


def test_models_that_ignore_the_order_are_tested_on_the_same_events(data):
    ours = parts(data, "PositionSASRec", **CHANGES)
    config = StrictConfig("Pop", "few", config_dict={"data_path": str(data), **CHANGES})
    theirs = [loader.dataset for loader in data_preparation(config, make_dataset(config))]
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        assert one.inter_feat["item_id"].tolist() == other.inter_feat["item_id"].tolist()
    assert theirs[0].item_counts().sum() == 4


def test_source_domains_are_cut_as_well(domains):
    whole = load_domains(configured(domains, "IDP"))
    cut = load_domains(configured(domains, "IDP", latest_events=3))
    assert whole.sequences.lengths().max() > 3 and set(cut.sequences.lengths().tolist()) - {0} == {3}


def test_results_with_and_without_are_not_compared(data):
    from recbole_idp.run.prepare import data_fingerprint

    found = set()
    for changes in ({}, {"latest_events": 4}, {"latest_events": 5}):
        config = configured(data, "PositionSASRec", "few", **changes)
        found.add(data_fingerprint(create_dataset(config)))
    assert len(found) == 3


def test_given_histories_cannot_be_cut(data):
    header, row = "user_id:token\titem_id_list:token_seq\titem_id:token\n", "a\tx1 x2\tx3\n"
    for part in ("train", "valid", "test"):
        (data / "few" / f"few.{part}.inter").write_text(header + row)
    line = refusal(parts, data, "PositionSASRec", benchmark_filename=["train", "valid", "test"], latest_events=2)
    assert "latest_events cannot filter the rows of few.train.inter" in line
