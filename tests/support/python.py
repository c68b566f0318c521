"""Python in processes of its own, which import the checkout's package."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""


def run_python(*arguments, path=(), environment=None, **options):
    """Runs Python in a new process.

    Args:
        *arguments (str): Of the interpreter.
        path (Sequence[Path]): Folders in which modules are searched before the checkout.
        environment (dict[str, str] | None): All variables but the path of modules; None: those of this process.
        **options: More of ``subprocess.run``.

    Returns:
        subprocess.CompletedProcess: How it ended, and what it printed to stdout and stderr as text.
    """
    environment = _environment(path, os.environ if environment is None else environment)
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **options)


def python(code, *options, path=(), arguments=(), cwd=None):
    """Runs code, which must not fail, in a new process.

    Args:
        code (str): The code.
        *options (str): Of the interpreter.
        path (Sequence[Path]): Folders in which modules are searched before the checkout.
        arguments (Sequence[str]): What the code finds in ``sys.argv``.
        cwd (Path | None): The current folder.

    Returns:
        str: What it prints.
    """
    done = run_python(*options, "-c", code, *arguments, path=path, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def start_program(*argv, **options):
    """Starts the program of a checkout, whose stderr can be read; ``options`` are more of ``subprocess.Popen``."""
    command = [sys.executable, str(ROOT / "run_recbole_idp.py"), *argv]
    environment = _environment((), os.environ)
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, **options)


def _environment(path, variables):
    return {**variables, "PYTHONPATH": os.pathsep.join([*map(str, path), str(ROOT)])}
