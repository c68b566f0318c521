"""Hostile files of each kind that the package reads, and the proof that each is refused; see README.md."""
