"""Stands in for Ray: RecBole 1.2.1 imports ``ray.tune``, and requires a version that today's Python has no wheel of.

Installed with recbole_idp. Ray itself replaces it: ``pip install "ray[tune]"``.
"""

__version__ = "2.6.3+recbole.idp"

REMEDY = 'this is the stand-in that recbole_idp installs for RecBole; for Ray itself: pip install "ray[tune]"'


def __getattr__(name):
    """Says why a name of Ray is missing here."""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: {REMEDY}")
