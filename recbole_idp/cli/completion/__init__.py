"""Completion of the command line by shells."""

SHELLS = ("bash", "zsh", "fish")
"""The shells that have a script."""
