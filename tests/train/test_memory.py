"""What a block takes of memory, and what is left."""

from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from recbole_idp.train.memory import PeakMemory, available_bytes

CPU = torch.device("cpu")


@pytest.mark.slow
def test_a_block_is_measured_by_what_it_takes_beyond_what_was_there():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("no kernel that resets the peak of resident memory")
    held = np.ones(60 << 17)
    for mebibytes in (300, 100):
        # The smaller block comes second: what the first has freed does not hide it.
        measure = PeakMemory(CPU)
        with measure.measured():
            for _ in range(2):
                part = np.ones(mebibytes << 17)
                del part
        if measure.peak_mb is None:
            pytest.skip("the peak of resident memory may not be reset here")
        assert measure.peak_mb == pytest.approx(mebibytes, rel=0.2)
    assert held.all()


def test_what_is_available_is_some_memory_and_not_more_than_the_machine_has():
    found = available_bytes(CPU)
    total = psutil.virtual_memory().total
    assert 0 < found <= total
