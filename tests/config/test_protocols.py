"""Protocols of papers: files whose keys lie over a model's, and below what is given."""

import pytest

from recbole_idp.config.checks import check_layer
from recbole_idp.config.declarations import model_settings
from recbole_idp.config.layers import Layer, properties_folder, read_file
from recbole_idp.config.resolve import resolve
from recbole_idp.config.strict import StrictConfig
from recbole_idp.run.run import run
from recbole_idp.testing.toy import settings
from tests.support.commands import refusal, refused
from tests.support.python import ROOT

FILES = sorted((properties_folder() / "protocol").glob("*.yaml"))


def resolved(model="MoRec", **values):
    return resolve([Layer("command line", values)], model)


@pytest.mark.parametrize("model", ["MoRec", "TCF", "IDP", "SASRec", "Pop"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_protocol_is_a_layer_for_every_model(path, model):
    found, values = resolved(model, protocol=path.stem), read_file(path)
    assert {key: found.values[key] for key in values} == values
    assert {found.origins[key] for key in values} == {f"properties/protocol/{path.stem}.yaml"}
    # The keys are those of every model, with values that they take.
    settings = model_settings("Pop", "ml-100k-target")
    assert check_layer(Layer(path.name, values), settings) == values
    assert found.values["eval_args"]["mode"] == {"valid": "full", "test": "full"} or (
        found.values["eval_args"]["mode"] == "full"
    )


def test_what_is_given_lies_over_a_protocol():
    found = resolved(protocol="morec", latest_events=50, metrics=["MRR"])
    assert found.values["latest_events"] == 50 and found.values["metrics"] == ["MRR"]
    assert found.values["MAX_ITEM_LIST_LENGTH"] == 20 and found.values["exclude_history"] is True


def test_without_a_protocol_nothing_changes():
    assert resolved().values["latest_events"] is None and resolved().values["MAX_ITEM_LIST_LENGTH"] == 50


def test_a_saved_configuration_is_the_same():
    config = StrictConfig.from_resolved(resolved(protocol="pixelrec", dataset="ml-100k-target"))
    again = StrictConfig.from_dict(config.as_dict())
    assert again.as_dict() == config.as_dict() and again["MAX_ITEM_LIST_LENGTH"] == 10


def test_unknown_protocols_are_refused(capsys):
    refused(capsys, ["run", "--protocol=morrec"], "protocol 'morrec' is none of the files", "did you mean morec?")
    assert "choose one of morec, ninerec" in refusal(resolved, protocol="../model/IDP")
    line = refusal(resolved, protocol=["morec"])
    assert "protocol must be a name" in line


def test_recboles_own_config_says_where_the_file_is(domains):
    from recbole.config import Config

    values = {**settings(domains), "protocol": "morec"}
    line = refusal(Config, "PositionSASRec", "shop", config_dict=values)
    assert "does not read" in line and "morec.yaml" in line


def test_rows_of_a_leaderboard_share_a_protocol(capsys, tmp_path):
    options = ["--model=IDP,MoRec", "--dataset=ml-100k-target", "--model_options={MoRec: {protocol: morec}}"]
    refused(capsys, ["leaderboard", *options], "model_options has protocol of MoRec: a board measures all alike")


def test_a_run_by_a_protocol(domains):
    changes = dict.fromkeys(("MAX_ITEM_LIST_LENGTH", "topk", "valid_metric"))
    values = {key: value for key, value in settings(domains, epochs=1).items() if key not in changes}
    result = run(StrictConfig("PositionSASRec", "shop", config_dict={**values, "protocol": "morec"}))
    (row,) = result["variants"].values()
    assert set(row["runs"][0]["test"]) == {"hit@10", "ndcg@10"}
    assert result["config"]["latest_events"] == 23 and result["config"]["MAX_ITEM_LIST_LENGTH"] == 20


def test_each_protocol_is_on_the_page():
    page = (ROOT / "docs" / "guide" / "evaluation.md").read_text(encoding="utf-8")
    assert all(f"`{path.stem}`" in page for path in FILES) and len(FILES) == 6
