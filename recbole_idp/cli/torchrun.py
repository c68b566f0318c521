"""Start a job by torchrun: its first process runs it, and the others take part in its trainings."""

from __future__ import annotations

from recbole_idp.cli.arguments import Options
from recbole_idp.errors import UserError
from recbole_idp.train.processes.torchrun import process_count, process_number

_TASKS = ("run", "pretrain")


def join_torchrun(task: str, options: Options) -> bool:
    """Join the processes that torchrun has started, where it has.

    Args:
        task: The task of the command line.
        options: Its options, to which ``nproc`` is added.

    Returns:
        Whether this process has been a worker, and there is nothing more to do.

    Raises:
        UserError: The task is none that several processes can share.
    """
    count = process_count()
    if count < 2:
        return False
    from recbole_idp.leaderboard.plan import is_leaderboard

    if task not in _TASKS or is_leaderboard(options):
        job = "leaderboard" if task in _TASKS else task
        raise UserError(
            f"torchrun starts {' and '.join(_TASKS)} alone, and this is {job}: start it without torchrun, with "
            f"--nproc={count} where it trains"
        )
    from recbole_idp.train.processes.group import processes
    from recbole_idp.train.processes.worker import serve_torchrun

    if process_number() > 0:
        serve_torchrun()
        return True
    # Meets the others now: they would wait for a job that trains nothing.
    processes(count)
    options.setdefault("nproc", str(count))
    return False
