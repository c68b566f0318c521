"""The configuration: layers, origins, types, and the line that each mistake gets."""

import copy
import json
import pickle
import sys
from typing import get_args

import pytest
from recbole.config import Config

from recbole_idp.config.layers import Layer, parse_yaml, properties_folder, read_file, recbole_layers
from recbole_idp.config.model_defaults import model_layers
from recbole_idp.config.resolve import option_layers, resolve, user_layers
from recbole_idp.config.strict import StrictConfig, build_config
from recbole_idp.evaluation.keys import Metric
from recbole_idp.evaluation.metrics import METRICS, Basis
from recbole_idp.registry import recbole_models
from tests.support.commands import refusal


def refused(**options):
    return refusal(lambda: resolve(option_layers(options)))


def value(key, text):
    return resolve(option_layers({key: text})).values[key]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("dataset", ["ml-100k", "Office"])
def test_layers_of_recbole_are_those_that_its_config_reads(dataset, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["test"])
    for model in recbole_models():
        theirs = dict(Config(model, dataset, config_dict={"train_neg_sample_args": None}).internal_config_dict)
        ours = {}
        for layer in recbole_layers(model, dataset):
            ours.update(layer.values)
        assert ours == {key: value for key, value in theirs.items() if key != "MODEL_TYPE"}, model


def test_every_layer_wins_over_those_below_and_is_named_as_origin(tmp_path):
    first = write(tmp_path / "a.yaml", "epochs: 11\nseed: 12\nlearning_rate: 1e-3\nworker: 1\n")
    second = write(tmp_path / "b.yaml", "seed: 22\nlearning_rate: 2e-3\n")
    options = {"worker": "4"}
    layers = user_layers([first, second], {"learning_rate": 0.003, "worker": 3}, options)
    resolved = resolve(layers, "SASRec", "ml-100k")
    expected = {
        "eval_batch_size": (4096, "RecBole overall.yaml"),
        "discretization": (None, "RecBole dataset/sample.yaml"),
        "RATING_FIELD": ("rating", "RecBole dataset/ml-100k.yaml"),
        "n_layers": (2, "RecBole model/SASRec.yaml"),
        "repeatable": (True, "RecBole quick_start_config/sequential.yaml"),
        "result_dir": ("results/", "properties/overall.yaml"),
        "epochs": (11, first),
        "seed": (22, second),
        "learning_rate": (0.003, "config_dict"),
        "worker": (4, "command line"),
    }
    assert {key: (resolved.values[key], resolved.origins[key]) for key in expected} == expected


def test_model_and_dataset_files_of_the_plugin_lie_over_its_overall_file():
    resolved = resolve([])
    assert resolved.values["model"] == "IDP" and resolved.values["dataset"] == "ml-100k-target"
    assert resolved.origins["dataset"] == "default run"
    assert resolved.values["source_domains"] == ["ml-100k-source"]
    assert resolved.origins["source_domains"] == "properties/dataset/ml-100k-target.yaml"
    assert resolved.origins["top_m"] == "properties/model/IDP.yaml"


def test_sources_given_without_a_dataset_win_over_the_packaged_ones():
    assert value("source_domains", "Beauty") == ["Beauty"]


def test_nothing_is_evaluated_and_sys_argv_is_not_read(tmp_path, monkeypatch):
    trace = tmp_path / "trace"
    monkeypatch.setattr(sys, "argv", ["program", "--learning_rate=0.5", "--nonsense=1"])
    options = {"model": "SASRec", "text_encoder": f"open({str(trace)!r}, 'w')", "checkpoint_dir": "1/0"}
    config = build_config(options)
    assert config["checkpoint_dir"] == "1/0" and config["text_encoder"].startswith("open(")
    assert config["learning_rate"] == 0.001
    assert not trace.exists()
    file = write(tmp_path / "evil.yaml", f"checkpoint_dir: !!python/object/apply:os.mkdir ['{trace}']\n")
    assert "not valid YAML" in refusal(read_file, file)
    assert not trace.exists()


def test_unknown_keys_name_the_nearest_key_and_their_place(tmp_path):
    line = refused(learing_rate="0.5")
    assert line == "unknown key --learing_rate on the command line: did you mean --learning_rate?"
    assert refused(x="1/0").startswith("unknown key --x on the command line")
    file = write(tmp_path / "a.yaml", "train_batchsize: 3\n")
    assert f"unknown key train_batchsize in {file}: did you mean train_batch_size?" == refused(config_files=file)
    line = refusal(resolve, user_layers(config_dict={"epoch": 3}))
    assert line == "unknown key epoch in config_dict: did you mean epochs?"


