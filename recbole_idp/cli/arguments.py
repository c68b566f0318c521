"""Split the command line into a task and the texts of its options; the configuration converts the texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recbole_idp.errors import UserError, nearest

Options = dict[str, str | bool]
"""The options of a command line: the text of each, or True for a flag."""

SWITCHES = ("debug", "dry_run", "help", "version")
"""Options of the command line itself, which take no value and are no keys of the configuration."""

# RecBole's script has the last two.
_SHORT = {"-h": "--help", "-m": "--model", "-d": "--dataset"}


def parse_arguments(argv: list[str], tasks: Iterable[str], default: str = "run") -> tuple[str, Options]:
    """Split the command line into the task and its options.

    Options are ``--key=value``, ``--key value``, or ``--flag`` alone, which means true; ``-m`` and ``-d`` are
    ``--model`` and ``--dataset``.

    Args:
        argv: The arguments after the program's name.
        tasks: The known tasks.
        default: The task if none is given.

    Returns:
        The task, and the text of each option, or True for a flag.

    Raises:
        UserError: An argument is no task and no option, or an option is given twice with different values.
    """
    tasks = tuple(tasks)
    task: str | None = None
    options: Options = {}
    value: str | bool
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        argument = _SHORT.get(argument, argument)
        if not argument.startswith("--"):
            task = _task(argument, task, tasks)
            continue
        key, equals, value = argument[2:].partition("=")
        if not key.isidentifier():
            raise UserError(f"{argument!r} on the command line is no option: write --key=value")
        if not equals:
            takes_next = key not in SWITCHES and rest and not rest[0].startswith("--") and rest[0] not in tasks
            value = rest.pop(0) if takes_next else True
        if key in options and options[key] != value:
            raise UserError(f"--{key} is given twice, as {options[key]} and {value}: keep one")
        options[key] = value
    return task or default, options


def given_options(arguments: Iterable[str]) -> dict[str, str | bool]:
    """Return those options of a command line, valid or not, that are written as ``--key=value``.

    Args:
        arguments: The arguments after the program's name.
    """
    pairs = (argument[2:].partition("=") for argument in arguments if argument.startswith("--"))
    return {key: value for key, equals, value in pairs if equals}


def _task(argument: str, task: str | None, tasks: Sequence[str]) -> str:
    """Return an argument that is a task; raise UserError if it is unknown, or a second one."""
    if argument not in tasks:
        if argument.endswith((".yaml", ".yml")):
            raise UserError(f'{argument} stands alone on the command line: write --config_files="a.yaml b.yaml"')
        matches = nearest(argument, tasks)
        remedy = f"did you mean {matches[0]}?" if matches else f"choose one of {', '.join(tasks)}, or write --key=value"
        raise UserError(f"unknown task {argument!r}: {remedy}")
    if task not in (None, argument):
        raise UserError(f"two tasks on the command line, {task} and {argument}: give one")
    return argument
