"""Describe where a result was made: the command, and the versions of the packages."""

import importlib.metadata
import shlex
import sys

from recbole_idp.compat import version_of


def command_line(*program: str) -> str:
    """Return the command that started this process, quoted for a shell.

    Args:
        *program: The words before the options; by default those that started the process.
    """
    started = ["python", sys.argv[0]] if sys.argv[0].endswith(".py") else sys.argv[:1]
    return shlex.join([*(program or started), *sys.argv[1:]])


PACKAGES = ("recbole_idp", "recbole", "torch", "numpy", "transformers", "faiss-cpu")


def versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version_of(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
