"""Imports point down, and a paper's folder imports no other paper's: the contracts of pyproject.toml."""

import pytest

from tests.support.python import ROOT


def test_imports_keep_the_contracts(monkeypatch):
    linter = pytest.importorskip("importlinter.cli")
    monkeypatch.chdir(ROOT)
    assert linter.lint_imports(no_cache=True) == linter.EXIT_STATUS_SUCCESS


def test_at_most_eight_files_lie_flat():
    package = ROOT / "recbole_idp"
    assert len(list(package.glob("*.py"))) <= 8
