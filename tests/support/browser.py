"""Headless Chromium by Playwright; tests that need it are skipped where one of the two is missing."""

import os
import shutil
from contextlib import contextmanager

import pytest


@contextmanager
def chromium():
    """Yields a browser."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or name it in CHROMIUM")
    with playwright.sync_playwright() as playing:
        # Root, as in a container, has no sandbox.
        started = playing.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()
