"""Settings: their declarations, where values come from, and how they are checked."""

from recbole_idp import old_names


def __getattr__(name):
    return old_names.attribute(__name__, name)
