"""A Ray cluster of this machine, for tests that need Ray itself."""

import contextlib

import pytest

from recbole_idp.compat import RAY_REMEDY, STAND_IN


@contextlib.contextmanager
def started(processors=2):
    """Starts a cluster, and ends it; the test is skipped where there is no Ray."""
    ray = pytest.importorskip("ray")
    if ray.__version__.endswith(STAND_IN):
        pytest.skip(f"Ray itself is not installed: {RAY_REMEDY}")
    ray.init(num_cpus=processors, include_dashboard=False, log_to_driver=False)
    try:
        yield ray
    finally:
        ray.shutdown()
