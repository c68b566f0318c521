"""Serve a trained folder over HTTP: an interface for programs, and one page for people."""
