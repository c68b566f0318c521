"""Amazon's raw files of every release become the same kind of atomic files."""

import gzip
import json
import math

import numpy as np
import pytest

from recbole_idp.data.amazon.convert import convert_amazon
from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.convert.filtering import core_mask
from recbole_idp.data.html_text import clean
from recbole_idp.data.item_text import read_item_texts
from tests.support.commands import refusal

PEN, INK, CAP = "B000000001", "B000000002", "0439893577"
# Users, items, ratings and seconds; u1's last two are at one time, and the pen is there twice.
EVENTS = [
    ("A1", INK, 4.0, 1300000100),
    ("A2", PEN, 5.0, 1300000300),
    ("A1", PEN, 3.0, 1300000000),
    ("A1", CAP, 1.0, 1300000100),
    ("A1", PEN, 2.0, 1300000000),
]
EXPECTED = [
    ["A1", PEN, 3.0, 1300000000.0],
    ["A1", INK, 4.0, 1300000100.0],
    ["A1", CAP, 1.0, 1300000100.0],
    ["A2", PEN, 5.0, 1300000300.0],
]

METADATA_2014 = [
    {
        "asin": PEN,
        "title": "Bob's &amp;quot;Pen&amp;quot;",
        "brand": "Bic",
        "price": 1.5,
        "categories": [["Office Products", "Pens"], ["Office Products", "Gifts"]],
        "description": "A <b>good</b>\tpen",
    },
    {"asin": INK, "title": "Ink", "related": {"also_bought": [PEN]}},
    {"asin": "B000000099", "title": "Nobody bought this"},
]
METADATA_2018 = [
    {
        "asin": PEN,
        "title": 'Bob\'s "Pen"',
        "brand": "Bic",
        "price": "$1.50",
        "category": ["Office Products", "Pens", "Gifts", "</span></span>"],
        "description": ["A good", "", "pen"],
    },
    {"asin": INK, "title": "Ink", "price": "$1.00 - $2.00"},
    {"asin": INK, "title": "Ink, a second time"},
    {"asin": CAP, "title": '<span id="productTitle" class="a-size-large">', "brand": ""},
]
METADATA_2023 = [
    {
        "parent_asin": PEN,
        "main_category": "Office Products",
        "title": 'Bob\'s "Pen"',
        "store": "Bic",
        "price": 1.5,
        "categories": ["Pens", "Gifts"],
        "description": ["A good pen"],
    },
    {"parent_asin": INK, "main_category": None, "title": "Ink", "price": None, "description": [], "categories": []},
]


def review_2014(user, item, rating, time):
    return {"reviewerID": user, "asin": item, "helpful": [0, 0], "overall": rating, "unixReviewTime": time}


def review_2018(user, item, rating, time):
    return {"overall": rating, "verified": True, "reviewerID": user, "asin": item, "unixReviewTime": time}


def review_2023(user, item, rating, time):
    return {"rating": rating, "asin": "B00VARIANT", "parent_asin": item, "user_id": user, "timestamp": time * 1000}


LAYOUTS = {
    "2014": (review_2014, METADATA_2014, repr),
    "2018": (review_2018, METADATA_2018, json.dumps),
    "2023": (review_2023, METADATA_2023, json.dumps),
}


def write(path, lines):
    """Writes lines, gzipped where the name says so."""
    content = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def reviews_file(path, events=EVENTS, make=review_2018):
    return write(path, [json.dumps(make(*event)) for event in events])


def interactions(root, name="Pens"):
    return read_atomic(root / name / f"{name}.inter").to_numpy().tolist()


def fails(expected, *arguments, **options):
    assert expected in refusal(convert_amazon, *arguments, **options)


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_reviews_and_metadata(tmp_path, layout, suffix):
    make, metadata, dump = LAYOUTS[layout]
    reviews = reviews_file(tmp_path / f"reviews{suffix}", make=make)
    described = write(tmp_path / f"meta{suffix}", map(dump, metadata))
    summary = convert_amazon(reviews, described, "Pens", tmp_path / "out")
    assert interactions(tmp_path / "out") == EXPECTED
    assert (summary.layout, summary.users, summary.items, summary.interactions) == (layout, 2, 3, 4)
    assert (summary.duplicates, summary.filtered, summary.malformed, summary.without_title) == (1, 0, 0, 1)
    items = read_atomic(summary.folder / "Pens.item").set_index("item_id")
    assert items.index.tolist() == [PEN, INK, CAP]
    assert items.loc[PEN].tolist() == ['Bob\'s "Pen"', "Bic", "Office Products, Pens, Gifts", "A good pen", 1.5]
    assert items.loc[INK, ["title", "brand", "categories", "description"]].tolist() == ["Ink", "", "", ""]
    assert math.isnan(items.loc[INK, "price"])
    assert items.loc[CAP, "title"] == ""
    texts = read_item_texts(summary.folder / "Pens.item")
    assert texts.texts[PEN] == 'Bob\'s "Pen". Bic. Office Products, Pens, Gifts. A good pen'
    assert texts.without_text == 1
    assert str(summary).startswith(f"Pens ({layout} layout): 2 users, 3 items, 4 interactions")


