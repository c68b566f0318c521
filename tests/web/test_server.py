"""The task serve: what is wrong is said at once, and Ctrl-C is its ordinary end."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from recbole_idp.cli.main import main
from recbole_idp.web import server
from tests.support.commands import refused
from tests.support.large import large_model
from tests.support.python import ROOT, python

PATIENCE = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "trained"
    large_model(60, width=16, length=10).save(folder)
    return folder


@pytest.fixture
def needs_extra():
    for package in server.PACKAGES:
        pytest.importorskip(package, reason="the extra serve is not installed")


def test_mistakes_are_refused_before_the_model_is_loaded(needs_extra, folder, tmp_path, capsys):
    assert "serve needs --trained: serve --trained=DIR" in refused(capsys, ["serve"])
    assert "there is no such folder" in refused(capsys, ["serve", "--trained=none"])
    assert "it has no trained.json" in refused(capsys, ["serve", f"--trained={tmp_path}"])
    trained = f"--trained={folder}"
    assert "port" in refused(capsys, ["serve", trained, "--port=65536"])
    assert "rate" in refused(capsys, ["serve", trained, "--rate=-1"])
    assert "no address of this machine" in refused(capsys, ["serve", trained, "--host=no such host"])
    assert "cannot listen at 192.0.2.1" in refused(capsys, ["serve", trained, "--host=192.0.2.1", "--port=0"])
    assert "give both, or none" in refused(capsys, ["serve", trained, "--image_field=poster"])
    assert "is no .item file" in refused(capsys, ["serve", trained, "--port=0", "--items=none.item"])
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refused(capsys, ["serve", trained, f"--port={port}"])
    assert f"port {port} of 127.0.0.1 is in use" in line and "--port=" in line


def test_a_folder_that_was_changed_is_refused(needs_extra, folder, tmp_path, capsys):
    changed = shutil.copytree(folder, tmp_path / "changed")
    (changed / "source_items.tsv").write_text("row\tdomain\titem_id\ttitle\n")
    assert "was changed" in refused(capsys, ["serve", f"--trained={changed}", "--port=0"])


@pytest.mark.parametrize("package", server.PACKAGES)
def test_a_missing_package_is_named_with_its_remedy(package, folder, capsys, monkeypatch):
    if package != server.PACKAGES[0]:
        pytest.importorskip(server.PACKAGES[0], reason="the extra serve is not installed")
    monkeypatch.setitem(sys.modules, package, None)
    line = refused(capsys, ["serve", f"--trained={folder}", "--port=0"])
    assert f"serve needs {package}" in line and 'pip install "recbole_idp[serve]"' in line


def test_serving_needs_neither_recbole_nor_what_it_needs(needs_extra, folder):
    code = (
        "import sys\n"
        "from recbole_idp.cli import tasks\n"
        "from recbole_idp.serving.load import load\n"
        "from recbole_idp.web.app import make_app\n"
        "from recbole_idp.web.catalogue import Catalogue\n"
        "catalogue = Catalogue(load(sys.argv[1]))\n"
        "make_app(catalogue)\n"
        "catalogue.prepare_search()\n"
        "catalogue.prepare_origins()\n"
        "heavy = {'recbole', 'transformers', 'sentence_transformers', 'pandas', 'sklearn', 'faiss', 'ray'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    assert python(code, arguments=[str(folder)]) == "[]"


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_it_answers_until_a_signal_ends_it_cleanly(needs_extra, folder, number):
    command = [sys.executable, str(ROOT / "run_recbole_idp.py"), "serve", f"--trained={folder}", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert "IDP on random, 60 items" in line and address, line + process.stderr.read()
            question = json.dumps({"history": ["i1"], "k": 2, "explain": True}).encode()
            request = urllib.request.Request(f"{address[0]}/recommend", question, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                assert len(json.load(answer)["answers"][0]["items"]) == 2
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "", "")


def test_its_help_lists_its_options(capsys):
    assert main(["help", "serve"]) == 0
    out = capsys.readouterr().out
    assert all(f"--{key}" in out for key in ("trained", "host", "port", "items", "image_field", "search", "rate"))
