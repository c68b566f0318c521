"""Atomic files are read literally, item texts are put together, and every fault is named with its line."""

import numpy as np
import pandas as pd
import pytest

from recbole_idp.data.atomic import read_atomic, write_atomic
from recbole_idp.data.item_text import read_item_texts
from recbole_idp.errors import UserError
from tests.support.commands import refusal
from tests.support.headers import INTER_HEADER

INTER_TYPES = {"user_id": "token", "item_id": "token", "timestamp": "float"}


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_values_and_types(tmp_path):
    path = write(tmp_path / "a.inter", "user_id:token\titem_id:token\ttimestamp:float\n01\tNA\t3\nu2\tnan\t4.5\n")
    frame = read_atomic(path)
    assert frame.attrs["types"] == INTER_TYPES
    assert frame["user_id"].tolist() == ["01", "u2"]
    assert frame["item_id"].tolist() == ["NA", "nan"]
    assert frame["timestamp"].dtype == np.float64
    assert frame["timestamp"].tolist() == [3.0, 4.5]


def test_every_character_between_tabs_is_literal(tmp_path):
    titles = ['"Heroes', 'a "b" c', "'x", " leading", "trailing ", "# note", "\\t", "a, b", "", "NULL", "\u2028\x0b"]
    rows = "".join(f"i{number}\t{title}\n" for number, title in enumerate(titles))
    frame = read_atomic(write(tmp_path / "a.item", "item_id:token\ttitle:token_seq\n" + rows))
    assert frame["title"].tolist() == titles


def test_seq_columns_stay_text(tmp_path):
    path = write(tmp_path / "a.item", "item_id:token\tgenre:token_seq\tvector:float_seq\n1\tDrama War\t0.1 0.2\n")
    frame = read_atomic(path)
    assert frame.loc[0].tolist() == ["1", "Drama War", "0.1 0.2"]


def test_columns_are_chosen_in_the_order_of_the_file(tmp_path):
    path = write(tmp_path / "a.inter", "user_id:token\titem_id:token\ttimestamp:float\nu\ti\tnot read\n")
    frame = read_atomic(path, columns=["item_id", "user_id"])
    assert list(frame.columns) == ["user_id", "item_id"]
    assert list(frame.attrs["types"]) == ["user_id", "item_id"]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n"])
def test_line_ends_and_byte_order_mark(tmp_path, ending, last):
    text = "\ufeffuser_id:token\titem_id:token\nu1\ti1\nu2\ti2" + last
    frame = read_atomic(write(tmp_path / "a.inter", text.replace("\n", ending)))
    assert frame.to_numpy().tolist() == [["u1", "i1"], ["u2", "i2"]]


def test_other_separator_and_encoding(tmp_path):
    path = write(tmp_path / "a.item", "item_id:token,title:token_seq\n1,Café\n", encoding="latin-1")
    assert read_atomic(path, separator=",", encoding="latin-1")["title"].tolist() == ["Café"]


def test_utf16(tmp_path):
    path = write(tmp_path / "a.item", "item_id:token\ttitle:token_seq\n1\tCafé\n", encoding="utf-16")
    assert read_atomic(path, encoding="utf-16")["title"].tolist() == ["Café"]


