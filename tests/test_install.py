"""The wheel: it works outside the checkout, properties included, and says what it needs."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from recbole_idp import __version__, compat

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Builds the wheel from a copy of the sources, so that nothing is left in the checkout."""
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("recbole_idp", "properties"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, folder / "source")
    # no build isolation: the test needs no network
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_every_module_and_every_properties_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recbole_idp").rglob("*.py")}
    assert modules <= names
    properties = {path.relative_to(ROOT).as_posix() for path in (ROOT / "properties").rglob("*.yaml")}
    assert {f"recbole_idp/{name}" for name in properties} <= names
    assert not [name for name in names if name.startswith(("tests/", "properties/"))]


def test_wheel_works_in_an_empty_folder(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "recbole_idp", "--dry_run"]
    done = subprocess.run(command, cwd=tmp_path / "empty", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "properties/overall.yaml" in done.stdout and "properties/model/IDP.yaml" in done.stdout
    assert list((tmp_path / "empty").iterdir()) == []


def test_wheel_says_what_it_needs(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (folder,) = tmp_path.glob("*.dist-info")
    metadata = importlib.metadata.Distribution.at(folder)
    assert metadata.version == __version__
    assert metadata.metadata["Requires-Python"] == f"<{compat.PYTHON.high},>={compat.PYTHON.low}" or (
        metadata.metadata["Requires-Python"] == f">={compat.PYTHON.low},<{compat.PYTHON.high}"
    )
    (point,) = [point for point in metadata.entry_points if point.group == "console_scripts"]
    assert (point.name, point.value) == ("recbole-idp", "recbole_idp.cli:main")
    needs = dict(_split(line) for line in metadata.requires if "extra ==" not in line)
    # what is checked again at run time has the same bounds there
    for name, bound in compat.BOUNDS.items():
        expected = {f"=={bound.low}"} if name == "recbole" else {f">={bound.low}", f"<{bound.high}"}
        assert needs[name] == expected


def _split(requirement):
    """Returns "numpy<2,>=1.23" as its name and the set of its bounds."""
    start = min(requirement.index(sign) for sign in "<>=" if sign in requirement)
    return requirement[:start], set(requirement[start:].split(","))
