"""Tables of any columns become atomic files: the user says which column is which."""

import gzip

import pytest

from recbole_idp.cli.main import main
from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.folders import clock_of
from recbole_idp.data.plain_csv.convert import convert_csv
from tests.support.commands import refusal, refused

EVENTS = "customer;bought at;sku;grade\nanna;{0};pen-1;4.5\nbert;{1};pen-2;2\nanna;{1};pen-2;5\n"
COLUMNS = "user=customer,item=sku,time=bought at,rating=grade"
ITEMS = 'sku\tname\tmaker\npen-1\tRed pen\tAcme\npen-9\tx\ty\npen-2\tBlue "pen"\tBeta\n'
TIMES = {
    "ISO": ("2013-05-02", "2013-05-01"),
    "a time of day": ("2013-05-02 00:00", "2013-05-01T00:00:00"),
    "a time zone": ("2013-05-02T02:00:00+02:00", "2013-05-01T00:00:00Z"),
    "seconds": ("1367452800", "1367366400"),
    "milliseconds": ("1367452800000", "1367366400000"),
    "RFC 2822": ("Thu, 02 May 2013 00:00:00 GMT", "Wed, 01 May 2013 02:00:00 +0200"),
}


def write(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def rows(folder, kind="inter"):
    return read_atomic(folder / f"{folder.name}.{kind}").to_numpy().tolist()


@pytest.mark.parametrize("form", TIMES)
def test_columns_by_name_and_times_of_every_form(form, tmp_path):
    path = write(tmp_path / "a.csv.gz", EVENTS.format(*TIMES[form]))
    convert_csv(path, COLUMNS, name="N", output=tmp_path)
    assert rows(tmp_path / "N") == [
        ["anna", "pen-2", 5.0, 1367366400.0],
        ["anna", "pen-1", 4.5, 1367452800.0],
        ["bert", "pen-2", 2.0, 1367366400.0],
    ]


def test_the_command_with_texts_of_items(tmp_path, capfd):
    events, items = write(tmp_path / "a.csv", EVENTS.format(2, 1)), write(tmp_path / "i.tsv", ITEMS)
    options = [f"--events={events}", f"--columns={COLUMNS}", f"--items={items}", f"--output={tmp_path}", "--name=N"]
    argv = ["convert", "--format=csv", *options, "--item_columns=item=sku,title=name,brand=maker", "--min_rating=3"]
    assert main(argv) == 0
    assert "1 events with a rating below 3 are left out" in capfd.readouterr().out
    assert rows(tmp_path / "N") == [["anna", "pen-2", 5.0, 1.0], ["anna", "pen-1", 4.5, 2.0]]
    assert sorted(rows(tmp_path / "N", "item")) == [["pen-1", "Red pen", "Acme"], ["pen-2", 'Blue "pen"', "Beta"]]
    assert read_atomic(tmp_path / "N" / "N.item").attrs["types"] == {
        "item_id": "token",
        "title": "token_seq",
        "brand": "token_seq",
    }


def test_no_times_and_no_names_of_columns(tmp_path):
    path = write(tmp_path / "a.txt", "anna|x|pen-1\nbert|x|pen-1\nanna|y|pen-2\n")
    convert_csv(path, "user=1,item=3", name="N", output=tmp_path, header=False, separator="|")
    assert rows(tmp_path / "N") == [["anna", "pen-1", 0.0], ["anna", "pen-2", 1.0], ["bert", "pen-1", 0.0]]
    assert clock_of(tmp_path / "N") is not None


def test_columns_with_commas_in_their_names(tmp_path):
    path = write(tmp_path / "a.tsv", "who, exactly\tsku\nanna\tpen-1\n")
    convert_csv(path, "{user: 'who, exactly', item: sku}", name="N", output=tmp_path, separator="tab")
    assert rows(tmp_path / "N") == [["anna", "pen-1", 0.0]]


def test_fields_in_quotation_marks(tmp_path):
    path = write(tmp_path / "a.csv", '"u","i","t"\n"a,b","x ""y""",3\n')
    convert_csv(path, "user=u,item=i,time=t", name="N", output=tmp_path)
    assert rows(tmp_path / "N") == [["a,b", 'x "y"', 3.0]]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("user=customer", "does not name the column of item: write --columns=user=NAME,item=NAME"),
        ("user=customer,item", "has 'item', and not part=column"),
        ("user=customer,item=sku,tme=x", "names 'tme', which is no part: did you mean time?"),
        ("user=customer,user=sku,item=x", "names user twice"),
        ("user=customer,item=article", "has no column article"),
        ("{user: [1], item: x}", "is no map of columns"),
        ("{user: 1", "is no map of columns"),
        ("user=customer,item=sku,time=grade,rating=bought at", "3 of 4 lines are malformed"),
    ],
)
def test_wrong_mappings_are_refused_in_one_line(columns, says, tmp_path):
    path = write(tmp_path / "a.csv", EVENTS.format("2013-05-02", "2013-05-01"))
    line = refusal(convert_csv, path, columns, name="N", output=tmp_path / "out")
    assert says in line and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"items": "i.tsv"}, "--items and --item_columns belong together"),
        ({"item_columns": "item=sku,title=name"}, "--items and --item_columns belong together"),
        ({"items": "i.tsv", "item_columns": "item=sku"}, "names no text: add title=NAME"),
        ({"items": "i.tsv", "item_columns": "item=sku,item_id=name"}, "which is a column of its own"),
        ({"columns": "user=customer,item=sku", "min_rating": 3}, "min_rating needs the column of ratings"),
        ({"separator": ""}, "separator is empty"),
        ({"header": False}, "has 4 columns without names, as header says: user=customer is no number from 1 to 4"),
        ({"items": "i.tsv", "item_columns": "item=name,title=sku"}, "describes none of the 2 items"),
    ],
)
def test_wrong_options_are_refused_in_one_line(changes, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "i.tsv", ITEMS)
    path = write(tmp_path / "a.csv", EVENTS.format(2, 1))
    columns = changes.pop("columns", COLUMNS)
    line = refusal(convert_csv, path, columns, name="N", output=tmp_path / "out", **changes)
    assert says in line and not (tmp_path / "out").exists()