def test_missing_number_among_features_is_nan(tmp_path):
    path = write(tmp_path / "a.item", "item_id:token\tprice:float\n1\t\n2\t2.5\n")
    np.testing.assert_array_equal(read_atomic(path)["price"], [np.nan, 2.5])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        (INTER_HEADER, "has no rows"),
        ("user_id\titem_id\nu\ti\n", "line 1: column 'user_id' has no type"),
        ("user_id:token\t:token\nu\ti\n", "line 1: column ':token' has no type"),
        ("user_id:tokn\nu\n", "line 1: column 'user_id' has the unknown type 'tokn'"),
        ("user_id:token\tuser_id:float\nu\t1\n", "line 1: column 'user_id' occurs twice"),
        ("user_id:token\titem_id:token\nu\ti\n", "has no column 'timestamp'; it has user_id, item_id"),
        (INTER_HEADER + "u\ti\t1\nu\ti\n", "line 3 has 2 of 3 fields"),
        (INTER_HEADER + "u\ti\t1\nu\ti\t1\t9\n", "line 3 has 4 of 3 fields"),
        (INTER_HEADER + "u\ti\t1\n\nu\ti\t1\n", "line 3 has 1 of 3 fields"),
        (INTER_HEADER + "u\ti\t1\nu\ti\tsoon\n", "line 3: timestamp is 'soon', not a finite number"),
        (INTER_HEADER + "u\ti\t1\nu\ti\t\n", "line 3: timestamp is '', not a finite number"),
        (INTER_HEADER + "u\ti\t1\nu\ti\tNaN\n", "line 3: timestamp is 'NaN', not a finite number"),
        (INTER_HEADER + "u\ti\t1\nu\ti\tinf\n", "line 3: timestamp is 'inf', not a finite number"),
        (INTER_HEADER + "u\ti\t1\n\ti\t1\n", "line 3: user_id is empty"),
        (INTER_HEADER + "u\ti\t1\nu\t\t1\n", "line 3: item_id is empty"),
        (INTER_HEADER + "u\ti\0\t1\n", "line 2: a NUL byte"),
    ],
)
def test_faults_are_one_line_with_the_place(tmp_path, text, expected):
    path = write(tmp_path / "a.inter", text)
    message = refusal(read_atomic, path, columns=list(INTER_TYPES))
    assert str(path) in message
    assert expected in message


def test_wrong_encoding_names_the_line(tmp_path):
    path = write(tmp_path / "a.item", "item_id:token\ttitle:token_seq\n1\tTea\n2\tCafé\n", encoding="latin-1")
    with pytest.raises(UserError, match="line 3: not utf-8 text"):
        read_atomic(path)
    with pytest.raises(UserError, match="unknown encoding 'utf-99'"):
        read_atomic(path, encoding="utf-99")


def test_missing_file_names_its_neighbours(tmp_path):
    write(tmp_path / "Office.inter", INTER_HEADER)
    with pytest.raises(UserError, match=r"its folder has Office\.inter"):
        read_atomic(tmp_path / "Ofice.inter")
    with pytest.raises(UserError, match="there is no folder"):
        read_atomic(tmp_path / "nowhere" / "a.inter")
    with pytest.raises(UserError, match="cannot read"):
        read_atomic(tmp_path)


def test_what_is_written_is_read_again(tmp_path):
    titles = ['"a\tb\r\n\0c\ud83d', None]
    frame = pd.DataFrame({"item_id": ["1", "2"], "title": titles, "price": [0.1, np.nan], "time": [1588687728923, 2]})
    types = {"item_id": "token", "title": "token_seq", "price": "float", "time": "float"}
    write_atomic(tmp_path / "a.item", frame, types)
    assert (tmp_path / "a.item").read_text().splitlines()[1] == '1\t"a b c?\t0.1\t1588687728923'
    again = read_atomic(tmp_path / "a.item")
    assert again["title"].tolist() == ['"a b c?', ""]
    np.testing.assert_array_equal(again["price"], frame["price"])
    assert again.attrs["types"] == types


