"""Sharing the processors with other programs."""

import os


def share_processors():
    """Lets threads of this process that wait for one another fall asleep soon, unless the environment says otherwise.

    By default GNU OpenMP's threads spin for milliseconds at the end of each parallel loop. Where another program wants
    the same processors a spinning thread holds up the very one that it waits for, and training takes ten times as
    long. A thousand rounds are what OpenMP itself takes where a program has more threads than processors; on an idle
    machine they are enough.

    It has to be called before PyTorch is loaded, which reads the environment once. Children inherit it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
