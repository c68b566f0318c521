"""The line for an error that RecBole raises: what, where, and the key that it is about."""

import importlib

import pytest

from recbole_idp.cli.main import main
from recbole_idp.cli.tasks import TASKS, Task
from recbole_idp.cli.unexpected import unexpected_line


def raised(call, *arguments):
    """Returns the error that a call raises."""
    with pytest.raises(Exception) as caught:
        call(*arguments)
    return caught.value


def recboles_transform(name):
    return importlib.import_module("recbole.data.transform").construct_transform({"transform": name})


def test_an_error_of_recbole_names_the_key_and_the_model():
    error = raised(recboles_transform, "nonsense")
    line = unexpected_line(error, {"model": "SASRec", "transform": "nonsense", "seed": "1"})
    assert line.startswith("RecBole raised NotImplementedError (There is no transform named 'nonsense') in data/trans")
    assert "with --model=SASRec" in line and "because of --transform=nonsense: correct the key" in line


def test_a_key_is_found_by_the_line_that_reads_it():
    error = raised(recboles_transform, ["unhashable"])
    assert "because of --transform=x" in unexpected_line(error, {"seed": "1", "transform": "x"})


def test_without_a_key_the_line_says_so():
    line = unexpected_line(raised(recboles_transform, "nonsense"), {"seed": "1"})
    assert line.endswith("check the keys that you gave; --debug shows the traceback") and "because" not in line


def test_a_deep_recursion_is_one_line():
    def deep():
        return deep()

    line = unexpected_line(raised(deep), {})
    assert line.startswith("a bug, RecursionError (maximum recursion depth exceeded") and "\n" not in line


def test_an_error_of_recbole_ends_a_task_with_one_line(monkeypatch, capsys):
    monkeypatch.setitem(TASKS, "models", Task(lambda options: recboles_transform(options["transform"]), "fails"))
    assert main(["models", "--transform=nonsense"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("recbole-idp: RecBole raised NotImplementedError")
    assert main(["models", "--transform=nonsense", "--debug"]) == 2
    assert capsys.readouterr().err.startswith("Traceback")
