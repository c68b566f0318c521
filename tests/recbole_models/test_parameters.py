"""Parameters of RecBole's own models: wrong ones are refused by their limits, before anything is read."""

import pytest

from recbole_idp import registry
from recbole_idp.config.checks import check_layer
from recbole_idp.config.declarations import model_settings
from recbole_idp.config.layers import COMMAND_LINE, CONFIG_DICT, Layer
from recbole_idp.recbole_models.keys import ParameterSettings
from tests.support.commands import refusal, refused

MODELS = (*registry.recbole_models(), *registry.GENERAL_MODELS)
WRONG = [
    ("SASRec", "n_heads", "abc", "n_heads must be a whole number such as 2, but is 'abc'"),
    ("SASRec", "hidden_act", "nonsense", "hidden_act takes gelu, relu, swish, tanh, sigmoid"),
    ("GRU4Rec", "num_layers", "0", "num_layers must be from 1 to 1000, but is 0"),
    ("GRU4Rec", "embedding_size", "-3", "embedding_size must be 1 or more, but is -3"),
    ("GRU4Rec", "dropout_prob", "7", "dropout_prob must be from 0 to 1, but is 7"),
    ("GRU4Rec", "dropout_prob", "1", "dropout_prob must be less than 1, but is 1"),
    ("Caser", "nv", "0", "nv must be 1 or more, but is 0"),
    ("CORE", "temperature", "0", "temperature must be more than 0, but is 0"),
    ("CORE", "dnn_type", "foo", "dnn_type takes trm, ave"),
    ("DIN", "mlp_hidden_size", "[0]", "mlp_hidden_size must be 1 or more, but is 0"),
    ("FDSA", "pooling_mode", "foo", "pooling_mode takes mean, max, sum"),
    ("HGN", "pooling_type", "sum", "pooling_type takes average, max"),
    ("ItemKNN", "k", "-1", "k must be 1 or more, but is -1"),
    ("NARM", "dropout_probs", "[9, 9]", "dropout_probs must be from 0 to 1, but is 9"),
    ("NextItNet", "kernel_size", "0", "kernel_size must be 1 or more, but is 0"),
    ("SRGNN", "step", "-1", "step must be 1 or more, but is -1"),
]


@pytest.mark.parametrize(("model", "key", "value", "says"), WRONG)
def test_a_wrong_parameter_is_refused_before_data_are_read(model, key, value, says, capsys):
    refused(capsys, [f"--model={model}", "--dataset=nowhere", f"--{key}={value}"], says, "on the command line")


def test_each_default_of_recbole_is_within_the_limits():
    declared, found = set(ParameterSettings.model_fields), set()
    for model in MODELS:
        known = model_settings(model, "ml-100k")
        mine = {key: known[key].default for key in declared & set(known)}
        assert check_layer(Layer(CONFIG_DICT, mine), known) == mine, model
        found |= set(mine)
    assert found == declared


def test_a_model_of_the_plugin_or_of_another_package_has_its_own_meaning():
    assert "temperature" not in model_settings("GRU4Rec", "ml-100k")
    for model in registry.MODELS:
        known = model_settings(model, "ml-100k")
        assert all(ParameterSettings.__module__ not in setting.owner for setting in known.values()), model


def test_the_limits_say_the_layer():
    known = model_settings("CORE", "ml-100k")
    line = refusal(check_layer, Layer(COMMAND_LINE, {"item_dropout": "1.5"}), known)
    assert line == "item_dropout must be from 0 to 1, but is 1.5 on the command line"
