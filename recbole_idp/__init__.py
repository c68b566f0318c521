"""recbole_idp: ID-centric cross-domain transfer for RecBole.

``import recbole_idp`` is enough for RecBole's own functions to find the plugin's models. It imports neither PyTorch nor
RecBole, which take seconds: the public names below are imported from their modules on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from recbole_idp import old_names
from recbole_idp.errors import UserError
from recbole_idp.hooks import register
from recbole_idp.registry import add_model

if TYPE_CHECKING:
    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.content.text.own.fill import write_text_vectors
    from recbole_idp.leaderboard.python import leaderboard
    from recbole_idp.models.base.sequence_model import SequenceModel
    from recbole_idp.report.displayed.leaderboard import read_leaderboard
    from recbole_idp.report.result import read_ranks, read_result
    from recbole_idp.run.run import pretrain, run
    from recbole_idp.serving.load import load

__all__ = [
    "SequenceModel",
    "StrictConfig",
    "UserError",
    "__version__",
    "add_model",
    "leaderboard",
    "load",
    "pretrain",
    "read_leaderboard",
    "read_ranks",
    "read_result",
    "register",
    "run",
    "write_text_vectors",
]

__version__ = "0.1.0"

_MODULE_OF = {
    "SequenceModel": "recbole_idp.models.base.sequence_model",
    "StrictConfig": "recbole_idp.config.strict",
    "load": "recbole_idp.serving.load",
    "pretrain": "recbole_idp.run.run",
    "read_leaderboard": "recbole_idp.report.displayed.leaderboard",
    "read_ranks": "recbole_idp.report.result",
    "read_result": "recbole_idp.report.result",
    "write_text_vectors": "recbole_idp.content.text.own.fill",
}

old_names.install()
register()


def __getattr__(name: str) -> Any:
    """Import a public name from its module, once."""
    if name in ("run", "leaderboard"):
        # The function and the folder share this name: the folder can be called (see its __init__.py).
        return importlib.import_module(f"recbole_idp.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names of the package, with public ones that are not imported yet."""
    return sorted({*globals(), *__all__})
