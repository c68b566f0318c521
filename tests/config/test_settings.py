"""Declared settings: the YAML files agree with them, and checks, schema and fingerprints follow from them."""

import json
import re
from typing import Literal

import pytest
import yaml

from recbole_idp import registry
from recbole_idp.cli.main import main
from recbole_idp.config.declarations import affected, declared_settings, model_settings
from recbole_idp.config.fingerprint import pretraining_values, values_that_affect
from recbole_idp.config.layers import properties_folder, read_file
from recbole_idp.config.reference import json_schema, markdown
from recbole_idp.config.setting import (
    Affects,
    Count,
    Distinct,
    Number,
    Setting,
    Settings,
    Share,
    declared_by,
    setting,
)
from recbole_idp.errors import UserError
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.run.keys import PlaceSettings

MODELS = sorted(path.stem for path in (properties_folder() / "model").glob("*.yaml"))
_ENTRY = re.compile(r"^(?P<key>\w+):.*?\s# \((?P<type>[^)]+)\) (?P<help>.+)$")
_CONTINUED = re.compile(r"^\s+# (?P<help>.+)$")


def comments(path):
    """Return type and help of each key in a YAML file, as its comments say them."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if entry := _ENTRY.match(line):
            key = entry["key"]
            found[key] = [entry["type"], entry["help"]]
        elif found and (more := _CONTINUED.match(line)):
            found[key][1] += f" {more['help']}"
    return {key: tuple(texts) for key, texts in found.items()}


@pytest.mark.parametrize("model", MODELS)
def test_yaml_files_of_models_agree_with_the_declarations(model):
    path = properties_folder() / "model" / f"{model}.yaml"
    settings, values = declared_settings(model), read_file(path)
    assert comments(path) == {key: (settings[key].type_name(), settings[key].help) for key in values}
    assert values == {key: settings[key].default for key in values}


def test_the_yaml_file_of_all_models_agrees_with_the_declarations():
    path = properties_folder() / "overall.yaml"
    settings = {}
    for group in registry.SETTINGS:
        settings.update(declared_by(registry.resolve(group)))
    values = read_file(path)
    told = {key: (settings[key].type_name(), settings[key].help) for key in values}
    assert comments(path) == told
    assert values == {key: settings[key].default for key in values}


@pytest.mark.parametrize("model", registry.MODELS)
def test_every_declared_key_of_a_model_stands_in_a_yaml_file(model):
    from recbole_idp.config.model_defaults import model_layers

    written = {key for layer in model_layers(model, "any") for key in layer.values}
    ours = {
        key
        for key, found in declared_settings(model).items()
        if found.owner.startswith("recbole_idp.") and not found.owner.endswith("recbole_keys")
    }
    assert ours <= written


class Sizes(Settings):
    """A group for these tests."""

    width: Count = setting(8, "paper: width.", Affects.PRETRAINING | Affects.TRAINING)
    share: Share | None = setting(None, "default: a share.", Affects.TRAINING)
    kinds: Distinct[Literal["ab", "cd"]] = setting(["ab"], "default: kinds.", Affects.OUTPUT)


def test_a_setting_knows_what_was_declared():
    width, share, kinds = declared_by(Sizes).values()
    assert (width.name, width.default, width.from_paper, share.from_paper) == ("width", 8, True, False)
    assert [item.type_name() for item in (width, share, kinds)] == ["int", "float or None", "list of str"]
    assert kinds.words == ("ab", "cd") and width.words == ()
    assert share.alternatives == (float, None) and width.owner == __name__


def test_a_group_takes_its_values_out_of_a_configuration():
    sizes = Sizes.of({"width": 4, "share": 0.5, "kinds": ["cd"], "other": 1})
    assert (sizes.width, sizes.share, sizes.kinds) == (4, 0.5, ["cd"])
    with pytest.raises(ValueError, match="frozen"):
        sizes.width = 5


def test_a_key_that_is_not_declared_takes_what_its_defaults_tell():
    assert Setting.observed("a", [None, 2]).type_name() == "int or None"
    assert Setting.observed("a", [[1, 2], [3]]).type_name() == "list of int"
    assert Setting.observed("a", [None]).type_name() == "anything"
    assert Setting.observed("a", [1]).affects == Affects.ALL


def test_all_values_count_but_those_declared_not_to():
    values = {"eval_step": 3, "checkpoint_dir": "x", "topk": [5], "a_key_of_nobody": 1, "variants": ["scratch"]}
    assert values_that_affect(values, "IDP", Affects.ALL).keys() == {"eval_step", "topk", "a_key_of_nobody"}
    assert values_that_affect(values, "IDP", Affects.PRETRAINING).keys() == {"eval_step", "a_key_of_nobody"}


def test_what_pre_training_depends_on_is_known_to_the_model_that_is_pre_trained():
    values = {"mask_ratio": 0.3, "gru_layers": 2, "eval_step": 2, "dataset": "shop", "model": "IDP_BERT4Rec"}
    assert pretraining_values(values, "IDP", "shop").keys() == {"eval_step", "model", "mask_ratio"}
    assert pretraining_values(values, "IDP", "shop")["model"] == "IDP"
    assert "gru_layers" in pretraining_values(values, "IDP_GRU4Rec", "shop")


def test_places_affect_nothing():
    assert not any(found.affects & Affects.ALL for found in declared_by(PlaceSettings).values())


def test_the_schema_allows_what_the_checks_allow(tmp_path):
    schema = json_schema("IDP")
    assert schema["properties"]["top_m"] == {
        "default": 10,
        "description": "default: source items that a target item is made of.",
        "minimum": 1,
        "type": "integer",
    }
    assert set(schema["properties"]) == set(model_settings("IDP", "ml-100k-target"))
    assert schema["properties"]["cdim_depth"]["enum"] == ["none", "head", "last_n", "full", "lora"]
    assert schema["additionalProperties"] is False
    json.dumps(schema)


def test_the_task_keys_lists_keys_and_writes_the_schema(capsys, tmp_path):
    assert main(["keys", "UniSRec"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["key", "type", "default", "affects", "what"]
    (line,) = [line for line in lines if line.startswith("sequence_loss_weight ")]
    assert line.split()[1:4] == ["float", "0.001", "pre-training"] and "paper: lambda" in line
    assert main(["keys", "--model=IDP", f"--schema={tmp_path / 'idp.json'}"]) == 0
    assert json.loads((tmp_path / "idp.json").read_text()) == json_schema("IDP")
    capsys.readouterr()
    assert main(["keys", "IPD"]) == 2
    assert "did you mean IDP?" in capsys.readouterr().err


def test_the_reference_table_has_a_row_for_each_key():
    text = markdown("PRECISE")
    assert text.count("\n") == 2 + len(model_settings("PRECISE", "ml-100k-target"))
    assert "| `fusion` | str | `experts` | pre-training, training | paper: experts; others:" in text


def test_every_default_passes_its_own_check():
    for model in registry.MODELS:
        for found in model_settings(model, "any").values():
            if found.default is not None:
                assert found.adapter.validate_python(found.default) == found.default, found.name


def test_yaml_of_properties_is_what_editors_read():
    for path in properties_folder().rglob("*.yaml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8")) is not None, path


def test_settings_are_read_typed_from_a_configuration_and_a_wrong_value_is_refused_in_one_line():
    class Sizes(Settings):
        width: Count = setting(3, "Width.")
        share: Number = setting(0.5, "Share.")

    found = Sizes.of({"width": 4, "share": 1, "more": None})
    assert (found.width, found.share) == (4, 1.0) and type(found.share) is float
    assert Sizes.of({}) == Sizes()
    with pytest.raises(UserError, match=r"^width is '4', but input should be a valid integer: correct it$"):
        Sizes.of({"width": "4"})


def test_a_model_that_takes_the_place_of_another_has_its_own_settings(monkeypatch):
    monkeypatch.setattr(registry, "_added", {})

    def add(**fields):
        group = type("OwnSettings", (Settings,), {"__annotations__": dict.fromkeys(fields, int), **fields})
        registry.add_model(type("Replaced", (SequenceModel,), {}), settings=group)

    add(first=setting(1, "One.", Affects.NOTHING))
    assert "first" in model_settings("Replaced", "any") and affected("Replaced", "first") == Affects.NOTHING
    add(second=setting(2, "Two.", Affects.OUTPUT))
    found = model_settings("Replaced", "any")
    assert "second" in found and "first" not in found
    assert affected("Replaced", "first") == Affects.ALL and affected("Replaced", "second") == Affects.OUTPUT
