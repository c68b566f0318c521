"""The platforms carved from ml-100k share what their description says, and nothing else."""

import itertools

import pytest

from recbole_idp.data import ml_100k
from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.item_text import read_item_texts


@pytest.fixture(scope="module")
def carved(tmp_path_factory):
    """Returns ``{name: (interactions, item texts)}`` of the four ml_100k."""
    root = tmp_path_factory.mktemp("dataset")
    result = {}
    for name in ml_100k.PLATFORMS:
        ml_100k.carve(name, root / name)
        stem = root / name / name
        result[name] = (read_atomic(f"{stem}.inter"), read_item_texts(f"{stem}.item"))
    return result


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("ml-100k-source", "ml-100k-target"),
        ("ml-100k-source-before-1995", "ml-100k-target-since-1995"),
    ],
)
def test_no_identifier_is_shared(carved, source, target):
    for column in ("user_id", "item_id"):
        assert not set(carved[source][0][column]) & set(carved[target][0][column])
    assert not set(carved[source][1].texts) & set(carved[target][1].texts)


@pytest.mark.parametrize("name", ml_100k.PLATFORMS)
def test_items_are_those_with_interactions(carved, name):
    inter, texts = carved[name]
    assert set(texts.texts) == set(inter["item_id"])
    assert texts.without_text <= 1


def test_users_are_split_and_all_interactions_kept(carved):
    source, target = carved["ml-100k-source"][0], carved["ml-100k-target"][0]
    assert source["user_id"].nunique() == 660
    assert target["user_id"].nunique() == 283
    assert len(source) + len(target) == 100_000


def test_titles_are_the_bridge(carved):
    source, target = carved["ml-100k-source"][1], carved["ml-100k-target"][1]
    assert source.fields == ("movie_title", "release_year", "class")
    text = "Toy Story. 1995. Animation Children's Comedy"
    assert source.texts["1"] == text
    assert text in target.texts.values()
    shared = set(source.texts.values()) & set(target.texts.values())
    assert len(shared) > 0.9 * len(target.texts)


def test_films_are_apart_by_year(tmp_path):
    for name, before in (("ml-100k-source-before-1995", True), ("ml-100k-target-since-1995", False)):
        ml_100k.carve(name, tmp_path / name)
        years = read_atomic(tmp_path / name / f"{name}.item", columns=["release_year"])["release_year"].astype(int)
        assert ((years < 1995) == before).all()


def test_hidden_identifiers_do_not_keep_the_order(carved):
    source, target = carved["ml-100k-source"][1], carved["ml-100k-target"][1]
    number = {text: int(token) for token, text in source.texts.items()}
    hidden = [number[text] for text in target.texts.values() if text in number]
    assert list(target.texts) == sorted(target.texts, key=lambda token: int(token[1:]))
    rising = sum(first < second for first, second in itertools.pairwise(hidden))
    assert 0.4 < rising / len(hidden) < 0.6


def test_the_carving_is_the_same_each_time(tmp_path, carved):
    name = "ml-100k-target"
    ml_100k.carve(name, tmp_path / name)
    assert read_atomic(tmp_path / name / f"{name}.inter").equals(carved[name][0])


def test_unknown_platform(tmp_path):
    with pytest.raises(ValueError, match="is none of"):
        ml_100k.carve("ml-100k-both", tmp_path / "x")
