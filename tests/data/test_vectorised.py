"""RecBole's steps over columns: the results are RecBole's own, to the order of rows."""

import numpy as np
import pandas as pd
import pytest
import torch
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.data.vectorised import VectorisedSteps, leave_one_out_rows, taken
from recbole_idp.testing.toy import settings


class Steps(VectorisedSteps, Dataset):
    """A dataset with ours."""


def made(kind, seed, user_interval, item_interval, described):
    """Returns a dataset of drawn events whose files are read; the indices are those of the files."""
    random = np.random.default_rng(seed)
    events = pd.DataFrame({"u": random.integers(30, size=200), "i": random.zipf(1.5, 200) % 25}).astype(str)
    dataset = kind.__new__(kind)
    dataset.config = {"user_inter_num_interval": user_interval, "item_inter_num_interval": item_interval}
    dataset.uid_field, dataset.iid_field, dataset.inter_feat = "u", "i", events[random.random(200) < 0.9]
    ids = random.permutation(40).astype(str)
    dataset.user_feat = pd.DataFrame({"u": ids, "age": ids}) if described else None
    dataset.item_feat = pd.DataFrame({"i": ids[:20], "title": ids[:20]}) if described else None
    dataset.logger = __import__("logging").getLogger("test")
    return dataset


@pytest.mark.parametrize("described", [False, True])
@pytest.mark.parametrize(
    ("user_interval", "item_interval"),
    [
        ("[5,inf)", "[5,inf)"),
        ("[3,7)", None),
        (None, "(2,20]"),
        ("[0,inf)", "[0,inf)"),
        ("[1,inf)", "[1,inf)"),
        ("[2,4];[6,inf)", "[3,3];(5,50]"),
    ],
)
def test_users_and_items_are_filtered_as_recbole_does(user_interval, item_interval, described):
    for seed in range(5):
        ours, theirs = (made(kind, seed, user_interval, item_interval, described) for kind in (Steps, Dataset))
        for dataset in (ours, theirs):
            dataset._filter_by_inter_num()
        pd.testing.assert_frame_equal(ours.inter_feat, theirs.inter_feat)
        if described:
            pd.testing.assert_frame_equal(ours.user_feat, theirs.user_feat)
            pd.testing.assert_frame_equal(ours.item_feat, theirs.item_feat)


@pytest.mark.parametrize(("mode", "parts"), [("valid_and_test", (1, 2)), ("valid_only", (1,)), ("test_only", (2,))])
def test_rows_are_left_out_as_recbole_does(mode, parts, domains):
    dataset = SequenceDataset(StrictConfig("IDP", "shop", config_dict=settings(domains)))
    for seed in range(5):
        groups = np.random.default_rng(seed).integers(40, size=100)
        grouped = Dataset._grouped_index(dataset, groups)
        expected = Dataset._split_index_by_leave_one_out(dataset, grouped, len(parts))
        expected = {"valid_and_test": expected, "valid_only": [*expected, []]}.get(mode) or [
            expected[0],
            [],
            expected[1],
        ]
        assert [rows.tolist() for rows in leave_one_out_rows(groups, parts)] == expected


def test_a_whole_dataset_is_split_as_recbole_does(domains, monkeypatch):
    def parts():
        return SequenceDataset(StrictConfig("IDP", "shop", config_dict=settings(domains))).build()

    ours = parts()
    monkeypatch.setattr(VectorisedSteps, "leave_one_out", Dataset.leave_one_out)
    monkeypatch.setattr(VectorisedSteps, "_filter_by_inter_num", Dataset._filter_by_inter_num)
    for mine, theirs in zip(ours, parts(), strict=True):
        assert len(mine) > 0 and mine.inter_feat.interaction.keys() == theirs.inter_feat.interaction.keys()
        assert all(torch.equal(mine.inter_feat[name], theirs.inter_feat[name]) for name in mine.inter_feat.interaction)


def test_rows_are_taken_by_numbers_and_by_masks():
    rows = Interaction({"a": torch.arange(4), "b": torch.arange(8).view(4, 2)})
    for index in (torch.tensor([2, 0, 2]), torch.tensor([True, False, False, True])):
        for name, column in taken(rows, index).interaction.items():
            assert torch.equal(column, rows[index][name])
