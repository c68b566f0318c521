"""Share the processors with other programs."""

from __future__ import annotations

import os


def share_processors() -> None:
    """Let waiting OpenMP threads sleep soon, unless the environment says otherwise.

    By default GNU OpenMP's threads spin for milliseconds at the end of each parallel loop. If other
    programs use the same processors, a spinning thread delays the one that it waits for, and training takes ten times
    as long. A thousand rounds are OpenMP's own choice when there are more threads than processors, and enough on an
    idle machine.

    Call it before PyTorch is loaded, which reads the environment once. Child processes inherit it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
