"""Streams that are closed, or whose encoding lacks characters."""

import io
import os
import subprocess
import sys

import pytest

from recbole_idp.cli.streams import usable_streams
from tests.support.python import ROOT

NAME = "Büro"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a dataset whose name has an umlaut."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / NAME).mkdir()
    (folder / NAME / f"{NAME}.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\na\tb\t1\n")
    return folder


def run(data, redirection="", **environment):
    """Runs the task datasets in a shell; returns exit status, stdout and stderr."""
    command = f'"{sys.executable}" -m recbole_idp datasets --data_path="{data}" {redirection}'
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(["sh", "-c", command], capture_output=True, env=variables, check=False, timeout=120)
    return done.returncode, done.stdout, done.stderr


ALONE = [pytest.param(stream, marks=pytest.mark.slow) for stream in (">&-", "2>&-")]


@pytest.mark.parametrize("redirection", [*ALONE, "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(data, redirection):
    status, _, err = run(data, redirection)
    assert status == 0 and err == b""


def test_what_an_encoding_lacks_is_escaped(data):
    status, out, err = run(data, PYTHONIOENCODING="ascii")
    assert status == 0 and err == b"" and rb"B\xfcro" in out
    status, out, err = run(data, PYTHONIOENCODING="utf-8")
    assert status == 0 and err == b"" and NAME.encode() in out


def test_streams_of_other_programs_stay_as_they_are(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    monkeypatch.setattr(sys, "stdout", stream)
    usable_streams()
    assert sys.stdout is stream and stream.errors == "replace"
    monkeypatch.setattr(sys, "stdout", None)
    usable_streams()
    with sys.stdout as opened:
        assert opened.name == os.devnull
