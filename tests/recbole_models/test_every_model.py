"""Every model that is listed is trained, evaluated and reported; features of items are read."""

import json

import numpy as np
import pytest

from recbole_idp import registry
from recbole_idp.cli.main import main
from recbole_idp.config.declarations import model_settings
from recbole_idp.config.strict import StrictConfig
from recbole_idp.config.support import FEATURE_MODELS, ONE_LOSS
from recbole_idp.recbole_models.choose import make_dataset
from recbole_idp.testing.toy import settings, write_dataset
from tests.support.commands import options, refused

N_ITEMS = 30
MODELS = [*registry.recbole_models(), *registry.GENERAL_MODELS]
NEEDED = {
    "FEARec": {"n_layers": 2},
    "GRU4RecCPR": {"reranker_CAN_NUM": "10"},
    "SASRecCPR": {"reranker_CAN_NUM": "10"},
}
"""What models need for a tiny dataset, and for one layer."""


@pytest.fixture
def shop(workplace):
    """Writes a dataset with features of items; returns its folder."""
    folder = workplace / "data"
    write_dataset(folder, "shop", 30, n_items=N_ITEMS)
    path = folder / "shop" / "shop.item"
    header, *rows = path.read_text().splitlines()
    lines = [f"{header}\tclass:token_seq\tprice:float\tbrand:token\tvector:float_seq"]
    for item, row in enumerate(rows):
        lines.append(f"{row}\t{'a b' if item % 2 else 'c'}\t{item}.5\tbrand{item % 3}\t0.5 0.25")
    path.write_text("\n".join(lines) + "\n")
    return folder


def command(shop, model, **changes):
    """Returns the command that trains a model for an epoch."""
    known = model_settings(model, "shop")
    given = {**settings(shop), "epochs": 1, "state": "ERROR", **NEEDED.get(model, {})}
    return [
        "run",
        *options({"model": model, "dataset": "shop", **{k: v for k, v in given.items() if k in known}, **changes}),
    ]


def trained(shop, model, **changes):
    """Trains a model for an epoch; returns the figures of the test."""
    assert main(command(shop, model, **changes)) == 0
    (path,) = (shop / "results").glob("*.json")
    result = json.loads(path.read_text())
    path.unlink()
    return result["variants"][model]["test"]


def finite(figures):
    return figures and all(np.isfinite(value) for value in figures.values())


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_listed_model_is_trained(model, shop):
    assert finite(trained(shop, model))


@pytest.mark.slow
@pytest.mark.parametrize("model", [name for name in MODELS if name in registry.FAST_MODELS])
def test_every_fast_model_is_trained_by_recboles_loop(model, shop):
    assert finite(trained(shop, model, exact_recbole=True))


@pytest.mark.slow
@pytest.mark.parametrize("model", [name for name in registry.recbole_models() if "BPR" in ONE_LOSS.get(name, ("BPR",))])
def test_bpr_gets_its_negatives(model, shop):
    for exact in (False, True) if model in registry.FAST_MODELS else (False,):
        assert finite(trained(shop, model, loss_type="BPR", exact_recbole=exact))


@pytest.mark.parametrize("model", ["SASRecF", "FDSA"])
def test_own_features_of_items_are_read(model, shop):
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "class", "brand"]}
    assert finite(trained(shop, model, load_col=columns, selected_features=["class", "brand"]))


FEATURES = [
    {"selected_features": ["brand"]},
    {"selected_features": ["class", "words"]},
    {"selected_features": ["class"], "seq_len": {"class": 1}},
    {"selected_features": ["price"], "numerical_features": ["price"]},
    {"selected_features": ["price"], "numerical_features": ["price"], "normalize_field": ["price"]},
    {"selected_features": ["brand", "price"], "numerical_features": ["price"], "normalize_all": True},
    {
        "selected_features": ["price"],
        "numerical_features": ["price"],
        "discretization": {"price": {"method": "ED", "bucket": 3}},
    },
]


@pytest.mark.slow
@pytest.mark.parametrize("given", FEATURES, ids=lambda given: "-".join(given))
@pytest.mark.parametrize("model", ["FDSA", "GRU4RecF", "SASRecF"])
def test_features_of_each_kind_are_read(model, given, shop):
    for exact in (False, True) if model in registry.FAST_MODELS else (False,):
        assert finite(trained(shop, model, exact_recbole=exact, **given))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["DIN", "DIEN"])
def test_models_of_all_features_read_the_loaded_ones(model, shop):
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "class", "brand", "price"]}
    assert finite(trained(shop, model, load_col=columns, numerical_features=["price"]))


def dataset(shop, **changes):
    given = {**settings(shop), **changes}
    known = model_settings("SASRecF", "shop")
    return make_dataset(StrictConfig("SASRecF", "shop", config_dict={k: v for k, v in given.items() if k in known}))


def test_a_feature_holds_what_the_file_says(shop):
    found = dataset(shop, selected_features=["class", "brand", "words"])
    tokens = found.field2id_token
    for item in (1, 2, 3):
        number = int(tokens["item_id"][item].removeprefix("i"))
        row = found.item_feat.iloc[item]
        assert tokens["brand"][int(row["brand"])] == f"brand{number % 3}"
        assert [tokens["class"][token] for token in row["class"] if token] == (["a", "b"] if number % 2 else ["c"])
        assert np.count_nonzero(row["words"]) >= 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"selected_features": ["colour"]}, "shop.item has no column 'colour'"),
        ({"selected_features": ["price"]}, "name it in numerical_features as well"),
        ({"selected_features": ["vector"]}, "a list of numbers, which no model reads"),
        ({"selected_features": ["timestamp"]}, "shop.item has no column 'timestamp'"),
        ({"selected_features": []}, "selected_features is empty"),
    ],
)
def test_features_that_cannot_be_read_are_refused_before_training(changes, says, shop, capsys):
    assert says in refused(capsys, command(shop, "SASRecF", **changes))


@pytest.mark.parametrize(
    ("model", "changes", "says"),
    [
        ("SASRecCPR", {"reranker_CAN_NUM": "100"}, f"reranker_CAN_NUM is 100, but shop has {N_ITEMS} items"),
        ("GRU4RecCPR", {"reranker_CAN_NUM": "many"}, "write whole numbers"),
        ("S3Rec", {}, "pickle"),
        ("SASRec", {"nproc": 2}, "a run uses one process"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_training(model, changes, says, shop, capsys):
    assert says in refused(capsys, command(shop, model, **changes))
    assert not list(shop.parent.rglob("*.safetensors"))


def test_a_history_with_every_item_is_refused_where_negatives_are_drawn_for_it(workplace, capsys):
    folder = workplace / "data"
    write_dataset(folder, "shop", 10, n_items=4)
    assert "has all its 4 items, so that BERT4Rec finds no negative" in refused(capsys, command(folder, "BERT4Rec"))


def test_a_tested_history_with_every_item_is_refused_where_candidates_are_drawn(workplace, capsys):
    # The histories of the training lack an item, those of the test have all eight.
    folder = workplace / "data"
    write_dataset(folder, "shop", 30)
    lines = refused(capsys, command(folder, "BERT4Rec", eval_args={"mode": "uni5"}))
    assert "has all its 8 items, so that BERT4Rec finds no negative" in lines


def test_feature_models_are_listed(capsys):
    assert main(["models"]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert set(FEATURE_MODELS) <= listed and not set(registry.REFUSED_MODELS) & listed
