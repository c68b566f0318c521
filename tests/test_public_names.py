"""What ``recbole_idp`` exports, when it imports it, and the names of release 0.1 that moved."""

import sys

import pytest

import recbole_idp
from recbole_idp import old_names
from recbole_idp.testing.toy import settings
from tests.support.python import ROOT, run_python


def warning_python(code):
    """Runs code in a new process that shows every warning; returns what it prints."""
    done = run_python("-W", "always::DeprecationWarning:__main__", "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def test_each_public_name_is_the_one_of_its_module():
    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.content.text.own.fill import write_text_vectors
    from recbole_idp.models.base.sequence_model import SequenceModel
    from recbole_idp.report.displayed.leaderboard import read_leaderboard
    from recbole_idp.report.result import read_ranks, read_result
    from recbole_idp.run.run import pretrain
    from recbole_idp.serving.load import load

    homes = {"StrictConfig": StrictConfig, "SequenceModel": SequenceModel, "load": load, "pretrain": pretrain}
    homes |= {"read_ranks": read_ranks, "read_result": read_result, "write_text_vectors": write_text_vectors}
    homes |= {"read_leaderboard": read_leaderboard}
    assert {name: getattr(recbole_idp, name) for name in homes} == homes
    assert set(recbole_idp.__all__) <= set(dir(recbole_idp))
    assert set(recbole_idp.__all__) - set(homes) == {
        "UserError",
        "__version__",
        "add_model",
        "leaderboard",
        "register",
        "run",
    }
    with pytest.raises(AttributeError, match="has no attribute 'ru'"):
        recbole_idp.ru  # noqa: B018


def test_new_names_are_light_to_read_and_warn_of_nothing_and_what_was_never_told_is_gone():
    code = (
        "import sys, recbole_idp\n"
        "def heavy(): return [name for name in ('torch', 'pandas', 'yaml', 'recbole') if name in sys.modules]\n"
        "print(heavy(), callable(recbole_idp.run), heavy())\n"
        "recbole_idp.load\n"
        "print('recbole' in sys.modules, 'torch' in sys.modules)\n"
        "from recbole_idp import SequenceModel, StrictConfig, pretrain, read_ranks, run\n"
        "for name in ('recbole_idp.model.text_model', 'recbole_idp.trainer.transfer'):\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        print(error.name)\n"
    )
    found, warned = warning_python(code)
    assert "DeprecationWarning" not in warned
    gone = ["recbole_idp.model.text_model", "recbole_idp.trainer.transfer"]
    assert found.splitlines() == ["[] True []", "False True", *gone]


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "import recbole_idp.run.prepare", "import recbole_idp.run.run"])
def test_run_is_callable_whatever_was_imported_before(before):
    code = f"{before}\nimport recbole_idp\nfrom recbole_idp import run\nprint(callable(run), run is recbole_idp.run)"
    assert warning_python(code)[0] == "True True"


def test_a_run_from_python_takes_the_public_names_alone(domains):
    values = settings(domains, epochs=1)
    result = recbole_idp.run(recbole_idp.StrictConfig("PositionSASRec", "shop", config_dict=values))
    (path,) = (domains / "results").glob("*.json")
    assert recbole_idp.read_result(path)["variants"] == result["variants"]
    assert len(recbole_idp.read_ranks(path).users) > 0
    (recommended,) = recbole_idp.load(result["trained"]["folder"]).recommend([["si1"]], k=2)
    assert len(recommended) == 2


OLD = [
    ("from recbole_idp.quick_start import run", "recbole_idp.run.run"),
    ("from recbole_idp.model.sequence_model import SequenceModel", "recbole_idp.models.base.sequence_model"),
    ("from recbole_idp.trainer.base import SequenceTrainer", "recbole_idp.train.trainer"),
    ("from recbole_idp.config import StrictConfig", "recbole_idp.config.strict"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "home"), OLD)
def test_an_old_name_is_the_new_one_and_warns_where_it_is_imported(line, home):
    name = line.rpartition(" ")[2]
    found, warned = warning_python(f"{line}\nfrom {home} import {name} as new\nprint({name} is new)")
    assert found == "True"
    assert f"<string>:1: DeprecationWarning: {line.split()[1]}" in warned and "from recbole_idp" in warned


def test_no_old_name_lies_in_the_package():
    for name in (*old_names.MODULES, *old_names.PACKAGES):
        place = ROOT.joinpath(*name.split("."))
        assert not place.exists() and not place.with_suffix(".py").exists()
    before = list(sys.meta_path)
    old_names.install()
    assert sys.meta_path == before
