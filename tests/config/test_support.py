"""The table of RecBole's keys: each works with a model, or is refused in one line before training."""

import functools
import importlib.util
import sys
import types

import pytest
import yaml

from recbole_idp import compat, registry
from recbole_idp.config.checks import check_layer
from recbole_idp.config.declarations import model_settings
from recbole_idp.config.layers import CONFIG_DICT, Layer, recbole_layers
from recbole_idp.config.model_defaults import model_layers
from recbole_idp.config.recbole_keys import RecBoleSettings
from recbole_idp.config.resolve import resolve, user_layers
from recbole_idp.config.setting import declared_by
from recbole_idp.config.support import (
    FEATURE_MODELS,
    ONE_LOSS,
    RENAMED,
    SUPPORT,
    TRANSFORMED,
    WITHOUT_LOSS,
    Training,
    check_supported,
    training_of,
)
from tests.support.commands import printed, refusal

SEQUENTIAL = [*registry.models(), *registry.recbole_models()]
EVERY = [*SEQUENTIAL, *registry.GENERAL_MODELS]
NEGATIVES = {"distribution": "popularity", "sample_num": 2}

# Another value than the default, for each key whose default tells none that is valid.
OTHERS = {
    "model": None,  # another model has other keys
    "reg_weight": 0.25,
    "dataset": "another",
    "loss_type": "BPR",
    "transform": "mask_itemseq",
    "train_neg_sample_args": NEGATIVES,
    "clip_grad_norm": {"max_norm": 5},
    "eval_args": {"mode": "uni10"},
    "metrics": ["NDCG", "Hit"],
    "topk": [10, 7],
    "valid_metric": "NDCG@5",
    "learner": "sgd",
    "state": "ERROR",
    "encoding": "latin-1",
    "field_separator": ",",
    "seq_separator": ",",
    "gpu_id": "1",
    "seed": 1,
    "load_col": {"inter": ["user_id", "item_id", "timestamp", "rating"]},
    "unload_col": {"inter": ["rating"]},
    "unused_col": {"inter": ["rating"]},
    "benchmark_filename": ["train", "valid", "test"],
    "alias_of_user_id": ["other"],
    "alias_of_item_id": ["other"],
    "alias_of_entity_id": ["other"],
    "alias_of_relation_id": ["other"],
    "additional_feat_suffix": ["ent"],
    "threshold": {"rating": 3},
    "preload_weight": {"item_id": "vector"},
    "rm_dup_inter": "first",
    "val_interval": {"rating": "[3,inf)"},
    "user_inter_num_interval": "[5,inf)",
    "item_inter_num_interval": "[5,inf)",
    "entity_kg_num_interval": "[5,inf)",
    "relation_kg_num_interval": "[5,inf)",
    "selected_features": ["brand"],
    "seq_len": {"brand": 3},
    "numerical_features": ["price"],
    "discretization": {"price": {"method": "ED", "bucket": 3}},
    "normalize_field": ["price"],
    "normalize_all": True,
    "save_dataset": True,
    "save_dataloaders": True,
    "dataset_save_path": "file.pth",
    "dataloaders_save_path": "file.pth",
    "mask_ratio": 0.3,
    "ft_ratio": 0.3,
    "eta": 0.3,
    "tail_ratio": 0.3,
}


def recboles_keys():
    """Returns every key of RecBole's YAML files for all models, of its data and of its quick starts."""
    folder = compat.recbole_folder() / "properties"
    files = [folder / "overall.yaml", folder / "dataset" / "sample.yaml", folder / "dataset" / "ml-100k.yaml"]
    files += sorted((folder / "quick_start_config").glob("*.yaml"))
    return {key for file in files for key in yaml.safe_load(file.read_text(encoding="utf-8"))}


@functools.cache
def below(model):
    """Returns the defaults of a model by key."""
    values = {}
    for layer in recbole_layers(model, "any") + model_layers(model, "any"):
        values.update(layer.values)
    return values


def other(key, default):
    """Returns another value of a key than its default."""
    if key in OTHERS:
        return OTHERS[key]
    if default is None:
        return 1
    if isinstance(default, bool):
        return not default
    if isinstance(default, (int, float)):
        return default + 1
    return "another"


def accepted(name, **values):
    return resolve(user_layers(config_dict=values), name, "any").values


def test_the_table_names_every_key_that_recbole_has_for_all_models():
    assert recboles_keys() - SUPPORT.keys() == set()
    assert set(declared_by(RecBoleSettings)) - SUPPORT.keys() == set()


def test_the_table_names_no_key_that_no_model_knows():
    known = {key for model in EVERY for key in model_settings(model, "any")}
    assert SUPPORT.keys() - known == set()
    assert set(RENAMED.values()) <= known
    assert not RENAMED.keys() & known


