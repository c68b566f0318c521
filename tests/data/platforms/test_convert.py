"""Files of platforms, in the layout in which these give them away, become atomic files."""

import gzip
import json

import numpy as np
import pytest

from recbole_idp.cli.main import main
from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.platforms.convert import (
    convert_goodreads,
    convert_hm,
    convert_movielens,
    convert_steam,
    convert_yelp,
)
from recbole_idp.errors import UserError
from tests.support.commands import refusal


def write(path, text, encoding="utf-8"):
    data = text.encode(encoding)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def records(path, rows, literal=False):
    return write(path, "".join(f"{row!r}\n" if literal else f"{json.dumps(row)}\n" for row in rows))


def rows(folder, kind):
    return read_atomic(folder / f"{folder.name}.{kind}").to_numpy().tolist()


ML_DAT = "1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n"
ML_CSV = "userId,movieId,rating,timestamp\n1,1193,5.0,978300760\n1,661,3.0,978302109\n2,1193,4.0,978298413\n"
MOVIES_DAT = (
    "661::James and the Giant Peach (1996)::Animation|Children's|Musical\n1193::Misérables, Les (1995)::Drama\n"
)
MOVIES_CSV = (
    "movieId,title,genres\n661,James and the Giant Peach (1996),Animation|Children's|Musical\n"
    '1193,"Misérables, Les (1995)",Drama\n5,Other,(no genres listed)\n'
)
ML_EXPECTED = [["1", "1193", 5.0, 978300760.0], ["1", "661", 3.0, 978302109.0], ["2", "1193", 4.0, 978298413.0]]


@pytest.mark.parametrize("form", ["dat", "csv", "csv.gz"])
def test_movielens(form, tmp_path):
    events, items = (ML_DAT, MOVIES_DAT) if form == "dat" else (ML_CSV, MOVIES_CSV)
    # The titles of 1M are in Latin-1.
    write(tmp_path / "ml" / f"ratings.{form}", events)
    write(tmp_path / "ml" / f"movies.{form}", items, "latin-1" if form == "dat" else "utf-8")
    summary = convert_movielens(tmp_path / "ml", name="ML", output=tmp_path)
    assert rows(tmp_path / "ML", "inter") == ML_EXPECTED
    assert sorted(rows(tmp_path / "ML", "item")) == [
        ["1193", "Misérables, Les (1995)", "Drama"],
        ["661", "James and the Giant Peach (1996)", "Animation, Children's, Musical"],
    ]
    assert (summary.users, summary.items, summary.malformed, summary.without_text) == (2, 2, 0, 0)
    assert "UTF-8" not in str(summary)


def test_low_ratings_are_left_out_and_counted(tmp_path):
    path = write(tmp_path / "ratings.csv", ML_CSV)
    summary = convert_movielens(path, min_rating=4, name="ML", output=tmp_path)
    assert rows(tmp_path / "ML", "inter") == [ML_EXPECTED[0], ML_EXPECTED[2]]
    assert "1 events with a rating below 4 are left out" in str(summary)


def test_bad_rows_are_counted_and_many_are_refused(tmp_path):
    good = "".join(f"{user}::{user}::3::97830{user:04}\n" for user in range(1, 400))
    path = write(tmp_path / "ratings.dat", good + "7::x\n8::9::four::978300000\n")
    assert "2 malformed lines" in str(convert_movielens(path, name="A", output=tmp_path))
    path = write(tmp_path / "ratings.dat", ML_DAT + "7::x\n")
    assert "1 of 4 lines are malformed, the first is line 4" in refusal(
        convert_movielens, path, name="B", output=tmp_path
    )
    assert not (tmp_path / "B").exists()


YELP_REVIEWS = [
    {
        "review_id": "r1",
        "user_id": "u_A",
        "business_id": "b-1",
        "stars": 4.0,
        "text": "x",
        "date": "2018-07-07 22:09:11",
    },
    {
        "review_id": "r2",
        "user_id": "u_A",
        "business_id": "b-2",
        "stars": 1.0,
        "text": "y",
        "date": "2012-01-03 15:28:18",
    },
]
YELP_BUSINESSES = [
    {"business_id": "b-1", "name": "St Honore Pastries", "city": "Philadelphia", "categories": "Food, Bakeries"},
    {"business_id": "b-2", "name": "Zaika", "city": "Tampa", "categories": None},
]


