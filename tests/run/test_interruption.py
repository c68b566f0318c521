"""Ctrl-C, a kill and a full disk in every stage: one line, nothing half-written, and the next run goes on."""

import functools
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from recbole_idp.cli.main import main
from recbole_idp.report.ranks import SUFFIX
from recbole_idp.report.result import read_ranks
from recbole_idp.testing.toy import write_domains
from tests.support import commands
from tests.support.python import start_program
from tests.support.trained import bundle_of, bundles, toy_after

STAGES = ("pretrain", "encode", "match", "predict", "transfer", "evaluate")
VARIANTS = ["zero_shot", "fine_tune", "scratch"]
command = functools.partial(commands.command, variants=VARIANTS, state="INFO")
# Long enough to be struck in the middle, and short enough to be done again.
LONG = {"pretrain_epochs": 90, "pretrain_stopping_step": 90, "epochs": 40, "stopping_step": 40}


def saved(folder):
    """Returns the names of what is saved below ``folder``, the cache of texts apart."""
    return sorted(path.name for path in (folder / "data" / "saved").glob("*") if path.name != "cache")


def result_of(folder):
    (path,) = (folder / "data" / "results").glob("*.json")
    return json.loads(path.read_text())


def metrics(result):
    return {name: (variant["valid"], variant["test"]) for name, variant in result["variants"].items()}


def ranks_of(folder):
    (path,) = (folder / "data" / "results").glob("*.json")
    return {name: ranks.tolist() for name, ranks in read_ranks(path).trials.items()}


def finished_run(folder, **changes):
    """Runs the whole job in a new folder without interruption."""
    return toy_after(folder, command(folder, **changes))


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("short"))


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("long"), **LONG)


def start_from(folder, finished, with_bundle):
    """Copies the domains of a finished run and, if asked for, its bundle; returns when the bundle was made."""
    for name in ("pens", "lamps", "shop"):
        shutil.copytree(finished / "data" / name, folder / "data" / name)
    if not with_bundle:
        return None
    bundle = bundle_of(finished / "data" / "saved")
    shutil.copytree(bundle, folder / "data" / "saved" / bundle.name)
    return made(folder)


def made(folder):
    return (bundle_of(folder / "data" / "saved") / "bundle.json").stat().st_mtime_ns


def assert_nothing_half_written(folder):
    assert not list(folder.rglob("*.tmp"))
    assert not list((folder / "data").glob("results/*"))
    for bundle in bundles(folder / "data" / "saved"):
        assert (bundle / "bundle.json").is_file()


