"""Columns are sorted as NumPy sorts them, whatever they hold."""

import numpy as np
import pytest

from recbole_idp.data.ordering import order_by, stable_order

# PyTorch sorts fewer numbers in another way.
N = 40_000
DRAW = np.random.default_rng(0)
COLUMNS = {
    "numbers of users": DRAW.integers(0, 50, N),
    "four bytes": DRAW.integers(-9, 9, N).astype(np.int32),
    "ascending": np.sort(DRAW.integers(0, 50, N)),
    "descending": np.sort(DRAW.integers(0, 50, N))[::-1].copy(),
    "seconds": DRAW.integers(10**9, 10**9 + 500, N).astype(np.float64),
    "float32": DRAW.integers(10**9, 10**9 + 5000, N).astype(np.float32),
    "nanoseconds": DRAW.integers(10**18, 10**18 + 10**13, N),
    "before 1970": DRAW.integers(-(2**40), 2**40, N).astype(np.float64),
    "far apart": np.array([2**63 - 1, -(2**63), 0, 5] * (N // 4)),
    "fractions": DRAW.integers(0, 99, N) / 7,
    "beyond whole floats": DRAW.integers(0, 99, N) * 2.0**60,
    "infinite": np.r_[np.inf, DRAW.integers(0, 9, N - 2).astype(float), -np.inf],
    "missing": np.r_[np.nan, DRAW.integers(0, 9, N - 1).astype(float)],
    "unsigned": DRAW.integers(0, 99, N).astype(np.uint64),
    "flags": DRAW.integers(0, 2, N).astype(bool),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_order_is_that_of_a_stable_sort(name):
    values = COLUMNS[name]
    before = values.copy()
    assert np.array_equal(stable_order(values), np.argsort(values, kind="stable"))
    assert np.array_equal(values, before, equal_nan=name == "missing")
    assert np.array_equal(stable_order(values[:1]), [0]) and len(stable_order(values[:0])) == 0


@pytest.mark.parametrize("first", ["numbers of users", "ascending"])
@pytest.mark.parametrize("second", ["seconds", "fractions", "ascending", "infinite", "missing", "nanoseconds"])
def test_order_by_two_columns_is_that_of_lexsort(first, second):
    columns = COLUMNS[first], COLUMNS[second][:N]
    assert np.array_equal(order_by(*columns), np.lexsort(columns[::-1]))
    ordered = [column[np.lexsort(columns[::-1])] for column in columns]
    assert np.array_equal(order_by(*ordered), np.arange(N)) or second == "missing"
    assert len(order_by(columns[0][:0], columns[1][:0])) == 0
