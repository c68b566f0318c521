"""Old names of release 0.1, which work, with a DeprecationWarning, until release 0.3.

There are no files at the old places: a finder in ``sys.meta_path`` returns the new module, so that each class keeps one
identity.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import types


class Moved(NamedTuple):
    """The new place of a module or name.

    Attributes:
        module: The new module.
        instead: The import that replaces the old one.
    """

    module: str
    instead: str


MODULES = {
    "recbole_idp.model.sequence_model": Moved(
        "recbole_idp.models.base.sequence_model", "from recbole_idp import SequenceModel"
    ),
    "recbole_idp.quick_start": Moved("recbole_idp.run.run", "from recbole_idp import run"),
    "recbole_idp.trainer.base": Moved(
        "recbole_idp.train.trainer", "from recbole_idp.train.trainer import SequenceTrainer"
    ),
}
"""Old modules."""

PACKAGES = frozenset(name.rpartition(".")[0] for name in MODULES) - {"recbole_idp"}
"""The former packages of these modules."""

ATTRIBUTES = {
    ("recbole_idp.config", "StrictConfig"): Moved("recbole_idp.config.strict", "from recbole_idp import StrictConfig"),
}
"""Old names in modules that are packages now."""


def install() -> None:
    """Install the import finder of old names; further calls have no effect."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        # Before the others: an older checkout that is installed for editing may still have files of these names.
        sys.meta_path.insert(0, _Finder())


def attribute(module: str, name: str) -> Any:
    """Return an old name of a module that is a package now; for the package's ``__getattr__``.

    Args:
        module: The package.
        name: The name.

    Returns:
        The object of this name.

    Raises:
        AttributeError: It is none of :data:`ATTRIBUTES`.
    """
    moved = ATTRIBUTES.get((module, name))
    if moved is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    _warn(f"{module}.{name}", moved, stacklevel=4)
    return getattr(importlib.import_module(moved.module), name)


class _Finder:
    """Import finder of :data:`MODULES`, and of empty packages that contain them."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module for Python's import system; None leaves it to other finders."""
        if name in MODULES or name in PACKAGES:
            return importlib.machinery.ModuleSpec(name, _Loader(), is_package=name in PACKAGES)
        return None


class _Loader(importlib.abc.Loader):
    """Import loader that returns the new module under its old name."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Let Python create an empty module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Replace the empty module by the new one; a package stays empty."""
        name = module.__name__
        if name in MODULES:
            _warn(name, MODULES[name], stacklevel=3)
            sys.modules[name] = importlib.import_module(MODULES[name].module)


def _warn(name: str, moved: Moved, stacklevel: int) -> None:
    """Warn that a name has moved."""
    text = f"{name} is {moved.module} now, and its old name goes with release 0.3: {moved.instead}"
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)
