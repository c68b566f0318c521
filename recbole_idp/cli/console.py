"""Turn the errors of a command into one line and an exit status."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence

from recbole_idp.cli.arguments import given_options
from recbole_idp.cli.memory import memory_line
from recbole_idp.cli.printed import printable_output
from recbole_idp.cli.signals import interruption
from recbole_idp.errors import UserError
from recbole_idp.storage.files import is_full
from recbole_idp.terminal.printable import printable

DEBUG = "--debug"
USER_ERROR, BROKEN_PIPE = UserError.exit_status, 141
# What the system refuses because of a path that somebody gave, or of the machine: no fault of the program.
_OF_THE_PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.ENOTDIR}


def exit_status(work: Callable[[], int], program: str, interrupted: str, arguments: Sequence[str] = ()) -> int:
    """Run a command.

    Args:
        work: Does the work and returns the exit status.
        program: Name of the command, which begins each line.
        interrupted: What happens to finished work after Ctrl-C.
        arguments: The command line; ``--debug`` shows the traceback of an error above its line.

    Returns:
        The result of ``work``; or where an error ends it 2, or what a :class:`UserError` says; or 130, 143 or 129
        (Ctrl-C, SIGTERM, SIGHUP), 141 (the reader of the output is gone).
    """
    with interruption() as received:
        try:
            with _logs_may_fail(), printable_output():
                status = received.unmistaken(work)
                sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            # The terminal may be gone, which is why SIGHUP is sent.
            with contextlib.suppress(OSError):
                print(f"\n{program}: interrupted; {interrupted}", file=sys.stderr)
            _drop_output()
            return received.exit_status
        except BrokenPipeError:
            # The reader (head, less) has gone.
            _drop_output()
            return BROKEN_PIPE
        except (Exception, SystemExit) as error:  # RecBole ends the process for some values
            if isinstance(error, OSError):
                _drop_output()
            if DEBUG in arguments:
                traceback.print_exception(error)
            print(f"{program}: {_line(error, arguments)}", file=sys.stderr)
            return error.exit_status if isinstance(error, UserError) else USER_ERROR


def _line(error: BaseException, arguments: Sequence[str]) -> str:
    """Return the line for an error that ends a command."""
    if isinstance(error, UserError):
        return str(error)
    if (line := memory_line(error)) is not None:
        return line
    if isinstance(error, OSError) and (is_full(error) or (error.errno in _OF_THE_PLACE and error.filename is not None)):
        return _refused(error)
    from recbole_idp.cli.unexpected import unexpected_line

    return unexpected_line(error, given_options(arguments))


def _refused(error: OSError) -> str:
    """Return what the operating system refused, and the remedy."""
    if not is_full(error):
        return f"cannot use {printable(error.filename)} ({error.strerror}): check the path and its permissions"
    where = f" to write {error.filename}" if error.filename else " on the disk, or for a file of this size"
    return f"no space left{where}: free some, or choose other folders"


def _drop_output() -> None:
    """Discard output that cannot be written: Python would flush it again on exit and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _logs_may_fail() -> Iterator[None]:
    """Silence logs on a full disk: the write that matters reports it, in one line.

    Python's logging and the thread in which TensorBoard's writer works would print a traceback for each record.
    """
    raises, hook = logging.raiseExceptions, threading.excepthook

    def quiet(failure: threading.ExceptHookArgs) -> None:
        error = failure.exc_value
        if not ((isinstance(error, OSError) and is_full(error)) or (error is not None and memory_line(error))):
            hook(failure)

    logging.raiseExceptions, threading.excepthook = False, quiet
    try:
        yield
    finally:
        logging.raiseExceptions, threading.excepthook = raises, hook
