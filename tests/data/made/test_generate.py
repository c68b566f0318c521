"""Made platforms: sizes, seeds, popularity, twins and sequences that can be learned."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from recbole_idp.cli.main import main
from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.made import generate as module
from recbole_idp.data.made.generate import generate
from recbole_idp.data.made.platform import Catalogue, twin_products, user_lengths, zipf_ranks
from recbole_idp.data.made.words import MOST_CATEGORIES, category_name, words_of
from tests.support.commands import refusal, refused

SMALL = {"users": 300, "items": 200, "events": 3_000}


def events(folder):
    return read_atomic(folder / f"{folder.name}.inter")


def items(folder):
    return read_atomic(folder / f"{folder.name}.item").set_index("item_id")


def test_the_command_makes_what_is_asked_for(tmp_path, capfd):
    sizes = [f"--{key}={value}" for key, value in SMALL.items()]
    assert main(["generate", f"--output={tmp_path}", *sizes, "--source_events=5000", "--source_items=400"]) == 0
    assert "Made: 300 users, 200 items, 3,000 events in" in capfd.readouterr().out
    for name, n_events, n_items in (("Made", 3_000, 200), ("Made-source", 5_000, 400)):
        frame = events(tmp_path / name)
        assert len(frame) == n_events and frame["user_id"].nunique() == 300
        assert set(frame["item_id"]) <= set(items(tmp_path / name).index) and len(items(tmp_path / name)) == n_items
        assert frame.groupby("user_id").size().min() >= 5
        assert frame.groupby("user_id")["timestamp"].is_monotonic_increasing.all()


def test_the_seed_alone_decides_in_blocks_of_any_size(tmp_path, monkeypatch):
    def content(seed):
        place = tmp_path / f"{seed}-{len(list(tmp_path.iterdir()))}"
        made = generate("N", place, **SMALL, source_events=4_000, seed=seed)
        return [path.read_bytes() for folder in made.folders for path in sorted(folder.glob("N*.i*"))]

    first = content(1)
    assert content(1) == first != content(2)
    monkeypatch.setattr(module, "_ITEMS", 7)
    assert content(1) == first


def test_popularity_falls_by_the_law(tmp_path):
    sizes = np.full(200_000, 50)
    uniform = np.random.default_rng(1).random(len(sizes))
    for exponent in (0.0, 0.7, 1.0, 1.5):
        counts = np.bincount(zipf_ranks(uniform, sizes, exponent), minlength=50)
        assert len(counts) == 50
        slope = np.polyfit(np.log(np.arange(3, 51)), np.log(counts[2:]), 1)[0]
        assert abs(slope + exponent) < 0.1, (exponent, slope)


def test_twins_have_the_words_of_a_source_item_and_others_have_not(tmp_path):
    made = generate("N", tmp_path, users=50, items=400, events=500, source_items=600, source_events=500, twins=0.5)
    source, target = (items(folder) for folder in reversed(made.folders))
    words = [
        frozenset(title.lower().replace(",", "").replace("(", "").replace(")", "").split()) for title in source["title"]
    ]
    shared = sum(
        frozenset(title.lower().replace(",", "").split()) - {"by", "-"} in set(words) for title in target["title"]
    )
    assert shared == made.twins and 0.35 < made.twins / 400 < 0.65
    assert not set(source["title"]) & set(target["title"])
    assert source["title"].is_unique and target["title"].is_unique


@pytest.mark.parametrize(("n_target", "n_source"), [(400, 900), (900, 400), (10, 3), (7, 7)])
def test_no_product_is_two_items(n_target, n_source):
    target, source = Catalogue(n_target, 3), Catalogue(n_source, 3)
    products = twin_products(target, source, 0, n_target, 1.0, 5)
    pairs = set(zip(target.places(0, n_target)[0].tolist(), products.tolist(), strict=True))
    assert len(pairs) == n_target
    assert twin_products(target, source, 0, n_target, 0.0, 5).min() >= np.diff(source.starts).min()


def test_what_comes_next_can_be_learned(tmp_path):
    generate("N", tmp_path, users=2_000, items=100, events=20_000)
    frame = events(tmp_path / "N")
    pairs = Counter()
    for _, user in frame.groupby("user_id", sort=False):
        row = user["item_id"].tolist()
        pairs.update(pairwise(row))
    most = Counter(frame["item_id"]).most_common(1)[0][1] / len(frame)
    followers = {}
    for (item, after), count in pairs.items():
        followers.setdefault(item, Counter())[after] += count
    hit = sum(counts.most_common(1)[0][1] for counts in followers.values()) / sum(pairs.values())
    assert hit > 0.4 > 3 * most


def test_names_and_lengths():
    assert len({category_name(number) for number in range(MOST_CATEGORIES)}) == MOST_CATEGORIES
    one = words_of(np.zeros(40, int), np.arange(40), 3)
    assert len({words.code for words in one}) == 40 and len({words.brand for words in one[:4]}) == 1
    lengths = user_lengths(1_000, 12_345, np.random.default_rng(0))
    assert lengths.sum() == 12_345 and lengths.min() >= 5
    assert user_lengths(10, 30, np.random.default_rng(0)).tolist() == [3] * 10


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"events": 100}, "events is 100 for 300 users: give at least 3 a user, --events=900"),
        ({"source_events": 10}, "--source_events=900"),
        ({"source_items": 10}, "give --source_events=N"),
        ({"zipf": 9.0}, "give an exponent from 0 to 3"),
        ({"items": 10**9}, "give at most 100,000,000"),
        ({"events": 10**10}, "GiB: give fewer events, or another folder"),
    ],
)
def test_wrong_sizes_are_refused_in_one_line(changes, says, tmp_path, monkeypatch):
    if "GiB" in says:
        monkeypatch.setattr(module, "_EVENT_BYTES", 10**6)
    line = refusal(generate, "N", tmp_path / "out", **{**SMALL, **changes})
    assert says in line and not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_kept(tmp_path, capfd):
    (tmp_path / "Made-source").mkdir()
    refused(capfd, ["generate", f"--output={tmp_path}", "--source_events=50000"], "Made-source exists already")
    assert not (tmp_path / "Made").exists()
