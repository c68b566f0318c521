"""Imports point down, and a paper's folder imports no other paper's: the contracts of pyproject.toml."""

from pathlib import Path

import pytest


def test_imports_keep_the_contracts(monkeypatch):
    linter = pytest.importorskip("importlinter.cli")
    monkeypatch.chdir(Path(__file__).resolve().parents[1])
    assert linter.lint_imports(no_cache=True) == linter.EXIT_STATUS_SUCCESS


def test_at_most_eight_files_lie_flat():
    package = Path(__file__).resolve().parents[1] / "recbole_idp"
    assert len(list(package.glob("*.py"))) <= 8
