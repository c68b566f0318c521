"""Tables of events and items are recognised by the names of their columns; parts of a split are joined."""

import gzip
import json

import pytest

from recbole_idp.data.amazon.convert import convert_amazon
from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.item_text import read_item_texts
from tests.support.commands import printed, refusal

# Users, items, ratings and seconds.
EVENTS = [("7", "50", 4.0, 978300100), ("8", "51", 5.0, 978300300), ("7", "51", 3.5, 978300000)]
EXPECTED = [["7", "51", 3.5, 978300000.0], ["7", "50", 4.0, 978300100.0], ["8", "51", 5.0, 978300300.0]]
ISO = ("2000-12-31T22:01:40Z", "2000-12-31T22:05:00Z", "2000-12-31T22:00:00Z")


def write(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def table(header, separator=",", events=EVENTS, times=None, line_end="\n"):
    """Returns events as a table; ``header`` has the names of user, item, rating and time in any order."""
    lines = [separator.join(header.values())]
    for number, event in enumerate(events):
        parts = dict(zip(("user", "item", "rating", "time"), event, strict=True))
        if times is not None:
            parts["time"] = times[number]
        lines.append(separator.join(str(parts.get(part, "x")) for part in header))
    return line_end.join(lines) + line_end


def header(user="userId", item="movieId", rating="rating", time="timestamp"):
    return {"user": user, "item": item, "rating": rating, "time": time}


def interactions(summary):
    return read_atomic(summary.folder / f"{summary.name}.inter").to_numpy().tolist()


FORMS = {
    "MovieLens": table(header()),
    "reordered, with others": table({"other": "id", "time": "unixReviewTime", **header(time="x")} | {"time": "time"}),
    "RecBole's types": table(header("user_id:token", "item_id:token", "rating:float", "timestamp:float"), "\t"),
    "Amazon's names": table(header("reviewerID", "asin", "overall", "unixReviewTime")),
    "Yelp": table(
        header("user_id", "business_id", "stars", "date"), times=[time.replace("T", " ")[:-1] for time in ISO]
    ),
    "dates with a zone": table(header(time="date"), times=ISO),
    "BookCrossing": table(header('"User-ID"', '"Book-ID"', '"Book-Rating"', "timestamp"), ";"),
    "milliseconds": table(header(), times=[time * 1000 for _, _, _, time in EVENTS]),
    "microseconds": table(header(), times=[time * 1000_000 for _, _, _, time in EVENTS]),
    "carriage returns": table(header(), line_end="\r\n"),
    "byte order mark": "\ufeff" + table(header()),
    "quotation marks": table(header(), events=[(f'"{user}"', f'"{item}"', *rest) for user, item, *rest in EVENTS]),
    "empty lines": table(header()).replace("\n", "\n\n"),
    "ml-1m, without names": "\n".join("::".join(map(str, event)) for event in EVENTS),
    "ml-100k, without names": "\n".join("\t".join(map(str, event)) for event in EVENTS),
    "JSON": "\n".join(
        json.dumps(dict(zip(("user", "book_id", "stars", "time"), event, strict=True))) for event in EVENTS
    ),
    "JSON of Yelp": "\n".join(
        json.dumps({"review_id": "r", "user_id": user, "business_id": item, "stars": rating, "date": date})
        for (user, item, rating, _), date in zip(EVENTS, ISO, strict=True)
    ),
}


@pytest.mark.parametrize("ending", [".csv", ".gz"])
@pytest.mark.parametrize("form", FORMS)
def test_events_are_recognised_by_the_names_of_columns(tmp_path, form, ending):
    summary = convert_amazon(write(tmp_path / f"ratings{ending}", FORMS[form]), None, "Films", tmp_path / "out")
    assert interactions(summary) == EXPECTED
    assert summary.malformed == 0


def test_without_ratings_there_is_no_such_column(tmp_path):
    text = "user,item,time\n" + "".join(f"{user},{item},{time}\n" for user, item, _, time in EVENTS)
    summary = convert_amazon(write(tmp_path / "r.csv", text), None, "Films", tmp_path)
    assert interactions(summary) == [[user, item, time] for user, item, _, time in EXPECTED]
    assert summary.layout == "user,item,time"


def test_strange_ids_stay_as_they_are(tmp_path):
    ids = ["a b", "Größe", "007", "NaN", 'a"b', "日本"]
    rows = "".join(f'u,"{token.replace(chr(34), chr(34) * 2)}",1,{time}\n' for time, token in enumerate(ids))
    summary = convert_amazon(write(tmp_path / "r.csv", "user,item,rating,time\n" + rows), None, "Films", tmp_path)
    assert [row[1] for row in interactions(summary)] == ids


def test_line_breaks_in_quotation_marks_are_of_one_row(tmp_path):
    text = 'ProductId,UserId,Score,Time,Text\n50,7,4,978300100,"good,\nvery ""good"""\n51,8,5,978300300,\n'
    summary = convert_amazon(write(tmp_path / "r.csv", text), None, "Food", tmp_path)
    assert interactions(summary) == [EXPECTED[1], EXPECTED[2]]


UNKNOWN = [
    (
        table(header(user="who")),
        "its columns are who, movieId, rating, timestamp; it needs a column of the user (userid",
    ),
    (table(header(item="what")), "it needs a column of the item"),
    (table(header(time="when")), "it needs a column of the time (timestamp"),
    (table(header(), events=[]), "has no reviews: nothing follows its first line"),
    ("hello\nworld\n", "its columns are hello; it needs a column of the user"),
    (json.dumps({"user_id": 1, "stars": 2, "when": 3}), "its columns are user_id, stars, when; it needs"),
    ("[\n" + json.dumps({"user_id": 1}) + "\n]", "one JSON list"),
    ("PAR1\x15\x04", "a Parquet file"),
    ("PK\x03\x04\x14", "a zip archive"),
    (table(header(), times=["2000-12-31", 3, 4]), "2 of 4 lines are malformed, the first is line 3"),
    (table(header(), times=["12/31/2000"] * 3), "3 of 4 lines are malformed, the first is line 2"),
    (table(header(), times=["", "nan", "inf"]), "3 of 4 lines are malformed"),
    (table(header()) + '9,"50,3,978300100\n10,50,3,978300100\n', "line 5: unexpected end of data"),
    (table(header()).replace("7,50,4.0", "7,50,50,4.0"), "1 of 4 lines are malformed, the first is line 2"),
    (table(header()).replace("7,50,4.0", ",50,4.0"), "1 of 4 lines are malformed, the first is line 2"),
]


@pytest.mark.parametrize(("text", "says"), UNKNOWN)
def test_an_unknown_or_damaged_table_is_refused_in_one_line(tmp_path, text, says):
    path = write(tmp_path / "r.csv", text)
    line = refusal(convert_amazon, path, None, "Films", tmp_path / "out")
    assert says in line and str(path) in line
    assert not (tmp_path / "out").exists()


# ---- metadata

MOVIES = 'movieId,title,genres\n50,"Usual Suspects, The (1995)",Crime|Mystery\n51,"He said ""no""",Drama\n'
ITEMS = {
    "MovieLens": MOVIES,
    "tabs": "item_id:token\tname:token_seq\tgenre:token_seq\n50\tUsual Suspects, The (1995)\tCrime|Mystery\n"
    '51\tHe said "no"\tDrama\n',
    "JSON": "\n".join(
        json.dumps({"movie_id": number, "title": title, "genres": genres})
        for number, title, genres in (
            (50, "Usual Suspects, The (1995)", ["Crime", "Mystery"]),
            (51, 'He said "no"', ["Drama"]),
        )
    ),
}


@pytest.mark.parametrize("form", ITEMS)
def test_items_are_recognised_by_the_names_of_columns(tmp_path, form):
    ratings = write(tmp_path / "r.csv", FORMS["MovieLens"])
    summary = convert_amazon(ratings, write(tmp_path / "m.csv", ITEMS[form]), "Films", tmp_path)
    texts = read_item_texts(summary.folder / "Films.item").texts
    assert texts == {"51": 'He said "no". Drama', "50": "Usual Suspects, The (1995). Crime, Mystery"}
    assert summary.without_title == 0 and summary.notes == ()


def test_metadata_of_other_items_are_refused_and_of_few_are_said(tmp_path):
    events = [("7", str(item), 3, item) for item in range(10)]
    ratings = write(tmp_path / "r.csv", table(header(), events=events))
    others = write(tmp_path / "others.csv", "movieId,title\nm1,One\nm2,Two\n")
    line = refusal(convert_amazon, ratings, others, "Films", tmp_path)
    assert "others.csv describes none of the 10 items" in line and "like 0, and not like m1" in line
    assert not (tmp_path / "Films").exists()
    few = write(tmp_path / "few.csv", "movieId,title\n0,Zero\n3,Three\n99,Nobody\n")
    assert "few.csv describes 2 of 10 items only" in str(convert_amazon(ratings, few, "Films", tmp_path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (FORMS["MovieLens"], "has reviews, no metadata"),
        ("movieId,year\n50,1995\n", "its columns are movieId, year; it needs a column of the title"),
        ("hello\n", "so that it has no metadata"),
        ("", "so that it has no metadata"),
        (MOVIES + '52,"open,Drama\n', "line 4: unexpected end of data"),
    ],
)
def test_what_is_no_metadata_is_refused_in_one_line(tmp_path, text, says):
    ratings = write(tmp_path / "r.csv", FORMS["MovieLens"])
    assert says in refusal(convert_amazon, ratings, write(tmp_path / "m.csv", text), "Films", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lines_that_are_no_utf_8_are_counted(tmp_path):
    ratings = write(tmp_path / "r.csv", FORMS["MovieLens"])
    movies = tmp_path / "m.csv"
    movies.write_bytes("movieId,title\n50,Amélie\n51,Heat\n".encode("latin-1"))
    assert "1 lines of" in str(convert_amazon(ratings, movies, "Films", tmp_path))
    movies.write_text("movieId,title\n50,Amélie\n51,Heat\n", encoding="utf-8")
    assert "not UTF-8" not in str(convert_amazon(ratings, movies, "Again", tmp_path))


# ---- parts of a split, such as those of the benchmark of 2023

HEADER = "user_id,parent_asin,rating,timestamp,history\n"
PARTS = {
    "train": "A,B1,5,1000,\nA,B2,5,2000,B1\nB,B2,5,1000,\n",
    "valid": "A,B3,5,3000,B1 B2\nB,B1,5,2000,B2\n",
    "test": "A,B4,5,4000,B1 B2 B3\nB,B3,5,3000,B2 B1\n",
}
JOINED = {("A", "B1"), ("A", "B2"), ("A", "B3"), ("A", "B4"), ("B", "B2"), ("B", "B1"), ("B", "B3")}


def write_parts(folder, *names, ending=".csv", stem="Office."):
    paths = [write(folder / f"{stem}{name}{ending}", HEADER + PARTS[name]) for name in names]
    return paths[0]


@pytest.mark.parametrize(("ending", "stem"), [(".csv", "Office."), (".csv.gz", "Office_"), (".csv", "")])
@pytest.mark.parametrize("given", PARTS)
def test_parts_that_lie_together_are_joined(tmp_path, given, ending, stem):
    write_parts(tmp_path, *PARTS, ending=ending, stem=stem)
    summary = convert_amazon(tmp_path / f"{stem}{given}{ending}", None, "Office", tmp_path)
    assert {tuple(row[:2]) for row in interactions(summary)} == JOINED
    names = ", ".join(f"{stem}{part}{ending}" for part in PARTS)
    assert f"{names} are joined" in str(summary) and "history alone" not in str(summary)


def test_a_part_alone_is_said(tmp_path):
    path = write_parts(tmp_path, "train")
    summary = convert_amazon(path, None, "Office", tmp_path)
    assert len(interactions(summary)) == 3
    assert "only Office.train.csv is read: Office.valid.csv and Office.test.csv" in str(summary)
    assert "history alone" not in str(summary)


def test_what_histories_alone_have_is_counted(tmp_path):
    path = write_parts(tmp_path, "test")
    summary = convert_amazon(path, None, "Office", tmp_path)
    # B1, B2 and B3 of A, B2 and B1 of B.
    assert "5 earlier events stand in the column history alone" in str(summary)


def test_a_file_of_other_columns_is_no_part(tmp_path):
    path = write_parts(tmp_path, "train", "valid")
    write(tmp_path / "Office.test.csv", "user_id,parent_asin\nA,B9\n")
    summary = convert_amazon(path, None, "Office", tmp_path)
    assert "only Office.train.csv and Office.valid.csv is read: Office.test.csv" in str(summary)
    assert len(interactions(summary)) == 5


def test_the_command_says_what_it_did(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "ratings.csv", FORMS["MovieLens"])
    write(tmp_path / "movies.csv", MOVIES)
    out = printed(capsys, "convert", "--reviews=ratings.csv", "--metadata=movies.csv", "--name=Films", "--output=data")
    assert "Films (userId,movieId,rating,timestamp layout): 2 users, 2 items, 3 interactions in data/Films" in out