@pytest.mark.parametrize("stage", STAGES)
def test_control_c_at_the_start_of_a_stage(stage, short, workplace, capfd, caplog):
    class Interrupt(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith(f"[{stage}] "):
                logging.getLogger().removeHandler(self)
                signal.raise_signal(signal.SIGINT)

    bundle = start_from(workplace, short, with_bundle=stage != "pretrain")
    caplog.set_level(logging.INFO)
    logging.getLogger().addHandler(Interrupt())
    assert main(command(workplace)) == 130
    err = capfd.readouterr().err
    assert err.strip().startswith("recbole-idp: interrupted") and err.strip().count("\n") == 0
    assert_nothing_half_written(workplace)
    assert len(saved(workplace)) == len(bundles(workplace / "data" / "saved"))

    assert main(command(workplace)) == 0
    result = result_of(workplace)
    assert metrics(result) == metrics(result_of(short))
    if bundle is not None:
        assert made(workplace) == bundle and "pretrain" not in result["stages"]


# ---- real processes, struck from outside


def wait_for(process, folder, *texts):
    """Waits until a running process has printed all ``texts`` to stderr, one after the other."""
    deadline, in_turn = time.monotonic() + 60, re.compile(".*".join(map(re.escape, texts)), re.DOTALL)
    while not (folder / "err").is_file() or not in_turn.search((folder / "err").read_text()):
        assert process.is_alive() and time.monotonic() < deadline, (folder / "err").read_text()
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize(
    ("stage", "lines", "finished"),
    [
        ("pretrain", ["epoch 3 evaluating"], []),
        ("transfer", ["[transfer] scratch", "epoch 3 evaluating"], ["zero_shot", "fine_tune"]),
    ],
    ids=["pretrain", "transfer"],
)
def test_the_next_run_goes_on_from_the_last_finished_epoch(
    stage, lines, finished, how, long, workplace, processes, caplog
):
    bundle = start_from(workplace, long, with_bundle=stage != "pretrain")
    process = processes(workplace, command(workplace, **LONG))
    wait_for(process, workplace, *lines)
    os.kill(process.pid, how)
    process.join(60)
    err = (workplace / "err").read_text()
    assert "Traceback" not in err
    if how != signal.SIGKILL:
        assert process.exitcode == 128 + how
        assert err.rstrip().rpartition("\n")[2].startswith("recbole-idp: interrupted")
        assert_nothing_half_written(workplace)
        # the bundle, a checkpoint of each variant so far, and the folder that the next run goes on from
        variants = len(finished) + (stage == "transfer")
        assert len(saved(workplace)) == len(bundles(workplace / "data" / "saved")) + variants + 1
    else:
        assert process.exitcode == -signal.SIGKILL

    caplog.set_level(logging.INFO)
    assert main(command(workplace, **LONG)) == 0
    result = result_of(workplace)
    assert metrics(result) == metrics(result_of(long))
    assert result["resumed"] == [f"{variant}-2020" for variant in finished]
    for variant in finished:
        assert f"{variant}-2020: finished by an earlier run" in caplog.text
    if bundle is not None:
        assert made(workplace) == bundle and "pretrain" not in result["stages"]
    assert "Training resumes after epoch" in caplog.text
    assert not list((workplace / "data" / "saved").glob("unfinished-*"))


SEEDED = {"seeds": [1, 2], "epochs": 15}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({**SEEDED, "variants": ["scratch", "fine_tune"]}, "scratch"),
        ({**SEEDED, "variants": ["scratch"], "few_shot": [0.5, 1.0]}, "scratch@0.5"),
    ],
    ids=["seeds", "few-shot"],
)
def test_the_next_run_goes_on_from_the_last_finished_seed(
    changes, first, short, tmp_path_factory, workplace, processes
):
    whole = tmp_path_factory.mktemp("whole")
    start_from(whole, short, with_bundle=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(whole)
        assert main(command(whole, **changes)) == 0

    start_from(workplace, short, with_bundle=True)
    process = processes(workplace, command(workplace, **changes))
    wait_for(process, workplace, f"[transfer] {first}-2")
    process.kill()
    process.join(60)
    assert main(command(workplace, **changes)) == 0
    result = result_of(workplace)
    assert result["resumed"] == [f"{first}-1"]
    assert metrics(result) == metrics(result_of(whole))
    assert result["comparisons"] == result_of(whole)["comparisons"]
    assert ranks_of(workplace) == ranks_of(whole)


def test_more_seeds_take_up_what_fewer_had_finished_undamaged(short, workplace, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    start_from(workplace, short, with_bundle=True)
    with monkeypatch.context() as patch:
        patch.setattr("recbole_idp.run.run.save_result", interrupt)
        assert main(command(workplace, variants=["scratch"], seeds=[1, 3])) == 130
    (damaged,) = (workplace / "data" / "saved").glob(f"unfinished-*/scratch-3{SUFFIX}")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    assert main(command(workplace, variants=["scratch"], seeds=[2, 1, 3])) == 0
    assert result_of(workplace)["resumed"] == ["scratch-1"]


def test_two_runs_may_start_at_once_in_a_new_folder(workplace, processes):
    write_domains(workplace / "data")
    changes = [{"variants": ["scratch"], "seed": seed, "result_dir": str(workplace / str(seed))} for seed in (1, 2)]
    for process in [processes(workplace, command(workplace, **change)) for change in changes]:
        process.join(60)
        assert process.exitcode == 0, (workplace / "err").read_text()


def test_what_another_configuration_has_finished_is_not_taken(short, workplace, monkeypatch):
    start_from(workplace, short, with_bundle=True)

    def full(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("recbole_idp.run.run.save_result", full)
        assert main(command(workplace)) == 130
    (unfinished,) = (workplace / "data" / "saved").glob("unfinished-*")
    names = {path.name for path in unfinished.iterdir()}
    assert names == {f"{variant}-2020{suffix}" for variant in VARIANTS for suffix in (".json", SUFFIX)}
    for path in unfinished.glob("*.json"):
        outcome = json.loads(path.read_text())
        outcome["facts"]["test"]["hit@5"] = 0.125
        path.write_text(json.dumps(outcome))

    assert main(command(workplace, seed=7, result_dir=str(workplace / "other"))) == 0
    (other,) = (workplace / "other").glob("*.json")
    assert json.loads(other.read_text())["resumed"] == []

    # a lost checkpoint or a damaged note: that variant is trained again
    Path(json.loads((unfinished / "scratch-2020.json").read_text())["facts"]["checkpoint"]).unlink()
    (unfinished / "fine_tune-2020.json").write_text("{")
    assert main(command(workplace, show_progress=True)) == 0
    result = result_of(workplace)
    assert result["resumed"] == ["zero_shot-2020"]
    assert result["variants"]["zero_shot"]["test"]["hit@5"] == 0.125
    expected = metrics(result_of(short))
    assert all(metrics(result)[name] == expected[name] for name in ("scratch", "fine_tune"))
    assert not unfinished.exists()


# ---- a full disk


@pytest.mark.parametrize(
    ("limit", "what"),
    [(1 << 20, "pretrain-pens-lamps"), (12 << 10, "safetensors"), (400, "no space left")],
    ids=["bundle", "checkpoint", "logs"],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(limit, what, short, workplace, processes):
    start_from(workplace, short, with_bundle=False)
    # One title makes the list of items the largest file of the bundle, larger than any checkpoint.
    titles = workplace / "data" / "pens" / "pens.item"
    titles.write_text(titles.read_text().replace("red pen", "long " * 300_000 + "red pen"))
    process = processes(workplace, command(workplace, state="WARNING"), limit)
    process.join(60)
    err = (workplace / "err").read_text()
    assert process.exitcode == 2, err
    assert err.startswith("recbole-idp: no space left") and err.count("\n") == 1, err
    assert what in err
    assert_nothing_half_written(workplace)
    # What was trained before the bundle could not be written is there for the next run.
    assert [name.rpartition("-")[0] for name in saved(workplace)] == ["unfinished-pretrain"] * (limit == 1 << 20)
    assert main(command(workplace)) == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_output_that_is_full_is_one_line(workplace):
    with open("/dev/full", "w") as full:
        process = start_program("--dry_run", stdout=full)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert err.startswith("recbole-idp: no space left") and err.count("\n") == 1


@pytest.mark.slow
def test_control_c_on_the_program_itself(long, workplace):
    start_from(workplace, long, with_bundle=False)
    process = start_program(*command(workplace, **LONG), stdout=subprocess.DEVNULL, cwd=workplace)
    lines = []
    for line in process.stderr:
        # Once: the stage's last line has the word as well, and a second signal may meet an interpreter that ends.
        if "[pretrain] " in line and "[pretrain] " not in "".join(lines):
            process.send_signal(signal.SIGINT)
        lines.append(line)
    assert process.wait(60) == 130
    process.stderr.close()
    assert lines[-1].startswith("recbole-idp: interrupted")
    assert "Traceback" not in "".join(lines)
    assert_nothing_half_written(workplace)
    assert saved(workplace) == []
