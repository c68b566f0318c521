"""End a command by Ctrl-C, SIGTERM or SIGHUP in one way: once, with its clean-up done."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TypeVar

PATIENCE = 30.0
"""Seconds in which further signals do not disturb the clean-up after the first one."""

T = TypeVar("T")
_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interruption:
    """The signals that end a command.

    The first raises KeyboardInterrupt wherever the program stands. While its clean-up runs, others are ignored: a
    second Ctrl-C, or a SIGTERM after the hang-up of a terminal. Where a library has swallowed the exception, a signal
    after :data:`PATIENCE` seconds raises it again.

    Attributes:
        number (int | None): The first signal; None: there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._since = 0.0

    @property
    def exit_status(self) -> int:
        """What a shell says of a process that the signal has ended: 130, 143 or 129."""
        return 128 + (self.number or signal.SIGINT)

    def unmistaken(self, work: Callable[[], T]) -> T:
        """Do some work and return its result; raise KeyboardInterrupt whatever a library has made of it.

        A terminal that has hung up makes errors of its own in the clean-up.
        """
        try:
            return work()
        except BaseException as error:
            if self.number is None:
                raise
            raise KeyboardInterrupt from error

    def swallowed(self) -> None:
        """Raise the exception again a little later: Python has dropped it, in a destructor or a callback from C."""
        self._since = -PATIENCE
        timer = threading.Timer(0.05, os.kill, [os.getpid(), self.number])
        timer.daemon = True
        timer.start()

    def __call__(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal."""
        now = time.monotonic()
        if self.number is not None and now - self._since < PATIENCE:
            return
        self.number, self._since = self.number or number, now
        raise KeyboardInterrupt


@contextlib.contextmanager
def interruption() -> Iterator[Interruption]:
    """Yield what handles signals in the block, and restore the handlers after it.

    A signal that whoever started the process had ignored stays so: SIGHUP under ``nohup``, SIGINT in the background.
    Outside the main thread, where Python handles no signals, nothing is changed.
    """
    received, show = Interruption(), sys.unraisablehook

    def unraisable(dropped: sys.UnraisableHookArgs) -> None:
        if received.number is not None and isinstance(dropped.exc_value, KeyboardInterrupt):
            received.swallowed()
        else:
            show(dropped)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in _ENDING}
        before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    try:
        sys.unraisablehook = unraisable
        for number in before:
            signal.signal(number, received)
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = show


def ignore_at_the_end() -> None:
    """Ignore signals while the process ends: Python takes its handlers back, and one more Ctrl-C would kill it."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def end_undisturbed() -> None:
    """Let signals do nothing outside :func:`interruption`: before it nothing is done, after it the process ends.

    Python would print a traceback.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
