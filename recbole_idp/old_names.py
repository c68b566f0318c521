"""Names of release 0.1 that moved: they are answered, with a DeprecationWarning, until release 0.3.

Nothing lies at the old places: a finder in ``sys.meta_path`` puts the module's new self there, so that each
class keeps one identity.
"""

import importlib
import importlib.machinery
import sys
import warnings
from typing import Any, NamedTuple


class Moved(NamedTuple):
    """Where something is now.

    Attributes:
        module (str): Its module.
        instead (str): What to write in place of the old import.
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
"""Packages that held them and are no more."""

ATTRIBUTES = {
    ("recbole_idp.config", "StrictConfig"): Moved("recbole_idp.config.strict", "from recbole_idp import StrictConfig"),
}
"""Old names in modules that are packages now."""


def install() -> None:
    """Let Python's import system answer old names; further calls change nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        # Before the others: an older checkout that is installed for editing may still have files of these names.
        sys.meta_path.insert(0, _Finder())


def attribute(module: str, name: str) -> Any:
    """Answer an old name of a module that is a package now; for the package's ``__getattr__``.

    Args:
        module (str): The package.
        name (str): The name.

    Returns:
        object: What the name stands for.

    Raises:
        AttributeError: It is none of :data:`ATTRIBUTES`.
    """
    moved = ATTRIBUTES.get((module, name))
    if moved is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    _warn(f"{module}.{name}", moved, stacklevel=4)
    return getattr(importlib.import_module(moved.module), name)


class _Finder:
    """Finds the modules of :data:`MODULES`, and empty packages to hold them."""

    def find_spec(self, name, path=None, target=None):
        """Answer Python's import system; None passes the question on."""
        if name in MODULES or name in PACKAGES:
            return importlib.machinery.ModuleSpec(name, _Loader(), is_package=name in PACKAGES)
        return None


class _Loader:
    """Puts a module's new self under its old name."""

    def create_module(self, spec):
        """Leave the making of an empty module to Python."""

    def exec_module(self, module):
        """Replace the empty module; a package stays empty."""
        name = module.__name__
        if name in MODULES:
            _warn(name, MODULES[name], stacklevel=3)
            sys.modules[name] = importlib.import_module(MODULES[name].module)


def _warn(name, moved, stacklevel):
    text = f"{name} is {moved.module} now, and its old name goes with release 0.3: {moved.instead}"
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)