@pytest.mark.parametrize(
    ("order", "header"),
    [
        ((0, 1, 2, 3), []),
        ((1, 0, 2, 3), []),
        ((0, 1, 2, 3), ["user_id,parent_asin,rating,timestamp"]),
        ((3, 2, 1, 0), ["timestamp,rating,parent_asin,user_id"]),
    ],
)
def test_ratings_only(tmp_path, order, header):
    rows = [",".join(str(event[column]) for column in order) for event in EVENTS]
    summary = convert_amazon(write(tmp_path / "ratings.csv", header + rows), None, "Pens", tmp_path)
    assert interactions(tmp_path) == EXPECTED
    assert (summary.layout, summary.without_title) == ("ratings", 3)
    assert not (summary.folder / "Pens.item").exists()


def test_milliseconds_keep_their_fraction(tmp_path):
    line = json.dumps({"user_id": "A1", "parent_asin": PEN, "rating": 5, "timestamp": 1588687728923})
    convert_amazon(write(tmp_path / "r.jsonl", [line]), None, "Pens", tmp_path)
    assert interactions(tmp_path) == [["A1", PEN, 5.0, 1588687728.923]]


def test_python_literals_are_not_evaluated(tmp_path):
    evil = "{'asin': __import__('pathlib').Path('%s').touch()}" % (tmp_path / "evil")
    lines = [repr(METADATA_2014[0])] * 200 + [evil]
    summary = convert_amazon(
        reviews_file(tmp_path / "r.json"), write(tmp_path / "m.json", lines), "Pens", tmp_path / "out"
    )
    assert summary.malformed == 1
    assert not (tmp_path / "evil").exists()


def test_filters(tmp_path):
    events = [(f"A{user}", f"B00000000{item}", 5, user * 10 + item) for user in range(4) for item in range(4)]
    events += [("A9", "B000000000", 5, 1), ("A9", "B000000001", 5, 2), ("A0", "B000000009", 5, 3)]
    reviews = reviews_file(tmp_path / "r.json", events)
    summary = convert_amazon(reviews, None, "core", tmp_path, k_core=3)
    assert (summary.users, summary.items, summary.interactions, summary.filtered) == (4, 4, 16, 3)
    summary = convert_amazon(reviews, None, "long", tmp_path, min_length=3)
    assert (summary.users, summary.items, summary.interactions) == (4, 5, 17)
    fails("nothing is left", reviews, None, "none", tmp_path, k_core=9)
    fails("k_core is 0", reviews, None, "none", tmp_path, k_core=0)
    assert not (tmp_path / "none").exists()


def test_core_mask_against_a_plain_loop():
    generator = np.random.default_rng(0)
    users, items = (generator.random((2, 400)) ** 2 * 60).astype(int)
    rows = set(range(400))
    while True:
        user_count, item_count = np.bincount(users[list(rows)]), np.bincount(items[list(rows)])
        few = {row for row in rows if user_count[users[row]] < 5 or item_count[items[row]] < 4}
        if not few:
            break
        rows -= few
    assert 0 < len(rows) < 400
    np.testing.assert_array_equal(np.flatnonzero(core_mask(users, items, k_core=4, min_length=5)), sorted(rows))
    assert core_mask(users, items).all()
    assert not core_mask(users, items, k_core=400).any()


def test_malformed_lines_up_to_one_percent(tmp_path):
    good = [json.dumps(review_2018(f"A{number}", PEN, 5, number)) for number in range(99)]
    bad = '{"reviewerID": "A1", "asin": '
    assert convert_amazon(write(tmp_path / "a", [*good, bad]), None, "a-out", tmp_path).malformed == 1
    missing = json.dumps({"reviewerID": "A1", "overall": 5, "unixReviewTime": 1})
    endless = json.dumps(review_2018("A1", PEN, float("nan"), 1))
    lines = [*good, bad, "", missing, endless]
    expected = "3 of 102 lines are malformed, the first is line 100"
    fails(expected, write(tmp_path / "b", lines), None, "b-out", tmp_path)
    assert not (tmp_path / "b-out").exists()


def test_wrong_files(tmp_path):
    reviews = reviews_file(tmp_path / "r.json")
    meta = write(tmp_path / "m.json", map(json.dumps, METADATA_2018))
    out = tmp_path / "out"
    fails("no file", tmp_path / "nowhere", meta, "Pens", out)
    fails("is empty", write(tmp_path / "empty", []), meta, "Pens", out)
    fails("the wrong way round?", meta, reviews, "Pens", out)
    fails("has reviews, no metadata", reviews, reviews, "Pens", out)
    fails("has no metadata", reviews, write(tmp_path / "t", ["hello"]), "Pens", out)
    fails("unknown layout", write(tmp_path / "x", ["a,b,c,d"]), None, "Pens", out)
    fails("is no data set's name", reviews, meta, "../Pens", out)
    damaged = reviews_file(tmp_path / "r.json.gz")
    damaged.write_bytes(damaged.read_bytes()[:-12])
    fails("damaged gzip archive", damaged, meta, "Pens", out)
    assert not out.exists()


def test_an_existing_folder_is_not_overwritten(tmp_path):
    reviews = reviews_file(tmp_path / "r.json")
    convert_amazon(reviews, None, "Pens", tmp_path)
    fails("exists already", reviews, None, "Pens", tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Salt &amp; pepper", "Salt & pepper"),
        ("5 &lt; 6 and 7 > 6", "5 < 6 and 7 > 6"),
        ("<p class='x'>one</p><br/>two<!-- no -->", "one two"),
        ("a<script>var b = '<i>';</script>c", "a c"),
        (" tab\tand\nline ", "tab and line"),
        (None, ""),
        (3, ""),
    ],
)
def test_clean(value, expected):
    assert clean(value) == expected
