"""Say in a line each what the stages of a long conversion have done."""

import time

from recbole_idp.terminal.printable import printable


class Stages:
    """The stages of one conversion.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self._count, self._done, self._started = count, 0, time.perf_counter()

    def done(self, what: str) -> None:
        """Print that the next stage has ended.

        Args:
            what: What it has done.
        """
        self._done += 1
        seconds, self._started = time.perf_counter() - self._started, time.perf_counter()
        print(printable(f"[{self._done} of {self._count}] {what} ({seconds:.1f} s)"), flush=True)
