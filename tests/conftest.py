"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dataset():
    """Returns the folder of real data, or skips the test where there is none.

    The folder is named by the environment variable ``RECBOLE_IDP_DATA``, or is ``../shared/dataset`` beside the
    repository.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "dataset"
    folder = Path(os.environ.get("RECBOLE_IDP_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set RECBOLE_IDP_DATA to its folder")
    return folder