def test_half_a_million_rows_are_read_as_they_were_written(tmp_path):
    rows = 500_000
    numbers = np.arange(rows)
    frame = pd.DataFrame({"user_id": "U" + (numbers // 10).astype(str).astype(object), "item_id": (numbers % 999)})
    frame["timestamp"] = numbers + 1e9
    write_atomic(tmp_path / "a.inter", frame, INTER_TYPES)
    again = read_atomic(tmp_path / "a.inter")
    assert len(again) == rows
    assert again["user_id"].tolist() == frame["user_id"].tolist()
    np.testing.assert_array_equal(again["timestamp"], frame["timestamp"])


ITEMS = (
    "item_id:token\tclass:token_seq\tmovie_title:token_seq\tyear:token\tprice:float\n"
    "1\tDrama  War\tUp!\t2009\t1\n2\t\t  A   film \t2010\t\n3\t\t\t\t2\n"
)


def test_item_texts_start_with_the_title(tmp_path):
    items = read_item_texts(write(tmp_path / "a.item", ITEMS))
    assert items.fields == ("movie_title", "class")
    assert items.texts == {"1": "Up! Drama War", "2": "A film", "3": ""}
    assert items.titles["1"] == "Up!"
    assert items.without_text == 1
    assert items.for_items(["2", "unknown", "1"]) == ["A film", "", "Up! Drama War"]


def test_item_text_fields_and_length(tmp_path):
    path = write(tmp_path / "a.item", ITEMS)
    items = read_item_texts(path, text_fields=["class", "year"])
    assert items.texts == {"1": "Drama War. 2009", "2": "2010", "3": ""}
    assert items.titles["1"] == "Drama War"
    assert read_item_texts(path, text_length=5).texts["1"] == "Up! D"


def test_title_column_of_type_token_is_text_by_default(tmp_path):
    text = "item_id:token\tcategories:token_seq\ttitle:token\tbrand:token\n1\tPens\tBic\tB\n"
    path = write(tmp_path / "a.item", text)
    assert read_item_texts(path).texts["1"] == "Bic. Pens"


def test_other_columns_do_not_matter_to_the_text(tmp_path):
    path = write(tmp_path / "a.item", "item_id:token\ttitle:token_seq\trank:float\n1\tPen\tn/a\n")
    assert read_item_texts(path).texts == {"1": "Pen"}


def test_item_faults(tmp_path):
    path = write(tmp_path / "a.item", ITEMS)
    with pytest.raises(UserError, match=r"no column 'titel'.*it has class, movie_title, year, price"):
        read_item_texts(path, text_fields=["titel"])
    with pytest.raises(UserError, match="no column 'asin'"):
        read_item_texts(path, item_field="asin")
    twice = write(tmp_path / "b.item", "item_id:token\ttitle:token_seq\n1\ta\n2\tb\n1\tc\n")
    with pytest.raises(UserError, match="item '1' occurs twice, in lines 2 and 4"):
        read_item_texts(twice)
    bare = write(tmp_path / "c.item", "item_id:token\tprice:float\n1\t2\n")
    with pytest.raises(UserError, match="no text column"):
        read_item_texts(bare)


@pytest.mark.parametrize(
    ("name", "users", "items", "interactions"),
    [
        ("Office", 4_905, 2_420, 53_258),
        ("Arts", 9_102, 14_114, 92_223),
        ("Health", 38_329, 18_427, 343_831),
        ("OnlineRetail", 4_335, 3_659, 386_354),
    ],
)
def test_real_data(shared_dataset, name, users, items, interactions):
    inter = read_atomic(shared_dataset / name / f"{name}.inter")
    assert (inter["user_id"].nunique(), inter["item_id"].nunique(), len(inter)) == (users, items, interactions)
    texts = read_item_texts(shared_dataset / name / f"{name}.item")
    assert len(texts.texts) >= items
    assert any(texts.for_items(inter["item_id"].unique()))


def test_real_titles_with_quotation_marks(shared_dataset):
    starting = 0
    for name in ("Health", "Clothing", "Beauty", "Toys", "Electronics", "Office", "Arts", "OnlineRetail"):
        path = shared_dataset / name / f"{name}.item"
        frame = read_atomic(path)
        with open(path, encoding="utf-8", newline="\n") as file:
            assert len(frame) == sum(1 for _ in file) - 1
        starting += sum(title.startswith('"') for title in frame["title"])
    assert starting > 0


def test_taking_a_column_copies_no_types_of_the_others(tmp_path):
    """pandas copies a table's attributes deeply for each column that is taken: with 5,000 columns this took minutes."""
    path = tmp_path / "x.item"
    path.write_text("item_id:token\ttitle:token_seq\ni1\tred pen\n")
    frame = read_atomic(path)
    assert frame["title"].attrs["types"] is frame.attrs["types"]
