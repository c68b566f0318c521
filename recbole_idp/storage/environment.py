"""What a result says of where it was made: the command, and the versions of the packages."""

import importlib.metadata
import shlex
import sys


def command_line(*program):
    """Returns the command that this process was started by, as a shell takes it and results tell it.

    Args:
        *program (str): The words before the options; none: as it was started.
    """
    started = ["python", sys.argv[0]] if sys.argv[0].endswith(".py") else sys.argv[:1]
    return shlex.join([*(program or started), *sys.argv[1:]])


PACKAGES = ("recbole_idp", "recbole", "torch", "numpy", "transformers", "sentence-transformers", "faiss-cpu")


def versions():
    """Returns the versions of the packages that results depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
