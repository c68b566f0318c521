"""Where a command meets its user: what goes wrong becomes one line and an exit status."""

import contextlib
import logging
import os
import sys
import threading

from recbole_idp.errors import UserError
from recbole_idp.files import is_full

USER_ERROR, INTERRUPTED, BROKEN_PIPE = 2, 130, 141


def exit_status(work, program, interrupted):
    """Does the work of a command.

    Args:
        work (Callable[[], int]): Does it and returns the exit status.
        program (str): The command's name, which begins each line.
        interrupted (str): What Ctrl-C means for what was done so far.

    Returns:
        int: What ``work`` returns, or 2 (the user can fix this), 130 (interrupted), 141 (nobody reads any more).
    """
    try:
        with _logs_may_fail():
            status = work()
            sys.stdout.flush()
        return status
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted; {interrupted}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone.
        _drop_output()
        return BROKEN_PIPE
    except OSError as error:
        if not is_full(error):
            raise
        _drop_output()
        where = f" to write {error.filename}" if error.filename else " on the disk, or for a file of this size"
        print(f"{program}: no space left{where}: free some, or choose other folders", file=sys.stderr)
        return USER_ERROR


def _drop_output():
    """Sends what cannot be written to stdout nowhere: Python would flush it once more on exit and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _logs_may_fail():
    """Lets a log that finds the disk full say nothing: what has to be written says it, in one line.

    Python's logging and the thread in which TensorBoard's writer works would print a traceback for each record.
    """
    raises, hook = logging.raiseExceptions, threading.excepthook

    def quiet(failure):
        if not (isinstance(failure.exc_value, OSError) and is_full(failure.exc_value)):
            hook(failure)

    logging.raiseExceptions, threading.excepthook = False, quiet
    try:
        yield
    finally:
        logging.raiseExceptions, threading.excepthook = raises, hook
