"""The whole job: what a run does, from source data to a table.

``recbole_idp.run`` is this package and also the public function: importing any module in here makes Python set the
attribute ``run`` of ``recbole_idp`` to the package, so that the package itself has to be callable.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recbole.config import Config


class _CallablePackage(types.ModuleType):
    """A package that does, when it is called, what its function ``run`` does."""

    def __call__(self, config: Config) -> dict[str, Any]:
        """Run a configuration; see :func:`recbole_idp.run.run.run`."""
        from recbole_idp.run.run import run

        return run(config)


sys.modules[__name__].__class__ = _CallablePackage
