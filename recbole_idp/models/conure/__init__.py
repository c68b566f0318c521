"""Conure: one network for a list of tasks, learned one after the other (SIGIR 2021)."""