def test_yelp(tmp_path):
    records(tmp_path / "yelp" / "yelp_academic_dataset_review.json", YELP_REVIEWS)
    records(tmp_path / "yelp" / "yelp_academic_dataset_business.json", YELP_BUSINESSES)
    convert_yelp(tmp_path / "yelp", name="Y", output=tmp_path)
    assert rows(tmp_path / "Y", "inter") == [["u_A", "b-2", 1.0, 1325604498.0], ["u_A", "b-1", 4.0, 1531001351.0]]
    assert sorted(rows(tmp_path / "Y", "item")) == [
        ["b-1", "St Honore Pastries", "Food, Bakeries", "Philadelphia"],
        ["b-2", "Zaika", "", "Tampa"],
    ]


GOODREADS_EVENTS = [
    {"user_id": "8842", "book_id": "24375664", "is_read": True, "rating": 5,
     "date_added": "Fri Aug 25 13:55:02 -0700 2017", "date_updated": "", "read_at": "", "started_at": ""},
    {"user_id": "8842", "book_id": "18245960", "is_read": False, "rating": 0,
     "date_added": "Sun Jul 30 07:44:10 -0700 2017"},
    {"user_id": "8842", "book_id": "7", "is_read": False, "rating": 0, "date_added": ""},
]  # fmt: skip
GOODREADS_BOOKS = [
    {"book_id": "24375664", "title": "A &amp; B", "publisher": "Tor",
     "popular_shelves": [{"count": "9", "name": "to-read"}, {"count": "3", "name": "sci-fi"}],
     "description": "<b>Long</b>"},
    {"book_id": "18245960", "title": "The Three-Body Problem", "publisher": "", "popular_shelves": []},
]  # fmt: skip


def test_goodreads(tmp_path):
    records(tmp_path / "gr" / "goodreads_interactions_dedup.json.gz", GOODREADS_EVENTS)
    records(tmp_path / "gr" / "goodreads_books.json.gz", GOODREADS_BOOKS)
    summary = convert_goodreads(tmp_path / "gr", name="G", output=tmp_path)
    assert rows(tmp_path / "G", "inter") == [
        ["8842", "18245960", 0.0, 1501425850.0],
        ["8842", "24375664", 5.0, 1503694502.0],
    ]
    assert sorted(rows(tmp_path / "G", "item"))[1] == ["24375664", "A & B", "Tor", "sci-fi", "Long"]
    assert "1 events without a whole date" in str(summary)


STEAM_REVIEWS = [
    {"username": "Chaos Syren", "hours": 0.1, "product_id": "725280", "date": "2017-12-17", "text": "it's", "page": 1},
    {"username": "Chaos Syren", "product_id": "328100", "date": "2011-11-05"},
]
AUSTRALIAN = [
    {"user_id": "js41637", "user_url": "http", "reviews": [
        {"funny": "", "posted": "Posted November 5, 2011.", "item_id": "725280", "recommend": True, "review": "x"},
        {"funny": "", "posted": "Posted July 3.", "item_id": "328100", "recommend": True, "review": "x"}]},
    {"user_id": "nobody", "reviews": []},
]  # fmt: skip
STEAM_GAMES = [
    {
        "app_name": "Lost Summoner Kitty",
        "genres": ["Action", "Indie"],
        "tags": ["Strategy"],
        "id": "725280",
        "price": 4.99,
    },
    {"title": "no id", "genres": []},
    {"app_name": "Real Pool", "developer": "Poolians.com", "id": "328100"},
]


def test_steam(tmp_path):
    records(tmp_path / "steam" / "steam_reviews.json.gz", STEAM_REVIEWS, literal=True)
    records(tmp_path / "steam" / "steam_games.json.gz", STEAM_GAMES, literal=True)
    convert_steam(tmp_path / "steam", name="S", output=tmp_path)
    assert rows(tmp_path / "S", "inter") == [
        ["Chaos Syren", "328100", 1320451200.0],
        ["Chaos Syren", "725280", 1513468800.0],
    ]
    assert sorted(rows(tmp_path / "S", "item")) == [
        ["328100", "Real Pool", "", "", "Poolians.com"],
        ["725280", "Lost Summoner Kitty", "Action, Indie", "Strategy", ""],
    ]


def test_steam_of_australian_users(tmp_path):
    path = records(tmp_path / "australian_user_reviews.json.gz", AUSTRALIAN, literal=True)
    summary = convert_steam(path, name="S", output=tmp_path)
    assert rows(tmp_path / "S", "inter") == [["js41637", "725280", 1320451200.0]]
    assert "1 events without a whole date" in str(summary)


