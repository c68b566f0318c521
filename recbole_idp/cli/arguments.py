"""The command line as a task and a dict of texts; what the texts mean is for the configuration to say."""

from recbole_idp.errors import UserError, nearest

SWITCHES = ("dry_run", "help")
"""Options of the command line itself, which need no value and are no keys of the configuration."""


def parse_arguments(argv, tasks, default="run"):
    """Splits the command line into the task and its options.

    Options are ``--key=value``, ``--key value``, or ``--flag`` alone, which means true.

    Args:
        argv (list[str]): The arguments after the program's name.
        tasks (Iterable[str]): The known tasks.
        default (str): The task where none is given.

    Returns:
        tuple[str, dict[str, str | bool]]: The task, and every option's text, or True for a flag.

    Raises:
        UserError: An argument is no task and no option, or an option is given twice with different values.
    """
    tasks = tuple(tasks)
    task, options = None, {}
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        if argument == "-h":
            argument = "--help"
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
            raise UserError(f"--{key} stands twice on the command line, as {options[key]} and {value}: keep one")
        options[key] = value
    return task or default, options


def _task(argument, task, tasks):
    if argument not in tasks:
        matches = nearest(argument, tasks)
        remedy = f"did you mean {matches[0]}?" if matches else f"choose one of {', '.join(tasks)}, or write --key=value"
        raise UserError(f"unknown task {argument!r}: {remedy}")
    if task not in (None, argument):
        raise UserError(f"two tasks on the command line, {task} and {argument}: give one")
    return argument
