"""Hostile files are refused: the attacks and the fuzzer of attacks/, in processes of their own under limits."""

import itertools
import re
from pathlib import Path

import pytest

from tests.support.python import run_python

ROOT = Path(__file__).resolve().parents[2]


def attacked(*arguments, timeout):
    """Runs ``python -m attacks`` in the checkout; returns how many hostile inputs it tried, all being refused."""
    done = run_python("-m", "attacks", *arguments, cwd=ROOT, timeout=timeout)
    tried, refused = map(int, re.search(r"in all: (\d+) hostile inputs, (\d+) refused", done.stdout).groups())
    print(done.stdout.rpartition("\n\n")[2])
    assert done.returncode == 0 and tried == refused, done.stdout[-4000:] + done.stderr[-2000:]
    return tried


def test_some_hostile_data_are_refused(tmp_path):
    """The first of them: the slow test tries all, under limits; making the bombs alone takes seconds."""
    from attacks import data
    from attacks.kit import Yard, try_all

    yard = Yard(tmp_path)
    refused, wrong = try_all(itertools.islice(data.attacks(None, yard), 35), yard)
    assert not wrong and refused == 35


@pytest.mark.slow
def test_three_hundred_hostile_files_are_refused():
    assert attacked(timeout=1800) >= 300


@pytest.fixture(scope="module")
def readers():
    from attacks.fuzz import readers

    return readers()


NAMES = (
    "atomic", "items", "yaml", "tensors", "checkpoint", "bundle", "modules", "result", "board", "reviews", "tenrec",
    "sequences", "profiles", "users", "ninerec", "pixelrec", "mind", "adressa", "transrec", "ninerec_items",
    "pixelrec_items", "mind_items", "adressa_items", "transrec_items",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_takes_or_refuses_any_mutation(name, readers, tmp_path):
    from attacks.fuzz import fuzz

    refused, wrong = fuzz(readers[name], 200, 7, tmp_path)
    assert not wrong and refused > 60


def test_each_reader_is_fuzzed(readers):
    assert set(NAMES) == set(readers)


def test_the_fuzzer_finds_a_reader_that_crashes(tmp_path):
    from attacks.fuzz import Reader, fuzz

    def read(path):
        return path.read_bytes().decode().index("sound")

    refused, wrong = fuzz(Reader([b"a sound input"], read), 500, 7, tmp_path)
    assert refused == 0 and wrong


def test_an_attack_that_succeeds_is_found(tmp_path):
    """The watch, the canary and the counts, with readers that are as careless as can be."""
    import pickle

    from attacks.kit import Attack, Yard, try_all
    from recbole_idp.errors import UserError

    yard = Yard(tmp_path)

    def colourful():
        raise UserError("a line that moves the cursor: \x1b[2J")

    def careless():
        pickle.loads(yard.pickle())

    attacks = [
        Attack("accepts", lambda: None),
        Attack("opens a pickle", careless),
        Attack("writes elsewhere", lambda: open(tmp_path.parent / "elsewhere", "w").close()),
        Attack("fails", lambda: [][0]),
        Attack("refuses", colourful),
    ]
    refused, wrong = try_all(iter(attacks), yard)
    assert refused == 1 and len(wrong) == 4
    assert "accepted" in wrong[0] and "ran" in wrong[1] and "writes" in wrong[2] and "IndexError" in wrong[3]
