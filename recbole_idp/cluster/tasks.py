"""The Ray cluster that ``RAY_ADDRESS`` names, or one of this machine alone: jobs, shares of a training, blocks of work.

Its machines have this package, and see the same folders under the same names.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from recbole_idp.compat import RAY_REMEDY, STAND_IN
from recbole_idp.errors import UserError


def connect() -> Any:
    """Join the cluster, once in a process.

    Returns:
        The module ``ray``.

    Raises:
        UserError: Ray is not installed.
    """
    remedy = f"{RAY_REMEDY}, or use --engine=local"
    try:
        import ray
    except ImportError as error:
        raise UserError(f"engine ray needs Ray, which cannot be imported ({error}): {remedy}") from error
    if ray.__version__.endswith(STAND_IN):
        raise UserError(f"engine ray needs Ray, for which a stand-in is installed: {remedy}")
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    return ray


def task(function: Callable[..., Any], threads: int, **options: Any) -> Any:
    """Return a function as a task of the cluster, whose processes import this package.

    Args:
        function: The function, of a module of this package.
        threads: Its threads, asked for as processors.
        **options: Further options of ``ray.remote``.
    """
    environment = {"env_vars": {"PYTHONPATH": python_path(), "OMP_NUM_THREADS": str(threads)}}
    return connect().remote(num_cpus=threads, runtime_env=environment, **options)(function)


def python_path() -> str:
    """Return a ``PYTHONPATH`` with the package, so that a checkout works without being installed."""
    return os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))


def in_order(start: Callable[[Any], Any], work: Iterable[Any], at_a_time: int) -> Iterator[Any]:
    """Yield the results of tasks in the order of the work, of which little more is read than runs at a time.

    Args:
        start: Starts the task of a piece of work, and returns its reference.
        work: The pieces.
        at_a_time: Tasks that run, or wait for a processor, at a time.

    Raises:
        UserError: A task has failed.
    """
    ray, running = connect(), deque[Any]()
    try:
        for piece in work:
            running.append(start(piece))
            if len(running) >= at_a_time:
                yield _result(ray, running.popleft())
        while running:
            yield _result(ray, running.popleft())
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _result(ray: Any, reference: Any) -> Any:
    """Wait for the result of a task."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        line = str(error).strip().partition("\n")[0]
        raise UserError(f"a task of the Ray cluster was lost ({line}): start the same command again") from error