class Checks:
    """What a configuration of a model checks of one layer of values, without reading the YAML files again.

    Attributes:
        defaults (dict[str, object]): The model's defaults.
        settings (dict[str, Setting]): The model's keys.
    """

    def __init__(self, model):
        self.model, self.defaults, self.settings = model, below(model), model_settings(model, "any")

    def __call__(self, **given):
        layer = Layer(CONFIG_DICT, given)
        layer = layer._replace(values=check_layer(layer, self.settings))
        check_supported(self.model, [layer], {**self.defaults, **layer.values}, self.defaults)
        return layer.values


# What else has to be given with a key.
BESIDE = {"alias_of_item_id": {"benchmark_filename": ["train", "valid", "test"]}, "unload_col": {"load_col": None}}


@pytest.mark.parametrize("model", EVERY)
def test_every_key_works_or_is_refused_in_one_line(model):
    checks = Checks(model)
    works = refused = 0
    for own_loop in {False, training_of(model, True) is Training.LOOP}:
        for key, entry in SUPPORT.items():
            setting = checks.settings.get(key)
            value = other(key, setting.default if setting else None)
            if value is None:
                continue
            if key == "loss_type":
                value = "CE" if checks.defaults[key] == "BPR" else "BPR"
            if key == "reg_weight" and isinstance(checks.defaults.get(key), list):
                value = [0.25, 0.25]
            if key == "transform" and model in TRANSFORMED:
                value = "crop_itemseq"
            given = {"exact_recbole": own_loop, **BESIDE.get(key, {}), key: value}
            if setting is None:
                assert f"unknown key {key} in config_dict" in refusal(checks, **given)
                refused += 1
                continue
            assert value != checks.defaults.get(key), key
            if entry.works_with(model, own_loop, key in checks.defaults) and (key, model) not in CHECKED:
                assert checks(**given)[key] == value
                works += 1
            else:
                line = refusal(checks, **given)
                assert line.startswith(key) and "in config_dict" in line and line.count(":") >= 1, line
                refused += 1
    assert works > 30 and refused > 20


# Values of OTHERS that these models refuse, though they take others.
CHECKED = {
    *((key, model) for model in TRANSFORMED for key in ("transform",)),
    *(("loss_type", model) for model in ONE_LOSS),
    *(("weight_decay", model) for model in ("HGN", "SHAN")),
    *((key, model) for key in ("log_wandb",) for model in EVERY if importlib.util.find_spec("wandb") is None),
}


@pytest.mark.parametrize("model", registry.recbole_models())
def test_negatives_are_set_where_the_loss_needs_them(model):
    wanted = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False, "candidate_num": 0}
    if "BPR" in ONE_LOSS.get(model, ("BPR",)):
        assert accepted(model, loss_type="BPR")["train_neg_sample_args"] == wanted
        assert accepted(model, loss_type="BPR", train_neg_sample_args=NEGATIVES)["train_neg_sample_args"] == NEGATIVES
    else:
        assert "loss_type is BPR" in refusal(accepted, model, loss_type="BPR")
    by_default = accepted(model)["train_neg_sample_args"]
    assert by_default == (wanted if model in WITHOUT_LOSS or model == "FPMC" else None)


def test_the_plugins_models_sample_by_themselves():
    assert accepted("IDP", loss_type="BPR")["train_neg_sample_args"] is None
    line = refusal(accepted, "IDP", loss_type="BPR", train_neg_sample_args=NEGATIVES)
    assert "train_neg_sample_args is" in line and "train_negatives" in line


@pytest.mark.parametrize("model", EVERY)
def test_defaults_are_accepted_when_they_are_given(model):
    checks = Checks(model)
    assert checks(**checks.defaults) == checks.defaults


