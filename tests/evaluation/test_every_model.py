"""Every metric for every model: measured, written as a number, read again and shown."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.utils import init_seed
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error, roc_auc_score

from recbole_idp import registry
from recbole_idp.config.strict import StrictConfig
from recbole_idp.errors import UserError
from recbole_idp.evaluation.candidates import drawing
from recbole_idp.evaluation.metrics import METRICS, Basis, measured
from recbole_idp.recbole_models.choose import make_dataset, model_class, trainer_class
from recbole_idp.report.result import markdown_table, read_ranks, read_result
from recbole_idp.run.run import run
from recbole_idp.testing.toy import settings, write_dataset, write_domains
from tests.support.pictures import add_pictures, write_vit
from tests.support.precise import SMALL

RANKING = [metric.name for metric in METRICS.values() if metric.basis not in (Basis.LABELS, Basis.CLASSES)]
COMPARING = [metric.name for metric in METRICS.values() if metric.basis is Basis.LABELS]
# There are 12 items: the last cut-off is beyond the catalogue.
RANKED = {"metrics": RANKING, "topk": [1, 3, 20], "valid_metric": "GiniIndex@2"}
COMPARED = {"metrics": COMPARING, "valid_metric": "LogLoss", "eval_args": {"mode": "uni5"}, "exclude_history": False}
RECBOLES = ("GRU4Rec", "SASRec", "BERT4Rec", "FDSA", "Pop", "ItemKNN")
QUICK = ("PositionSASRec", "SASRec", "Pop", "ItemKNN")
MODELS = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in (*registry.MODELS, *RECBOLES)
]


@pytest.fixture
def domains(workplace):
    """Writes the toy domains, the target with more items than a history has: BERT4Rec draws negatives for each."""
    folder = write_domains(workplace / "data")
    shutil.rmtree(folder / "shop")
    write_dataset(folder, "shop", 30, n_items=12, prefix="s", seed=3)
    return folder


def needs_of(folder, model):
    """Returns the keys of what a model cannot be without, and writes pictures and their encoder for PixelNet."""
    if model == "PixelNet":
        add_pictures(folder, "shop")
        return {"image_encoder": write_vit(folder / "vit")}
    # The toy text encoder has no layers to train.
    return {"train_encoder": "none"} if model == "Adapter4Rec" else {}


def configured(folder, model, **changes):
    """Configures a model at a small size, with the one variant that it is used by."""
    known = StrictConfig(model, "ml-100k").final_config_dict
    variants = {"variants": [known["transfer"]]} if known.get("transfer") else {}
    given = {**settings(folder, epochs=1), **SMALL, **variants, **needs_of(folder, model), **changes}
    return StrictConfig(model, "shop", config_dict={key: value for key, value in given.items() if key in known})


def make_parts(config):
    return data_preparation(config, make_dataset(config))


def saved(folder, config):
    """Runs, and reads the result from its file."""
    run(config)
    (path,) = (folder / "results").glob("*.json")
    return read_result(path), path


def check(result, path, config):
    """Each metric is a finite number in the file, and a column of the table."""
    keys = [key.text for key in measured(config["metrics"], config["topk"], config["valid_metric"])]
    for row in result["variants"].values():
        assert list(row["test"]) == list(row["valid"]) == keys
        assert all(isinstance(value, (int, float)) and math.isfinite(value) for value in row["test"].values())
    head = markdown_table(result).splitlines()[0]
    assert [name.strip() for name in head.split("|")[2:-2]] == keys
    assert "NaN" not in json.dumps(result)
    assert (read_ranks(path) is None) == (config["metrics"] == COMPARING)


@pytest.mark.parametrize("model", MODELS)
def test_every_ranking_metric_of_every_model(domains, model):
    config = configured(domains, model, **RANKED)
    result, path = saved(domains, config)
    check(result, path, config)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["IDP", "PRECISE_TT", "MoRec", "SASRec", "BERT4Rec", "Pop", "ItemKNN"])
def test_every_ranking_metric_among_drawn_candidates(domains, model):
    config = configured(domains, model, **RANKED, eval_args={"mode": "uni5"})
    result, path = saved(domains, config)
    check(result, path, config)


@pytest.mark.parametrize("model", MODELS)
def test_every_metric_of_scores_and_labels_of_every_model(domains, model):
    config = configured(domains, model, **COMPARED)
    result, path = saved(domains, config)
    check(result, path, config)


@pytest.mark.parametrize("changes", [RANKED, pytest.param(COMPARED, marks=pytest.mark.slow)])
def test_recboles_own_loop_measures_them_too(domains, changes):
    config = configured(domains, "SASRec", exact_recbole=True, **changes)
    result, path = saved(domains, config)
    check(result, path, config)


@pytest.mark.parametrize("model", ["SASRec", "Pop"])
def test_scores_and_labels_agree_with_scikit_learn(domains, model):
    config = configured(domains, model, **COMPARED, metric_decimal_place=10)
    train, _, test = make_parts(config)
    init_seed(1, True)
    trainer = trainer_class(config)(config, model_class(config)(config, train.dataset))
    trainer.fit(train, None, saved=False, verbose=False)
    found = trainer.evaluate(test, load_best_model=False)
    trainer.model.eval()
    with drawing(config["train_users_seed"]), torch.no_grad():
        rows = [rows for rows, *_ in test]
        scores = np.concatenate([trainer.model.predict(part).numpy() for part in rows]).astype(float)
    labels = np.concatenate([part[config["LABEL_FIELD"]].numpy() for part in rows])
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)
    assert found["mae"] == pytest.approx(mean_absolute_error(labels, scores), rel=1e-5)
    assert found["rmse"] == pytest.approx(math.sqrt(mean_squared_error(labels, scores)), rel=1e-5)
    assert found["logloss"] == pytest.approx(log_loss(labels, np.clip(scores, 1e-15, 1 - 1e-15)), rel=1e-4)


def test_lists_and_popularity_of_pop_are_counted_on_all_training_events(domains):
    config = configured(domains, "Pop", metrics=["AveragePopularity", "NDCG"], topk=[1, 20], valid_metric="NDCG@1")
    train, _, test = make_parts(config)
    trainer = trainer_class(config)(config, model_class(config)(config, train.dataset))
    trainer.fit(train, None, saved=False, verbose=False)
    found = trainer.evaluate(test, load_best_model=False)
    counts = train.dataset.item_counts()
    assert counts.sum() == len(train.dataset)
    means = {1: [], 20: []}
    for _, (users, items), targets, _ in test:
        for user in range(len(targets)):
            # The user's other items are no candidates, so that lists are short.
            excluded = set(items[users == user].tolist())
            shown = sorted((i for i in range(1, len(counts)) if i not in excluded), key=lambda i: (-counts[i], i))
            for k, values in means.items():
                values.append(np.mean([counts[item] for item in shown[:k]]))
    for k, values in means.items():
        assert found[f"averagepopularity@{k}"] == pytest.approx(np.mean(values), abs=1e-4)


def with_labels(folder, labels):
    """Adds a column of labels to the events of the shop, and returns the keys that read it."""
    path = folder / "shop" / "shop.inter"
    head, *lines = path.read_text().splitlines()
    rows = [f"{line}\t{labels[number % len(labels)]}" for number, line in enumerate(lines)]
    path.write_text("\n".join([f"{head}\tlabel:float", *rows]) + "\n")
    return {"load_col": {"inter": ["user_id", "item_id", "timestamp", "label"]}, "eval_args": {"mode": "labeled"}}


@pytest.mark.parametrize("model", ["PositionSASRec", "Pop", pytest.param("SASRec", marks=pytest.mark.slow)])
def test_labels_of_the_data_are_compared(domains, model):
    config = configured(domains, model, **{**COMPARED, **with_labels(domains, "0100110")})
    result, path = saved(domains, config)
    check(result, path, config)


@pytest.mark.parametrize(
    ("model", "exact"), [("PositionSASRec", False), ("SASRec", False), ("SASRec", True), ("Pop", False)]
)
def test_labels_that_are_missing_or_all_the_same_are_said_before_training(domains, model, exact):
    changes = {**COMPARED, "eval_args": {"mode": "labeled"}, "exact_recbole": exact}
    with pytest.raises(UserError, match=r"--load_col=.*label"):
        make_parts(configured(domains, model, **changes))
    changes |= with_labels(domains, "1")
    with pytest.raises(UserError, match="AUC has no value on the valid events of shop"):
        make_parts(configured(domains, model, **changes))


def test_scores_that_are_made_infinite_are_not_compared_with_labels(domains):
    with pytest.raises(UserError, match="--exclude_history=false"):
        configured(domains, "PositionSASRec", **{**COMPARED, "exclude_history": True})