def test_the_command_needs_columns(tmp_path, capfd):
    path = write(tmp_path / "a.csv", EVENTS.format(2, 1))
    refused(capfd, ["convert", "--format=csv", f"--events={path}", "--name=N"], "convert needs --columns")


def titles(folder, **texts):
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_a_folder_of_titles(tmp_path, capfd):
    texts = {"pen-1": "Red pen\n", "pen-2": "\ufeffBlue\tpen\nLong\nlasting <b>", "x": "y"}
    items = titles(tmp_path / "titles", **texts)
    (items / "pen-3.txt").symlink_to(items / "x.txt")
    path = write(tmp_path / "a.csv", "who,what\nanna,pen-1\nbert,pen-2\nbert,pen-3\n")
    options = [f"--events={path}", "--columns=user=who,item=what", f"--items={items}", f"--output={tmp_path}"]
    assert main(["convert", "--format=csv", "--name=N", *options]) == 0
    assert "1 items without text" in capfd.readouterr().out
    assert rows(tmp_path / "N", "item") == [
        ["pen-1", "Red pen", ""],
        ["pen-2", "Blue pen", "Long lasting"],
        ["pen-3", "", ""],
    ]


def test_a_folder_of_titles_without_descriptions(tmp_path):
    items = titles(tmp_path / "titles", **{"pen-1": "Red pen", "pen-2": b"Caf\xe9"})
    path = write(tmp_path / "a.csv", "who,what\nanna,pen-1\nbert,pen-2\n")
    summary = convert_csv(path, "user=who,item=what", name="N", output=tmp_path, items=items)
    assert any("1 files" in note and "not UTF-8" in note for note in summary.notes)
    assert rows(tmp_path / "N", "item") == [["pen-1", "Red pen"], ["pen-2", "Caf\ufffd"]]


def test_wrong_folders_of_titles_are_refused_in_one_line(tmp_path):
    path = write(tmp_path / "a.csv", "who,what\nanna,pen-1\n")
    wanted = {"columns": "user=who,item=what", "name": "N", "output": tmp_path / "out"}
    (tmp_path / "empty").mkdir()
    assert "has no file such as ID.txt" in refusal(convert_csv, path, items=tmp_path / "empty", **wanted)
    others = titles(tmp_path / "others", pencil="A pencil")
    line = refusal(convert_csv, path, items=others, **wanted)
    assert "describes none of the 1 items" in line and "not like pencil" in line
    both = {**wanted, "items": others, "item_columns": "item=a,title=b"}
    assert "is a folder: omit it" in refusal(convert_csv, path, **both)
    assert not (tmp_path / "out").exists()
