"""Stands in for ``ray.tune``: RecBole 1.2.1 imports it and calls ``report`` in its own search only."""

from ray import REMEDY


def report(*args, **kwargs):
    """Refuses to report: there is no search to report to.

    Raises:
        RuntimeError: Always.
    """
    raise RuntimeError(f"ray.tune.report: {REMEDY}")


def __getattr__(name):
    """Says why a name of Ray Tune is missing here."""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: {REMEDY}")
