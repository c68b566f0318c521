"""Make the streams of the process usable: closed ones, and those whose encoding lacks a character."""

from __future__ import annotations

import io
import os
import sys

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}


def usable_streams() -> None:
    """Open the null device in place of closed streams, and escape what an encoding cannot write.

    Python has None for a stream that is closed when it starts (``>&-``). With ``PYTHONIOENCODING=ascii``, or a name
    that is no valid text, printing would raise UnicodeEncodeError.
    """
    for name, mode in _MODES.items():
        if getattr(sys, name) is None:
            # The lowest free number is that of the closed stream, so that no file gets it.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, it stays open
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
