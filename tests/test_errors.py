"""Guesses of what a misspelt name meant."""

import pytest

from recbole_idp import registry
from recbole_idp.config.declarations import model_settings
from recbole_idp.errors import nearest

MODELS = [*registry.models(), *registry.recbole_models(), *registry.GENERAL_MODELS]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("epoch", "epochs"),
        ("learnig_rate", "learning_rate"),
        ("datapath", "data_path"),
        ("metric", "metrics"),
        ("top_k", "topk"),
        ("n_layer", "n_layers"),
        ("num_layers", "n_layers"),
        ("hidden", "hidden_act"),
        ("checkpoint", "checkpoint_dir"),
        ("mode", "model"),
        ("EPOCHS", "epochs"),
    ],
)
def test_a_near_key_is_guessed(given, meant):
    assert nearest(given, model_settings("SASRec", "any")) == [meant]


@pytest.mark.parametrize("given", ["fill_nan", "output", "name", "split", "zzz", "dropout_rate_of_users", ""])
def test_no_key_is_guessed_where_none_is_near(given):
    assert nearest(given, model_settings("SASRec", "any")) == []


@pytest.mark.parametrize(
    ("given", "meant"),
    [("IPD", "IDP"), ("sasrec", "SASRec"), ("GRU", "GRU4Rec"), ("TFC", "TCF")],
)
def test_a_near_model_is_guessed(given, meant):
    assert nearest(given, MODELS) == [meant]


@pytest.mark.parametrize("given", ["LightGCN", "Popularity", "Transformer", "NeuMF"])
def test_no_model_is_guessed_where_none_is_near(given):
    assert nearest(given, MODELS) == []


def test_the_best_come_first_and_no_more_than_asked_for():
    assert nearest("ab", ["abc", "ac", "ab", "zz"], limit=2) == ["ab", "abc"]