HM_EVENTS = (
    "t_dat,customer_id,article_id,price,sales_channel_id\n"
    "2018-09-20,000058a1,0663713001,0.050830508474576264,2\n2018-09-20,000058a1,0541518023,0.03,2\n"
    "2018-09-20,000058a1,0541518023,0.03,2\n2018-09-19,00007d2d,0541518023,0.03,1\n"
)
HM_ARTICLES = (
    "article_id,product_code,prod_name,product_type_name,product_group_name,graphical_appearance_name,"
    "colour_group_name,department_name,section_name,detail_desc\n"
    "0663713001,0663713,Atlanta Push Body,Bodysuit,Underwear,Solid,Black,Lingerie,Womens,"
    '"Lace, with ""cups""\nand more"\n'
    "0541518023,0541518,Rae Push,Bra,Underwear,Lace,Pink,Lingerie,Womens,\n"
)


def test_hm(tmp_path):
    write(tmp_path / "hm" / "transactions_train.csv", HM_EVENTS)
    write(tmp_path / "hm" / "articles.csv", HM_ARTICLES)
    summary = convert_hm(tmp_path / "hm", name="H", output=tmp_path)
    assert rows(tmp_path / "H", "inter") == [
        ["000058a1", "0663713001", 1537401600.0],
        ["000058a1", "0541518023", 1537401600.0],
        ["00007d2d", "0541518023", 1537315200.0],
    ]
    found = {row[0]: row[1:] for row in rows(tmp_path / "H", "item")}
    assert found["0663713001"][0] == "Atlanta Push Body" and found["0663713001"][-1] == 'Lace, with "cups" and more'
    assert summary.duplicates == 1


def test_the_command_reads_a_folder(tmp_path, capfd):
    write(tmp_path / "ml" / "ratings.dat", ML_DAT)
    write(tmp_path / "ml" / "movies.dat", MOVIES_DAT)
    options = ["convert", "--format=movielens", f"--events={tmp_path / 'ml'}", "--name=ML", f"--output={tmp_path}"]
    assert main([*options, "--min_rating=4"]) == 0
    out = capfd.readouterr().out
    assert "ML: 2 users, 1 items, 2 interactions" in out and "[1 of 3] 2 events of ratings.dat" in out
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("convert", "text", "says"),
    [
        (convert_movielens, "a,b,c\n1,2,3\n", "has no column userId and no movieId and no rating and no timestamp"),
        (convert_movielens, "userId,movieId,rating,timestamp\n", "has no events"),
        (convert_yelp, '{"user_id": "a", "stars": 1}\n', "has records without business_id and date; they have user_id"),
        (convert_yelp, "a,b\n", "has no records with user_id, business_id, stars, date"),
        (convert_goodreads, '{"user_id": 1}\n', "has records without book_id and rating and date_added"),
        (convert_steam, "{'user_id': 'a', 'items': []}\n", "has records without username and product_id and date"),
        (convert_hm, "t_dat,customer_id\n", "has no column article_id"),
        (convert_hm, "", "is empty"),
        (convert_hm, "PK\x03\x04", "is a zip archive"),
    ],
)
def test_other_files_are_refused_in_one_line(convert, text, says, tmp_path):
    line = refusal(convert, write(tmp_path / "a.csv", text), name="N", output=tmp_path / "out")
    assert says in line and not (tmp_path / "out").exists()


def test_a_folder_without_the_files_is_refused(tmp_path):
    assert "has no ratings.dat or ratings.csv, also .gz" in refusal(
        convert_movielens, tmp_path, name="N", output=tmp_path / "out"
    )


def test_damaged_files_are_converted_or_refused_in_one_line(tmp_path):
    draw = np.random.default_rng(3)
    sound = {
        convert_movielens: ML_CSV,
        convert_yelp: "".join(f"{json.dumps(row)}\n" for row in YELP_REVIEWS),
        convert_goodreads: "".join(f"{json.dumps(row)}\n" for row in GOODREADS_EVENTS),
        convert_steam: "".join(f"{row!r}\n" for row in AUSTRALIAN),
        convert_hm: HM_EVENTS,
    }
    refused = 0
    for number, (convert, text) in enumerate(sound.items()):
        for trial in range(25):
            content = bytearray(text.encode())
            for place in draw.integers(0, len(content), 1 + trial // 5):
                content[place] = draw.integers(256)
            (tmp_path / "a").write_bytes(content)
            try:
                convert(tmp_path / "a", name=f"N{number}-{trial}", output=tmp_path / "out")
            except UserError as error:
                refused += 1
                assert "\n" not in str(error)
    assert 20 < refused < 120