def test_a_key_of_another_model_is_unknown():
    assert "--top_m" in refused(model="SASRec", top_m="3")


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", "1", 1.0),
        ("epochs", "5", 5),
        ("topk", "10,20", [10, 20]),
        ("topk", "[10, 20]", [10, 20]),
        ("topk", "10", [10]),
        ("metrics", "ndcg", ["NDCG"]),
        ("source_domains", "Health, Beauty", ["Health", "Beauty"]),
        ("dataset", "2018", "2018"),
        ("data_path", "yes", "yes"),
        ("gpu_id", "0,1", "0,1"),
        ("seq_separator", " ", " "),
        ("use_gpu", "False", False),
        ("shuffle", True, True),
        ("train_neg_sample_args", "None", None),
        ("val_interval", "{rating: '[3,5]'}", {"rating": "[3,5]"}),
        ("threads", "~", None),
        ("threads", "2", 2),
        ("shared_users", "[[Beauty, Toys]]", [["Beauty", "Toys"]]),
        ("loss_type", "bpr", "BPR"),
        ("wandb_project", "2020-01-01", "2020-01-01"),
    ],
)
def test_text_becomes_what_its_key_takes(key, text, expected):
    found = value(key, text)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("key", "text", "hint"),
    [
        ("learning_rate", "abc", "learning_rate must be a number such as 0.001, but is 'abc' on the command line"),
        ("learning_rate", True, "must be a number"),
        ("learning_rate", ".nan", "0 or more"),
        ("epochs", "1.5", "whole number"),
        ("epochs", "0", "1 or more"),
        ("hidden_dropout_prob", "1.5", "from 0 to 1"),
        ("topk", "5,ten", "each of topk must be a whole number, but is 'ten'"),
        ("topk", "[5", "topk"),
        ("eval_args", "full", "a map"),
        ("eval_args", "{ordre: TO}", "did you mean order?"),
        ("eval_args", "{mode: uni}", "uni100"),
        ("eval_args", "{order: random}", "order takes TO"),
        ("use_gpu", "1", "true or false"),
        ("epochs", "~", "whole number"),
        ("loss_type", "CF", "did you mean CE?"),
        ("learner", "adma", "did you mean adam?"),
        ("metrics", "NDGC", "did you mean NDCG?"),
        ("valid_metric", "NDCG", "valid_metric NDCG has no cut-off"),
        ("valid_metric", "NDCG@²", "valid_metric NDCG@² has no cut-off"),
        ("valid_metric", "NDGC@10", "did you mean NDCG?"),
        ("valid_metric", "GAUC@10", "GAUC takes none: write GAUC"),
        ("valid_metric", "AUC", "is of another kind than metrics, which rank"),
        ("metrics", "AUC", "--valid_metric=AUC"),
        ("metrics", "AUC,Hit", "name one kind"),
        ("eval_args", "{mode: labeled}", "has no lists to rank"),
        ("eval_args", "{mode: uni1000000}", "more than 10,000 candidates"),
        ("eval_args", "{mode: uni0}", "mode takes full, uniN"),
        ("hidden_size", "63", "no multiple of n_heads"),
        ("popularity_buckets", "0,20,5", "does not rise"),
        ("variants", "scrach", "did you mean scratch?"),
        ("model", "IPD", "unknown model 'IPD': did you mean IDP?"),
        ("model", "[IDP]", "unknown model"),
        ("config_files", "'a.yaml", "close the quotation mark"),
        ("config_files", True, "names no file"),
    ],
)
def test_unsuitable_values_are_refused_in_one_line(key, text, hint):
    assert hint in refused(**{key: text})


def test_numbers_may_stand_as_names_only_on_the_command_line(tmp_path):
    file = write(tmp_path / "a.yaml", "checkpoint_dir: 2018\n")
    assert refused(config_files=file) == f"checkpoint_dir must be text, but is 2018 in {file}"
    assert value("checkpoint_dir", "2018") == "2018"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("epochs: 3\n\tseed: 4\n", "line 2: a tab stands where YAML wants spaces"),
        ("- epochs\n- seed\n", "holds a list at top level"),
        ("epochs\n", "holds a str at top level"),
        ("epochs: 3\nseed: 4\nepochs: 5\n", "line 3: not valid YAML (duplicate key 'epochs')"),
        ("eval_args: {mode: full, mode: full}\n", "duplicate key 'mode'"),
        ("topk: [1, 2\n", "not valid YAML"),
        ("1: 2\n", "key 1"),
        ("? [a]\n: 1\n", "a key is a list"),
        ("a: &x\n  <<: *x\n", "not valid YAML"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path, text, hint):
    file = write(tmp_path / "a.yaml", text)
    line = refusal(read_file, file)
    assert hint in line and file in line


