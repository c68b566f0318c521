"""What is built: wheel and sdist work outside the checkout, properties included, and say what they need."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from recbole_idp import __version__, compat
from tests.floors import PATH as FLOORS
from tests.floors import floors
from tests.support.python import ROOT

FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md")
SOURCES = ("recbole_idp", "properties", "compat", "tests", *FILES)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Copies the sources, so that nothing is left in the checkout, into a folder whose name has to be quoted."""
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("built") / "the source #1"
    folder.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def build_wheel(source, place, release=False):
    """Builds a wheel of the sources into a folder and returns its path."""
    if Version(importlib.metadata.version("setuptools")) < Version("70.1"):
        pytest.importorskip("wheel", reason="setuptools before 70.1 builds wheels with the package wheel alone")
    # no build isolation: the test needs no network
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(place), str(source)]
    environment = {**os.environ, "RECBOLE_IDP_RELEASE": str(int(release))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    (path,) = place.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    """Builds the wheel of a checkout."""
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


def metadata(wheel, place):
    """Returns the metadata of a wheel, and its requirements by name without those of extras."""
    zipfile.ZipFile(wheel).extractall(place)
    (folder,) = place.glob("*.dist-info")
    distribution = importlib.metadata.Distribution.at(folder)
    requirements = [Requirement(line) for line in distribution.requires if "extra ==" not in line]
    return distribution, {requirement.name: requirement for requirement in requirements}


def test_wheel_holds_every_module_and_every_properties_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recbole_idp").rglob("*.py")}
    assert modules <= names
    properties = {path.relative_to(ROOT).as_posix() for path in (ROOT / "properties").rglob("*.yaml")}
    assert {f"recbole_idp/{name}" for name in properties} <= names
    page = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recbole_idp" / "web" / "static").iterdir()}
    assert len(page) == 5 and page <= names
    assert not [name for name in names if name.startswith(("tests/", "properties/", "compat/"))]


def test_wheel_works_in_an_empty_folder(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "recbole_idp", "--dry_run"]
    done = subprocess.run(command, cwd=tmp_path / "empty", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "properties/overall.yaml" in done.stdout and "properties/model/IDP.yaml" in done.stdout
    assert list((tmp_path / "empty").iterdir()) == []


def test_wheel_says_what_it_needs(source, wheel, tmp_path):
    distribution, needs = metadata(wheel, tmp_path)
    assert distribution.version == __version__
    wanted = {f">={compat.PYTHON.low}", f"<{compat.PYTHON.high}"}
    assert set(distribution.metadata["Requires-Python"].split(",")) == wanted
    (point,) = [point for point in distribution.entry_points if point.group == "console_scripts"]
    assert (point.name, point.value) == ("recbole-idp", "recbole_idp.__main__:main")
    # what is checked again at run time has the same bounds there
    for name, bound in compat.BOUNDS.items():
        expected = {f"=={bound.low}"} if name == "recbole" else {f">={bound.low}", f"<{bound.high}"}
        assert set(map(str, needs[name].specifier)) == expected
    # a blank and a number sign are not taken for the end of the place
    assert needs["ray"].url == (source / "compat" / "ray").as_uri() and "%20" in needs["ray"].url


def test_a_release_names_no_folder_and_needs_recbole_where_its_ray_has_a_wheel(source, tmp_path):
    (tmp_path / "wheel").mkdir()
    _, needs = metadata(build_wheel(source, tmp_path / "wheel", release=True), tmp_path)
    assert not [requirement for requirement in needs.values() if requirement.url]
    assert "ray" not in needs and needs["recbole"].marker.evaluate({"python_version": "3.11"})
    assert not needs["recbole"].marker.evaluate({"python_version": "3.12"})
    # what RecBole needs is there before it is added without its requirements
    assert {_normal(name) for name in _recbole_needs()} - {_normal(name) for name in needs} == {"ray"}
    added = [name for name, requirement in needs.items() if requirement.marker is not None and name != "recbole"]
    assert {name: needs[name].specifier for name in added} == {name: _recbole_needs()[name].specifier for name in added}


def test_the_sdist_holds_what_its_own_setup_needs(source, tmp_path):
    code = f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"compat/ray/pyproject.toml", "compat/ray/ray/__init__.py", "compat/ray/ray/tune/__init__.py"} <= names
    assert {"properties/overall.yaml", "tests/conftest.py", "tests/floors.txt"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("compat/ray/build")]


def test_the_stand_in_satisfies_recbole():
    (line,) = [line for line in importlib.metadata.requires("recbole") if line.startswith("ray")]
    declared = (ROOT / "compat" / "ray" / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = [line.split('"')[1] for line in declared.splitlines() if line.startswith("version")]
    assert Requirement(line).specifier.contains(version) and version.endswith(compat.STAND_IN)


def test_floors_are_those_of_setup(wheel, tmp_path):
    distribution, _ = metadata(wheel, tmp_path)
    assert FLOORS.read_text(encoding="utf-8") == floors(distribution.requires), "run python tests/floors.py"


def _recbole_needs():
    requirements = [Requirement(line) for line in importlib.metadata.requires("recbole") if "extra ==" not in line]
    return {requirement.name: requirement for requirement in requirements}


def _normal(name):
    return name.lower().replace("_", "-")
