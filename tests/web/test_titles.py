"""The search among titles and ids."""

import pytest

from recbole_idp.web.titles import TitleSearch

TITLES = {
    1: "The Lord of the Rings",
    2: "Lord Jim",
    3: "Landlord wanted, a long story of lords",
    4: "Texas Instruments TI-1795 Café calculator",
    5: "",
    6: "Lordly manners",
    7: "A lord",
}


@pytest.fixture(scope="module")
def search():
    return TitleSearch(list(TITLES), [f"B{number:02}" for number in TITLES], list(TITLES.values()))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("lord", [2, 6, 7, 1, 3]),  # begins with it, has it as a word, has a word that begins so; shorter ones first
        ("lord j", [2]),
        ("the lor", [1]),
        ("rings lord", [1]),
        ("LORDS", [3]),
        ("ti-1795", [4]),
        ("1795 ti", [4]),
        ("ti-17", [4]),
        ("cafe", [4]),
        ("CAFÉ", [4]),
        ("b05", [5]),
        ("B0", [1, 2, 3, 4, 5, 6, 7]),
        ("ord", []),
        ("lord not jim", []),
        ("- & !", []),
        (" ", []),
        ("", []),
    ],
)
def test_the_best_come_first(search, query, expected):
    assert search.find(query, 10) == expected


def test_it_finds_no_more_than_wanted(search):
    assert search.find("lord", 2) == [2, 6]


def test_an_item_whose_title_begins_so_is_found_behind_thousands_that_have_the_word():
    numbers = range(1, 3001)
    titles = [f"red pen {number}" for number in numbers]
    titles[-1] = "pen, blue"
    search = TitleSearch(numbers, [f"i{number}" for number in numbers], titles)
    assert search.find("pen", 3) == [3000, 1, 2]
    assert search.find("p", 1) == [3000]
