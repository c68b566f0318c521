"""A clock that goes back during runs and between them: no negative time, nothing written over, the same numbers."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from recbole_idp.report.result import read_ranks, read_result
from recbole_idp.testing.toy import write_domains
from tests.support import python
from tests.support.commands import command

SOURCE = Path(python.__file__).with_name("clock.c")


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    """Returns the environment of a program whose wall clock runs backwards."""
    compiler = shutil.which("cc")
    if compiler is None or not Path("/proc/self/maps").exists():
        pytest.skip("needs a C compiler on Linux")
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    code = "import time; before = time.time(); time.sleep(0.1); print(time.time() < before - 0.05)"
    assert python.run_python("-c", code, environment=environment).stdout.strip() == "True"
    return environment


def numbers(path):
    result = read_result(path)
    ranks = {name: part.tolist() for name, part in read_ranks(path).trials.items()}
    return {row: (one["test"], one["valid"]) for row, one in result["variants"].items()}, ranks


def times(value):
    """Yields all seconds that a result holds."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key in ("seconds", "stages"):
                yield from part.values() if isinstance(part, dict) else part if isinstance(part, list) else [part]
            elif key != "config":
                yield from times(part)
    elif isinstance(value, list):
        for part in value:
            yield from times(part)


@pytest.mark.slow
def test_a_clock_that_runs_backwards_changes_nothing(clock, tmp_path):
    write_domains(tmp_path / "data")
    argv = command(tmp_path, variants=["fine_tune", "scratch"])
    program = ("-m", "recbole_idp", *argv)
    before = python.run_python(*program, cwd=tmp_path)
    assert before.returncode == 0, before.stderr
    results = tmp_path / "data" / "results"
    (first,) = results.glob("*.json")
    # What is there was made in the future.
    later = time.time() + 90 * 24 * 3600
    for path in tmp_path.rglob("*"):
        os.utime(path, (later, later))
    content = {path: path.read_bytes() for path in results.iterdir()}
    saved = tmp_path / "data" / "saved"
    pretrained = {path: path.read_bytes() for path in saved.glob("pretrain-*/**/*") if path.is_file()}
    after = python.run_python(*program, cwd=tmp_path, environment=clock)
    assert after.returncode == 0 and after.stderr == "", after.stderr
    assert {path: path.read_bytes() for path in content} == content
    assert {path: path.read_bytes() for path in pretrained} == pretrained
    (second,) = (path for path in results.glob("*.json") if path != first)
    assert numbers(second) == numbers(first)
    seconds = [one for one in times(read_result(second)) if isinstance(one, (int, float))]
    assert seconds and min(seconds) >= 0
