"""The scripts in examples/ run at toy size; the application answers from a trained folder."""

import importlib
import os
import runpy
import sys
from pathlib import Path

import pytest

import recbole_idp
from tests.support.python import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
EXAMPLES = ROOT / "examples"
EXPORT = "needs the extra export: pip install -e '.[export]'"


def run(name, monkeypatch, toy="toy.yaml"):
    """Runs a script as the command line does, with a file of small sizes."""
    monkeypatch.setattr(sys, "argv", [str(EXAMPLES / name), toy])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


@pytest.fixture
def films(toy_place):
    """Takes the Office of toy size for the films of the packaged data, which take longer."""
    settings = toy_place / "toy.yaml"
    settings.write_text(settings.read_text() + "dataset: Office\ndata_path: DIR\nsource_domains: [Health, Toys]\n")
    return toy_place


@pytest.mark.slow
def test_first_run(toy_place, monkeypatch, capsys):
    run("first_run.py", monkeypatch)
    printed = capsys.readouterr().out
    assert "zero_shot: NDCG@10" in printed and "| scratch" in printed.replace("  ", " ")


@pytest.mark.slow
def test_your_own_data(toy_place, monkeypatch, capsys):
    run("your_own_data.py", monkeypatch)
    assert "40 users, 8 items" in capsys.readouterr().out


def test_compare_models(films, monkeypatch, capsys):
    run("compare_models.py", monkeypatch)
    assert "p = " in capsys.readouterr().out


def test_a_model_of_your_own(films, monkeypatch, capsys):
    run("a_model_of_your_own.py", monkeypatch)
    assert "UnitSASRec: NDCG@10" in capsys.readouterr().out


def test_recommend_and_export(films, monkeypatch, capsys):
    pytest.importorskip("onnxscript", reason=EXPORT, exc_type=ImportError)
    with pytest.raises(SystemExit) as ended:
        run("recommend_and_serve.py", monkeypatch)
    assert ended.value.code == 0
    assert (films / "exported" / "user_encoder.onnx").is_file()


def test_recommend_without_the_extra_says_what_to_install(films, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(SystemExit) as ended:
        run("recommend_and_serve.py", monkeypatch)
    assert ended.value.code == 2 and (films / "trained-films").is_dir()
    assert "export" in capsys.readouterr().err


def test_the_application_answers_like_the_recommender(toy_place, monkeypatch):
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    testclient = pytest.importorskip("fastapi.testclient", reason="needs httpx: pip install httpx", exc_type=Exception)
    monkeypatch.setitem(os.environ, "TRAINED", "office")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    client = testclient.TestClient(importlib.import_module("recommend_and_serve").app)
    question = {"history": ["B000J05GKA", "B004ZOT5KS"], "k": 3}
    (answer,) = client.post("/recommend", json=question).json()["answers"]
    (expected,) = recbole_idp.load("office").recommend([question["history"]], k=3)
    assert [item["item"] for item in answer["items"]] == [item.item for item in expected]


def test_each_example_is_listed_and_tried():
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    tried = Path(__file__).read_text(encoding="utf-8")
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert len(names) == 5
    assert [name for name in names if f"`{name}`" not in listed or f'"{name}"' not in tried] == []
