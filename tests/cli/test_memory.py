"""Memory that runs out: one line that says so, exit status 2, and the next run goes on."""

import errno
import functools
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from recbole_idp.cli.memory import memory_line
from recbole_idp.testing.toy import write_domains
from tests.support.commands import command
from tests.support.python import ROOT

NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc here")
MIB = 1 << 20


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes"),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        ImportError("libx.so: failed to map segment from shared object"),
        SystemError("error return without exception set"),
    ],
    ids=lambda error: str(error)[:30] or "MemoryError",
)
def test_what_means_that_memory_ran_out(error):
    assert memory_line(error).startswith("not enough memory")
    outer = ValueError("a library's own words")
    outer.__cause__ = error
    assert memory_line(outer).startswith("not enough memory")


@pytest.mark.parametrize(
    "error", [ValueError("out of memory, said the title"), KeyError("memory"), OSError(errno.ENOENT, "no such file")]
)
def test_what_does_not_mean_that(error):
    assert memory_line(error) is None


def more(mebibytes):
    """Lets this process have only so much more address space than it has."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + mebibytes * MIB,) * 2)


WIDE = {"hidden_size": 2048, "inner_size": 4096}
CASES = {
    "training": ("run", {"model": "PositionSASRec", **WIDE}),
    "pre-training": ("pretrain", {"model": "IDP", **WIDE}),
    "the whole job": ("run", {"model": "IDP", "variants": ["fine_tune"]}),
}


@NEEDS_PROC
@pytest.mark.parametrize(
    "mebibytes", [pytest.param(0, marks=pytest.mark.slow), 16, pytest.param(60, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("case", CASES)
def test_a_limit_of_memory_is_one_line(case, mebibytes, processes, tmp_path):
    write_domains(tmp_path / "data")
    task, changes = CASES[case]
    process = processes(tmp_path, command(tmp_path, task, **changes), confine=functools.partial(more, mebibytes))
    process.join(120)
    err = (tmp_path / "err").read_text()
    if process.exitcode == 0:
        assert changes["model"] == "IDP" and task == "run" and err == ""
        return
    assert process.exitcode == 2, err
    assert err.startswith("recbole-idp: not enough memory") and err.count("\n") == 1, err
    assert "ulimit -v" in err
    assert not [path for path in (tmp_path / "data").rglob(".*") if path.suffix in (".tmp", ".lock")]
    if "hidden_size" not in changes:
        again = processes(tmp_path, command(tmp_path, task, **changes))
        again.join(120)
        assert again.exitcode == 0, (tmp_path / "err").read_text()


@NEEDS_PROC
@pytest.mark.slow
@pytest.mark.parametrize(("task", "gibibytes"), [("run", 0.1), ("run", 2), ("leaderboard", 1)])
def test_too_little_to_load_the_libraries_is_one_line(task, gibibytes, tmp_path):
    write_domains(tmp_path / "data")
    changes = {"model": "PositionSASRec", "source_domains": None}
    limit = int(gibibytes * 1024 * MIB)
    done = subprocess.run(
        [sys.executable, "-m", "recbole_idp", *command(tmp_path, task, **changes)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("recbole-idp: not enough memory") and done.stderr.count("\n") == 1, done.stderr
