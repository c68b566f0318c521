"""Ctrl-C, SIGTERM and SIGHUP: one line and the status of the signal, whatever else comes during the clean-up."""

import functools
import os
import pty
import select
import signal
import subprocess
import time

import pytest

from recbole_idp.cli.console import exit_status
from tests.support.commands import command
from tests.support.processes import children, on_terminal
from tests.support.python import ROOT, run_python, start_program

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
LONG = {"variants": ["fine_tune"], "state": "INFO", "pretrain_epochs": 200, "pretrain_stopping_step": 200}


def status_of(work):
    return exit_status(work, "program", "it is kept")


@pytest.fixture(autouse=True)
def handlers():
    """Tests that the handlers are afterwards what they were before."""
    before = [signal.getsignal(number) for number in ENDING]
    yield
    assert [signal.getsignal(number) for number in ENDING] == before


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_a_command_in_one_line(number, capsys):
    def work():
        signal.raise_signal(number)
        raise AssertionError("the signal was ignored")

    assert status_of(work) == 128 + number
    assert capsys.readouterr().err == "\nprogram: interrupted; it is kept\n"


def test_further_signals_do_not_disturb_the_clean_up(capsys):
    done = []

    def work():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            for number in ENDING:
                signal.raise_signal(number)
            done.append(True)

    assert status_of(work) == 130 and done
    assert capsys.readouterr().err.count("\n") == 2


def test_what_a_library_makes_of_a_signal_is_still_an_interruption(capsys):
    def work():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("a module could not be loaded") from None

    assert status_of(work) == 143
    assert capsys.readouterr().err == "\nprogram: interrupted; it is kept\n"


def test_a_signal_in_a_destructor_is_not_lost(capsys):
    class Interrupted:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    def work():
        Interrupted()
        time.sleep(20)
        raise AssertionError("the signal was lost")

    assert status_of(work) == 143
    assert capsys.readouterr().err == "\nprogram: interrupted; it is kept\n"


def test_a_signal_that_was_ignored_before_stays_ignored():
    def work():
        signal.raise_signal(signal.SIGHUP)
        return 0

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert status_of(work) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


# ---- real processes


def wait_for(process, path, text):
    """Waits until a running process has written a text to a file."""
    end = time.monotonic() + 120
    while not path.is_file() or text not in path.read_text(errors="replace"):
        assert process.is_alive() and time.monotonic() < end
        time.sleep(0.01)


def nothing_half_written(folder):
    return not [path for path in (folder / "data").rglob(".*") if path.suffix in (".tmp", ".lock")]


EARLY = """
import os, signal, sys

class Striking:
    def find_spec(self, name, path, target=None):
        if name == "recbole_idp.cli.console":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Striking())
"""
PROGRAMS = {
    "checkout": [str(ROOT / "run_recbole_idp.py")],
    "module": ["-m", "recbole_idp"],
    "console": ["-c", "import sys; from recbole_idp.__main__ import main; sys.exit(main())"],
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_control_c_before_anything_has_begun_is_silent(program, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(EARLY)
    done = run_python(*PROGRAMS[program], "--version", path=[tmp_path], cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.slow
def test_a_terminal_that_hangs_up_ends_a_run(domains, workplace, processes):
    ours, theirs = pty.openpty()
    process = processes(
        workplace, command(workplace, **LONG), confine=functools.partial(on_terminal, os.ttyname(theirs))
    )
    shown = b""
    while b"epoch 3 " not in shown:
        assert process.is_alive(), shown
        if select.select([ours], [], [], 1)[0]:
            shown += os.read(ours, 1 << 16)
    os.close(ours)
    os.close(theirs)
    os.kill(process.pid, signal.SIGHUP)
    process.join(60)
    assert process.exitcode == 129
    assert nothing_half_written(workplace)


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_control_c_again_and_again(pause, domains, workplace):
    process = start_program(*command(workplace, **LONG), stdout=subprocess.DEVNULL, cwd=workplace)
    lines = []
    for line in process.stderr:
        if "epoch 2 " in line and "evaluating" in line:
            break
        lines.append(line)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
    err = process.stderr.read()
    process.stderr.close()
    assert process.returncode == 130, err
    assert "Traceback" not in err and "Exception ignored" not in err
    assert err.rstrip().rpartition("\n")[2].startswith("recbole-idp: interrupted")
    assert nothing_half_written(workplace)
    assert list((workplace / "data" / "saved").glob("unfinished-pretrain-*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", ENDING[:2])
def test_the_jobs_of_a_leaderboard_end_with_it(number, domains, workplace, processes):
    changes = {"model": "PositionSASRec", "source_domains": None, "seeds": [1, 2], "jobs": 2, "epochs": 4000}
    argv = command(workplace, "leaderboard", **changes, stopping_step=4000, state="INFO")
    process = processes(workplace, argv)
    logs = workplace / "data" / "saved" / "leaderboard"
    end = time.monotonic() + 120
    while sum("epoch 3 " in log.read_text() for log in logs.glob("*/job.log")) < 2:
        assert process.is_alive() and time.monotonic() < end
        time.sleep(0.05)
    jobs = children(process.pid)
    assert len(jobs) == 2
    os.kill(process.pid, number)
    process.join(60)
    err = (workplace / "err").read_text()
    assert process.exitcode == 128 + number, err
    assert "Traceback" not in err and err.rstrip().rpartition("\n")[2].startswith("recbole-idp: interrupted")
    assert not [job for job in jobs if os.path.exists(f"/proc/{job}")]
    for log in logs.glob("*/job.log"):
        assert "Traceback" not in log.read_text() and "recbole-idp: interrupted" in log.read_text()
    assert nothing_half_written(workplace)
    assert len(list((workplace / "data" / "saved").glob("unfinished-*/*.latest.*"))) == 2
