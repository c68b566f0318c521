"""Arrays that the authors' code of a system gave, for tests that compare with them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file


def parity_arrays(system):
    """Returns the arrays of a system by their names, or skips the test where there are none.

    Their folder is named by the environment variable ``RECBOLE_IDP_PARITY``, or is ``../shared/parity`` beside the
    repository.
    """
    beside = Path(__file__).resolve().parents[3] / "shared" / "parity"
    path = Path(os.environ.get("RECBOLE_IDP_PARITY", beside)) / f"{system}.safetensors"
    if not path.is_file():
        pytest.skip(f"no arrays to compare with at {path}; set RECBOLE_IDP_PARITY to their folder")
    return load_file(path)


def equal(found, expected, tolerance=1e-5):
    """Asserts that arrays are equal, up to the rounding of float32 relative to the largest number."""
    expected = torch.as_tensor(np.asarray(expected))
    torch.testing.assert_close(found.detach(), expected, rtol=0, atol=tolerance * max(1.0, float(expected.abs().max())))