@pytest.mark.parametrize(
    ("model", "values", "says"),
    [
        ("SASRec", {"nproc": 2}, "nproc is 2 in config_dict, but a run uses one process"),
        ("IDP", {"world_size": 4}, "a run uses one process"),
        ("SASRec", {"threshold": {"rating": 4}}, "val_interval"),
        ("IDP", {"preload_weight": {"item_id": "v"}}, "no model here reads it"),
        ("SASRec", {"numerical_features": ["price"]}, "no features are read but by DIEN, DIN, FDSA"),
        ("SASRec", {"unload_col": {"inter": ["rating"]}}, "load_col"),
        ("SASRec", {"unused_col": {"inter": ["timestamp"]}}, "timestamp is a part of every event"),
        ("SASRec", {"unused_col": {"item": ["price"]}}, "load_col names no column of item"),
        ("SASRec", {"unused_col": {"inter": None}}, "needs a list of columns"),
        ("SASRec", {"load_col": {"inter": None}}, "needs a list of columns"),
        ("SASRec", {"load_col": {"item": ["price"]}}, "names no columns of inter"),
        ("SASRec", {"load_col": {"inter": ["user_id"], "kg": ["head_id"]}}, "kg is none of the files"),
        ("SASRec", {"LIST_SUFFIX": ""}, "LIST_SUFFIX must be text"),
        ("SASRec", {"USER_ID_FIELD": "item_id"}, "has this name as well"),
        ("SASRec", {"loss_decimal_place": -1}, "loss_decimal_place must be 0 or more"),
        ("SASRec", {"transform": "crop_itemseq"}, "BERT4Rec and SHAN"),
        ("BERT4Rec", {"transform": "inverse_itemseq"}, "BERT4Rec reads mask_itemseq alone"),
        ("SASRec", {"mask_ratio": 0.3}, "the model has no such parameter"),
        ("SASRec", {"learner": "sparse_adam"}, "choose adam"),
        ("HGN", {"weight_decay": 0.1}, "reg_weight"),
        ("SASRec", {"enable_amp": True}, "--exact_recbole"),
        ("SASRec", {"valid_metric_bigger": False}, "valid_metric decides it"),
        ("SASRec", {"loss_type": "BCE"}, "SASRec has CE and BPR alone"),
        ("SASRec", {"train_neg_sample_args": {"distribution": "normal"}, "loss_type": "BPR"}, "uniform or popularity"),
        (
            "SASRec",
            {"train_neg_sample_args": {"distribution": "uniform", "sample_num": "x"}, "loss_type": "BPR"},
            "its sample_num cannot be 'x'",
        ),
        (
            "SASRec",
            {"train_neg_sample_args": {"distribution": "uniform", "number": 1}, "loss_type": "BPR"},
            "and not number",
        ),
        ("SASRec", {"eval_args": {"mode": "labeled"}}, "no lists to rank"),
        ("FEARec", {"n_layers": 1}, "n_layers must be 2 or more"),
        ("SASRec", {"neg_sampling": {"uniform": 1}}, "did you mean train_neg_sample_args?"),
        ("SASRec", {"lr": 0.1}, "did you mean learning_rate?"),
        ("SASRec", {"fill_nan": True}, "--dry_run shows every key"),
        ("LightGCN", {}, "RecBole's model LightGCN is not sequential"),
        ("S3Rec", {}, "RecBole's model S3Rec keeps what it pre-trains in a pickle"),
        ("KSR", {}, "knowledge graph"),
    ],
)
def test_what_does_not_work_is_refused_with_its_reason(model, values, says):
    assert says in refusal(accepted, model, **values)


def test_weights_and_biases_needs_its_package(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    (tmp_path / "wandb.py").write_text("import no_such_part_of_wandb\n")
    line = refusal(accepted, "SASRec", log_wandb=True)
    assert "wandb cannot be imported (No module named 'no_such_part_of_wandb'): pip install wandb" in line
    monkeypatch.setitem(sys.modules, "wandb", types.ModuleType("wandb"))
    assert accepted("SASRec", log_wandb=True)["log_wandb"] is True


def test_models_that_are_refused_are_recboles_and_not_listed():
    folder = compat.recbole_folder() / "properties" / "model"
    for model in registry.REFUSED_MODELS:
        assert (folder / f"{model}.yaml").is_file() and model not in registry.recbole_models()
    assert set(FEATURE_MODELS) | set(ONE_LOSS) | set(WITHOUT_LOSS) | set(TRANSFORMED) <= set(registry.recbole_models())


def test_the_place_of_a_refused_key_is_told(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("world_size: 2\n")
    assert f"world_size is 2 in {file}" in refusal(resolve, user_layers([file]))
    assert "world_size is 2 on the command line" in refusal(resolve, user_layers(command_line={"world_size": "2"}))
    assert CONFIG_DICT in refusal(resolve, user_layers(config_dict={"world_size": 2}))


def test_the_list_of_keys_says_what_is_refused(capsys):
    shown = printed(capsys, "keys", "--model=SASRec")
    lines = {line.split()[0]: line for line in shown.splitlines()}
    assert "Refused: a run uses one process" in lines["nproc"]
    assert "Refused: the model has no such parameter" in lines["mask_ratio"]
    assert "Refused" not in lines["shuffle"] and "Refused" not in lines["initializer_range"]
    lines = {line.split()[0]: line for line in printed(capsys, "keys", "--model=NARM").splitlines()}
    assert "Refused: the model has no such parameter" in lines["initializer_range"]
