"""The command line: one small function per task.

Tasks import what they need: PyTorch and RecBole take seconds, and even without YAML there is one clear line.
"""

from __future__ import annotations

import importlib.util
import platform
import sys

import recbole_idp
from recbole_idp import compat
from recbole_idp.cli.arguments import parse_arguments
from recbole_idp.cli.console import exit_status
from recbole_idp.cli.memory import check_loadable, quiet_about_memory
from recbole_idp.cli.signals import end_undisturbed, ignore_at_the_end
from recbole_idp.cli.streams import usable_streams
from recbole_idp.cli.tasks import PROGRAM, TASKS, task_help
from recbole_idp.cli.threads import share_processors
from recbole_idp.cli.torchrun import join_torchrun
from recbole_idp.errors import UserError
from recbole_idp.storage.environment import versions

# The modules with PyTorch and RecBole that tasks need.
_LOADED = {
    **dict.fromkeys(("run", "pretrain", "leaderboard", "warm-up", "inspect"), "recbole_idp.run.run"),
    **dict.fromkeys(("recommend", "add-items", "export", "serve", "push"), "recbole_idp.serving.load"),
}

# Tasks whose first word may be the value of a key.
_FIRST = {"keys": "model", "completion": "shell"}


def main(argv: list[str] | None = None) -> int:
    """Run the task that the command line names.

    Args:
        argv: The arguments after the program's name; None: those of this process.

    Returns:
        The exit status: 0, 1 (doctor has found a problem), 2 (one line says why), 3 (the study of a leaderboard
        has ended the training), 130, 143 or 129 (ended by Ctrl-C, SIGTERM, SIGHUP), 141 (the reader of the output is
        gone).
    """
    share_processors()
    usable_streams()
    if argv is None:
        # The command is this whole process.
        end_undisturbed()
        quiet_about_memory()
    arguments = sys.argv[1:] if argv is None else argv
    interrupted = "finished stages are kept, the same command resumes there"
    status = exit_status(lambda: _dispatch(arguments), PROGRAM, interrupted, arguments)
    if argv is None:
        ignore_at_the_end()
    return status


def _beside() -> str:
    """Return the versions of what the command runs on, without importing it; what is missing is left out."""
    others = {name: version for name, version in versions().items() if name in ("recbole", "torch")}
    return (
        f" ({', '.join(f'{name} {version}' for name, version in others.items())}, Python {platform.python_version()})"
    )


def _dispatch(argv: list[str]) -> int:
    """Run the task of a command line, and return its exit status."""
    if len(argv) > 1 and argv[0] in _FIRST and not argv[1].startswith("-"):
        argv = [argv[0], f"--{_FIRST[argv[0]]}={argv[1]}", *argv[2:]]
    if len(argv) > 1 and argv[0] == "help" and argv[1] in TASKS:
        argv = [argv[1], "--help"]
    task, options = parse_arguments(argv, TASKS)
    options.pop("debug", None)
    if options.pop("version", False):
        print(f"{PROGRAM} {recbole_idp.__version__}{_beside()}")
        return 0
    if options.pop("help", False):
        if task in argv:
            print(task_help(task))
            return 0
        task = "help"
    # doctor lists the problems one by one, if it can run at all
    readable = importlib.util.find_spec("yaml") is not None
    if task != "help" and not (task == "doctor" and readable) and (problems := compat.check_versions()):
        raise UserError(compat.summary(problems))
    if "dry_run" in options and not TASKS[task].dry:
        dry = " and ".join(name for name in TASKS if TASKS[name].dry)
        raise UserError(f"--dry_run has no meaning for {task}: it belongs to {dry}")
    if (needed := _LOADED.get(task)) is not None:
        check_loadable(needed)
    if join_torchrun(task, options):
        return 0
    return TASKS[task].do(options)
