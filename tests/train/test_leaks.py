"""Held-out events leave no trace in training: other test events, or other validation events, the same weights."""

import json

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from safetensors.torch import load_file

from recbole_idp.cli.main import main
from recbole_idp.config.strict import StrictConfig
from recbole_idp.recbole_models.choose import make_dataset, model_class, trainer_class
from recbole_idp.registry import GENERAL_MODELS, MODELS
from recbole_idp.report.result import read_result
from recbole_idp.testing.toy import settings, title, write_dataset
from tests.support.commands import options
from tests.support.precise import SMALL

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
ITEMS = 12
_SMALL = {"hidden_size": 16, "inner_size": 32}
RECBOLE_MODELS = {
    "GRU4Rec": {"hidden_size": 16, "embedding_size": 16},
    "SASRec": _SMALL,
    "BERT4Rec": _SMALL,
    "FDSA": {**_SMALL, "text_encoder": "lsa"},
    "Pop": {},
    "ItemKNN": {},
}
_KEYS = ("data_path", "checkpoint_dir", "result_dir", "epochs", "topk", "valid_metric", "threads", "state")
QUICK = ("PositionSASRec", "SASRec", "ItemKNN")
OWN = {
    "Conure": {"retrain_epochs": 1},
    # The toy text encoder has no layers to train.
    "Adapter4Rec": {"train_encoder": "none"},
    # The second stage starts from the model that validation has chosen.
    "Recformer": {"second_epochs": 0},
}
# The one trains nothing; the other reads pictures, of which these data have none, and is trained as MoRec is.
OMITTED = ("TextKNN", "PixelNet")
# A target whose users repeat items and whose events of the task are those with a high rating alone.
FILTERED = {"targeted_interval": {"rating": "[4,inf)"}}
PLAIN = {"targeted_interval": {}}


def events(draw, users=40):
    """Returns (user, item, rating) of made-up users; the first two have all items in training: IDs keep their order.

    Items repeat within a user, and every second event, the held-out ones included, is one of the task.
    """
    rows = [("u0", item, 5) for item in [*range(7), 0, 1, 2]]
    rows += [("u1", item, 5) for item in [*range(6, ITEMS), 6, 7, 8]]
    for user in range(2, users):
        length = int(draw.integers(8, 12))
        start = int(draw.integers(ITEMS))
        items = [(start + step) % 5 for step in range(length)]
        ratings = [5 if (length - step) % 2 or step >= length - 2 else 2 for step in range(length)]
        rows += [(f"u{user}", item, rating) for item, rating in zip(items, ratings, strict=True)]
    return rows


def changed(rows, place):
    """Returns the rows with other items at a place of each user, counted from the end.

    The new item is one that the user has had before, so that what tells events by user and item takes one for another.
    """
    last = {user: number for number, (user, _, _) in enumerate(rows)}
    out = list(rows)
    for user, number in last.items():
        _, item, rating = rows[number - place]
        before = [one for other, one, _ in rows if other == user and one != item]
        out[number - place] = (user, before[1], rating)
    return out


def write_target(folder, rows):
    """Writes the target ``shop`` with its texts."""
    (folder / "shop").mkdir()
    lines = ["user_id:token\titem_id:token\ttimestamp:float\trating:float"]
    lines += [f"{user}\ts{item}\t{step}\t{rating}" for step, (user, item, rating) in enumerate(rows)]
    (folder / "shop" / "shop.inter").write_text("\n".join(lines) + "\n")
    lines = ["item_id:token\ttitle:token_seq", *(f"s{item}\t{title(item)}" for item in range(ITEMS))]
    (folder / "shop" / "shop.item").write_text("\n".join(lines) + "\n")


def trained(folder, model, rows, **changes):
    """Trains a model on rows from nothing; returns its tensors by variant and name, and its test metrics."""
    folder.mkdir()
    write_dataset(folder, "pens", 40, prefix="p", seed=1)
    write_dataset(folder, "lamps", 30, prefix="l", seed=2)
    write_target(folder, rows)
    # One epoch: else validation events would decide, as they may, on the epoch that is kept.
    changes = {"epochs": 1, "pretrain_epochs": 1, "exclude_history": False, **changes}
    values = {**settings(folder, **changes), "model": model, "dataset": "shop"}
    if model in RECBOLE_MODELS:
        values = {key: values[key] for key in ("model", "dataset", *_KEYS)} | RECBOLE_MODELS[model]
    assert main(["run", *options(values)]) == 0
    (path,) = (folder / "results").glob("*.json")
    rows = read_result(path)["variants"]
    if model in GENERAL_MODELS:
        weights = {
            model: counted(model, {key: value for key, value in values.items() if key not in ("model", "dataset")})
        }
    else:
        weights = {row: load_file(one["runs"][0]["checkpoint"]) for row, one in rows.items()}
    return weights, {row: one["test"] for row, one in rows.items()}, {row: one["valid"] for row, one in rows.items()}


def counted(model, values):
    """Returns what a model that counts instead of learning has counted; it leaves no checkpoint."""
    config = StrictConfig(model, "shop", config_dict=values)
    train, valid, _ = data_preparation(config, make_dataset(config))
    made = model_class(config)(config, train.dataset)
    trainer_class(config)(config, made).fit(train, valid, verbose=False, saved=False)
    return {"counts": torch.from_numpy(made.pred_mat.toarray()) if model == "ItemKNN" else made.item_cnt}


def assert_equal(first, second):
    assert first.keys() == second.keys() and first
    for row, tensors in first.items():
        assert tensors.keys() == second[row].keys()
        differing = [name for name, tensor in tensors.items() if not torch.equal(tensor, second[row][name])]
        assert not differing, (row, differing)


CASES = [
    *(
        (model, OWN.get(model, {}))
        for model in (*MODELS, *RECBOLE_MODELS)
        if not model.startswith("PRECISE") and model not in OMITTED
    ),
    *((model, {**SMALL, **part}) for model in MODELS if model.startswith("PRECISE") for part in (FILTERED, PLAIN)),
]


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        pytest.param(
            model,
            changes,
            id=model
            + "-filtered" * (changes.get("targeted_interval") is not None and bool(changes["targeted_interval"])),
            marks=()
            if model in QUICK or (model == "PRECISE" and changes.get("targeted_interval"))
            else pytest.mark.slow,
        )
        for model, changes in CASES
    ],
)
def test_other_held_out_events_train_the_same_weights(model, changes, workplace):
    rows = events(np.random.default_rng(5))
    first, test, valid = trained(workplace / "first", model, rows, **changes)
    for name, place in (("test", 0), ("valid", 1)):
        other, other_test, other_valid = trained(workplace / name, model, changed(rows, place), **changes)
        assert_equal(first, other)
        # The events that were changed are indeed those that are evaluated.
        assert (other_test, other_valid) != (test, valid), json.dumps(test)
        if name == "test":
            assert other_valid == valid
