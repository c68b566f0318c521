"""A column of a .user file becomes classes of users, or is refused in a line that names file and class."""

import pytest

from recbole_idp.data.atomic import FileFormat
from recbole_idp.data.catalog import DatasetLocation, locate
from recbole_idp.data.user_profiles import read_profiles
from tests.support.commands import refusal


def place(tmp_path, header, values):
    """Writes a .user file whose users are u0, u1 and so on; returns where it is."""
    rows = "".join(f"u{number}\t{value}\n" for number, value in enumerate(values))
    (tmp_path / "shop.user").write_text(f"user_id:token\t{header}\n{rows}")
    return DatasetLocation("shop", tmp_path, "shop", "a test")


def fails(expected, location, field="age"):
    line = refusal(read_profiles, location, field)
    assert line.startswith((str(location.user_file), "no file")) and expected in line


def test_numbers_have_their_order_and_words_the_alphabets(tmp_path):
    found = read_profiles(place(tmp_path, "age:token", ["25", "1", "", "18", "1"] * 3), "age")
    assert found.classes == ["1", "18", "25"]
    assert found.labels.tolist() == [2, 0, -1, 1, 0] * 3
    assert found.users == [f"u{number}" for number in range(15)]
    found = read_profiles(place(tmp_path, "job:token", ["writer", "10", "9"] * 3), "job")
    assert found.classes == ["10", "9", "writer"]


@pytest.mark.parametrize("kind", ["float", "token_seq", "float_seq"])
def test_other_types_are_taken_where_all_values_are_whole_numbers(tmp_path, kind):
    found = read_profiles(place(tmp_path, f"age:{kind}", ["30", "4", ""] * 3), "age")
    assert found.classes == ["4", "30"] and found.labels.tolist() == [1, 0, -1] * 3
    fails("line 5: age is '3.5'", place(tmp_path, f"age:{kind}", ["30", "4", "", "3.5"] * 3))
    if kind != "float":
        fails("line 3: age is '3 4'", place(tmp_path, f"age:{kind}", ["30", "3 4"] * 3))


def test_other_names_and_separators(tmp_path):
    (tmp_path / "shop.user").write_text("uid:token,sex:token\n" + "".join(f"u{n},{'FM'[n % 2]}\n" for n in range(6)))
    location = DatasetLocation("shop", tmp_path, "shop", "a test")
    found = read_profiles(location, "sex", "uid", FileFormat(",", "latin-1"))
    assert found.classes == ["F", "M"] and found.labels.tolist() == [0, 1] * 3


def test_columns_that_cannot_be_learned(tmp_path):
    fails("no file", DatasetLocation("shop", tmp_path, "shop", "a test"))
    fails("has no column 'aeg' of classes: did you mean age?", place(tmp_path, "age:token", ["1", "2"] * 3), "aeg")
    fails("has no column 'job' of classes: it has age", place(tmp_path, "age:token", ["1", "2"] * 3), "job")
    fails("has no column 'user_id' of classes", place(tmp_path, "age:token", ["1", "2"] * 3), "user_id")
    fails("age is '1' for all users", place(tmp_path, "age:token", ["1", "", "1", "1"]))
    fails("age is empty for all users", place(tmp_path, "age:token", ["", " "]))
    fails("the class '7' of age has 1 user, and needs 3", place(tmp_path, "age:token", ["1", "2"] * 3 + ["7"]))
    fails("the class '2' of age has 2 users (and 1 more classes)", place(tmp_path, "age:token", [*"11133322", "7"]))
    location = place(tmp_path, "age:token", ["1", "2"] * 3)
    location.user_file.write_text(location.user_file.read_text() + "u1\t2\n")
    fails("line 8: user 'u1' is in line 3 already", location)
    location.user_file.write_text("user_id:token\tage:token\n\t2\n")
    fails("line 2: user_id is empty", location)
    location.user_file.write_text("user:token\tage:token\nu\t2\n")
    fails("has no column 'user_id' of users", location)
    location.user_file.write_text("user_id:float\tage:token\n1\t2\n")
    fails("write user_id:token", location)


@pytest.mark.parametrize(
    ("name", "field", "classes"),
    [("ml-1m", "age", 7), ("ml-1m", "gender", 2), ("ML100K", "gender", 2), ("ML100K", "occupation", 21)],
)
def test_real_files(shared_dataset, name, field, classes):
    found = read_profiles(locate(name, shared_dataset), field)
    assert len(found.classes) == classes and len(found.users) == len(found.labels) == (6040 if name == "ml-1m" else 943)
    assert (found.labels >= 0).all()
    if field == "age":
        assert found.classes == ["1", "18", "25", "35", "45", "50", "56"]