def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path):
    assert "does not exist" in refusal(read_file, tmp_path / "none.yaml")
    assert "cannot read" in refusal(read_file, tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\xff\n")
    assert "UTF-8" in refusal(read_file, tmp_path / "latin.yaml")
    (tmp_path / "zeros.yaml").write_bytes(b"a: \x00\n")
    assert "not valid YAML" in refusal(read_file, tmp_path / "zeros.yaml")
    assert read_file(write(tmp_path / "empty.yaml", "")) == {}


def test_yaml_floats_are_read_as_recbole_reads_them():
    assert [parse_yaml(text) for text in ("1e-3", "1E5", "1.5e3", ".5", "2")] == [0.001, 1e5, 1500.0, 0.5, 2]


def test_part_of_eval_args_keeps_the_rest():
    found = value("eval_args", "{mode: uni100}")
    assert found == {"split": {"LS": "valid_and_test"}, "group_by": "user", "order": "TO", "mode": "uni100"}


def test_config_is_recboles_with_its_computed_values():
    config = build_config(
        {"model": "PositionSASRec", "dataset": "Office", "eval_args": "{mode: uni100}", "loss_type": "BCE"}
    )
    assert isinstance(config, Config)
    assert config["data_path"] == "dataset/Office"
    assert config["valid_neg_sample_args"] == {"distribution": "uniform", "sample_num": 100}
    assert config["MODEL_INPUT_TYPE"].name == "POINTWISE"
    assert config["no_such_key"] is None
    assert config.cmd_config_dict["dataset"] == "Office"


def test_what_recbole_refuses_is_one_line():
    assert "RecBole refuses" in refusal(
        build_config, {"model": "SASRec", "train_neg_sample_args": "{distribution: uniform}"}
    )


def test_a_configuration_survives_copying_pickling_and_json():
    options = {"model": "SASRec", "dataset": "ml-100k", "learning_rate": "1e-2", "topk": "10,50"}
    config = build_config(options)
    saved = config.as_dict()
    assert json.loads(json.dumps(saved)) == saved
    for twin in (pickle.loads(pickle.dumps(config)), copy.deepcopy(config), StrictConfig.from_dict(saved)):
        assert twin.as_dict() == saved
        assert twin.final_config_dict == config.final_config_dict
    saved["topk"].append(100)
    assert config.as_dict()["topk"] == [10, 50] == config["topk"]


def test_strict_config_takes_recboles_arguments(tmp_path):
    file = write(tmp_path / "a.yaml", "epochs: 7\n")
    config = StrictConfig("SASRec", "Office", config_file_list=[file], config_dict={"topk": "[10]", "seed": 1})
    assert (config["epochs"], config["topk"], config["seed"]) == (7, [10], 1)
    assert config.origins["epochs"] == file and config.origins["seed"] == "config_dict"


def test_properties_are_plain_and_their_choices_valid():
    for path in properties_folder().rglob("*.yaml"):
        # A file without values says so in words: {}.
        assert read_file(path) or path.read_text().rstrip().endswith("{}"), path
        name = "IDP" if path.parent.name != "model" else path.stem
        dataset = path.stem if path.parent.name == "dataset" else "any"
        values = {key: value for layer in model_layers(name, dataset) for key, value in layer.values.items()}
        # the defaults pass the checks that users' values have to pass
        assert resolve([Layer(str(path), values)], name if path.parent.name == "model" else "IDP", dataset)


def test_table_of_metrics_is_recboles():
    from recbole.evaluator import metric_types, smaller_metrics
    from recbole.utils import EvaluatorType

    comparing = {name for name, metric in METRICS.items() if metric.basis is Basis.LABELS}
    of_classes = {"accuracy", "macrof1", "binaryauc"}
    assert METRICS.keys() - of_classes == metric_types.keys()
    assert METRICS.keys() == {name.lower() for name in get_args(Metric)}
    assert comparing == {name for name, kind in metric_types.items() if kind == EvaluatorType.VALUE}
    assert {name for name, metric in METRICS.items() if metric.smaller} == set(smaller_metrics)
