"""Packages of the plugin that share their name with a public function.

Importing any module of such a package makes Python set the attribute of ``recbole_idp`` to the package, so that the
package itself has to be callable.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any


class _CallablePackage(types.ModuleType):
    """A package that does, when it is called, what a function in one of its modules does."""

    called: str

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function, whose module is imported then."""
        module, _, name = self.called.partition(":")
        return getattr(importlib.import_module(module), name)(*arguments, **keywords)


def make_callable(package: str, function: str) -> None:
    """Let a package be called.

    Args:
        package: Its name; it is being imported.
        function: What it does then, as "module:function".
    """
    module = sys.modules[package]
    module.__class__ = _CallablePackage
    module.called = function  # type: ignore[attr-defined]  # of the class that it has now
