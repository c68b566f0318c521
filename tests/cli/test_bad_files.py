"""Files and folders from elsewhere, in bulk: odd ones give what they should, damaged ones a line, and none is run."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from recbole_idp.cli.main import main
from tests.support.headers import INTER_HEADER, ITEM_HEADER
from tests.support.mistakes import (
    INTER,
    ITEM,
    Case,
    command,
    edited,
    parametrized,
    refused,
    replaced,
    toy_bundle,
)

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
LONG = "a" * 300


@pytest.fixture
def place(finished, workplace):
    """A copy of all that, in the current folder."""
    for name in ("data", "made"):
        shutil.copytree(finished / name, workplace / name)
    return workplace


def metrics(folder):
    """Returns what the latest run of a folder has found for the transferred model."""
    path = max((folder / "data" / "results").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return json.loads(path.read_text())["variants"]["fine_tune"]["test"]


# ---- odd interactions and items: other names for the same thing give the same figures


def item_called(name):
    return edited(lambda content: content.replace(b"si1\t", f"{name}\t".encode()), INTER, ITEM)


def timed(change):
    """Returns a step that changes the time of every event."""

    def edit(content):
        header, *lines = content.decode().splitlines()
        parts = [line.rpartition("\t") for line in lines]
        return "\n".join([header, *(f"{start}\t{change(int(time))}" for start, _, time in parts), ""]).encode()

    return edited(edit, INTER)


def in_encoding(name):
    return edited(lambda content: content.decode().encode(name), INTER, ITEM, "pens/pens.item", "lamps/lamps.item")


SAME = {
    "times before 1970": timed(lambda time: time - 1000),
    "times in nanoseconds": timed(lambda time: 1_588_687_728_000_000_000 + time * 10**9),
    "times as fractions": timed(lambda time: time / 7),
    "times around 1e300": timed(lambda time: f"{time + 1}e300"),
    "times with blanks around": timed(lambda time: f" {time} "),
    "ids of emoji": item_called("👩‍🔬📎"),
    "ids with spaces at the ends": item_called(" s i 1 "),
    "ids of 100,000 characters": item_called("x" * 100_000),
    "ids that are paths": item_called("../../etc/passwd"),
    "ids with quotation marks": item_called('"si,1'),
    "ids from right to left": item_called("עט אדום"),
    "ids that look like padding": item_called("[PAD]"),
    "ids that look like markup": item_called("<script>alert(1)</script>"),
    "users of one blank": edited(lambda content: content.replace(b"\nsu1\t", b"\n \t"), INTER),
    "carriage returns": edited(lambda content: content.replace(b"\n", b"\r\n"), INTER, ITEM),
    "a byte order mark": edited(lambda content: b"\xef\xbb\xbf" + content, INTER, ITEM),
    "no line break at the end": edited(lambda content: content.rstrip(b"\n"), INTER, ITEM),
    "empty lines at the end": edited(lambda content: content + b"\n\n\n", INTER, ITEM),
    "a title with blanks around": replaced(ITEM, "red pen 0", " \u00a0 red \u2003 pen 0\x0b "),
}


@pytest.mark.parametrize("name", SAME)
def test_odd_files_that_say_the_same_give_the_same_figures(name, finished, place):
    expected = metrics(finished)
    SAME[name](place)
    assert main(command(place, keep_trained=False)) == 0
    assert metrics(place) == expected


OTHER = {
    "texts in a language that the encoder does not know": edited(
        lambda content: content.decode().replace("\tred pen", "\t铅笔墨水").encode(), ITEM
    ),
    "texts of punctuation alone": lambda folder: titled("?!", ITEM)(folder),
    "one text for all": lambda folder: titled("red pen", ITEM)(folder),
    "sources in another language": edited(
        lambda content: content.decode().replace(" 0", "铅笔").replace(" 1", "墨水").encode(), "pens/pens.item"
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_texts_without_anything_in_common_work_as_well(name, place):
    OTHER[name](place)
    assert main(command(place, keep_trained=False)) == 0
    assert all(0 <= value <= 1 for value in metrics(place).values())


# ---- damaged data and impossible values: one line, and nothing is left


def other_kind(name, make):
    """Returns a step that puts something else in the place of a file."""

    def step(folder):
        path = folder / "data" / name
        path.unlink()
        make(path)

    return step


def titled(title, *names):
    """Returns a step that gives every item of some files the same title."""

    def edit(content):
        header, *lines = content.decode().splitlines()
        return "\n".join([header, *(f"{line.partition(chr(9))[0]}\t{title}" for line in lines), ""]).encode()

    return edited(edit, *names)


WRONG = [
    Case("cut in the last line", edited(lambda content: content[:-4], INTER), {}, ("shop.inter, line 207 has 2 of 3",)),
    Case("cut in a character", edited(lambda b: b[:-1] + "é".encode()[:1], ITEM), {}, ("shop.item, line 9", "UTF-8")),
    Case(
        "UTF-16",
        edited(lambda b: b.decode().encode("utf-16"), INTER),
        {},
        ("shop.inter is UTF-16", "to utf-16"),
    ),
    Case("UTF-16, unmarked", edited(lambda b: b.decode().encode("utf-16-le"), ITEM), {}, ("NUL byte",)),
    Case("zipped", edited(gzip.compress, INTER), {}, ("shop.inter is a gzip archive", "unpack it")),
    Case("carriage returns alone", edited(lambda b: b.replace(b"\n", b"\r"), INTER), {}, ("carriage returns alone",)),
    Case("a tab in a title", replaced(ITEM, "red pen 0", "red\tpen 0"), {}, ("shop.item, line 2 has 3 of 2",)),
    Case("a quoted tab", replaced(ITEM, "red pen 0", '"red\tpen 0"'), {}, ("shop.item, line 2 has 3 of 2",)),
    Case("a line break in a title", replaced(ITEM, "red pen 0", '"red\npen 0"'), {}, ("shop.item, line 3 has 1 of 2",)),
    Case("no header", edited(lambda content: content.partition(b"\n")[2], INTER), {}, ("line 1", "has no type")),
    Case(
        "two headers",
        edited(lambda content: INTER_HEADER.encode() + content, INTER),
        {},
        ("line 2", "'timestamp:float'"),
    ),
    Case("commas", edited(lambda b: b.replace(b"\t", b","), INTER), {}, ("is field_separator the one",)),
    Case("a comma in a time", timed(lambda time: f"{time},5"), {}, ("shop.inter, line 2", "neither a finite number")),
    Case("no dates", timed(lambda time: f"2018-13-0{time + 1}"), {}, ("line 2", "'2018-13-0", "nor a date such as")),
    Case("times alone", timed(lambda time: f"12:00:0{time}"), {}, ("line 2", "'12:00:0", "nor a date such as")),
    Case(
        "numbers and dates",
        replaced(INTER, "\t3\n", "\t2018-01-03\n"),
        {},
        ("shop.inter, line", "'2018-01-03', a date, and lines before have numbers"),
    ),
    Case("a folder", other_kind(INTER, Path.mkdir), {}, ("shop.inter is no file, but a folder",)),
    Case("a link to nothing", other_kind(INTER, lambda path: path.symlink_to("/nowhere")), {}, ("a broken link",)),
    Case("a pipe", other_kind(INTER, os.mkfifo), {}, ("shop.inter is no file",)),
    Case("items are a folder", other_kind(ITEM, Path.mkdir), {}, ("shop.item is missing",)),
    Case("sources without a word", titled("!!", "pens/pens.item", "lamps/lamps.item"), {}, ("no word in any",)),
    Case("a long name", None, {"dataset": LONG}, ("too long for a data set's name",)),
    Case("a long source", None, {"source_domains": [LONG]}, ("too long for a data set's name",)),
    Case("a name of two dots", None, {"dataset": ".."}, ("'..' is no data set's name",)),
    Case("a name of two lines", None, {"dataset": "a\nb"}, (r"unknown dataset 'a\nb'",)),
    Case("a name of half a character", None, {"dataset": "a\udcff"}, ("unknown dataset",)),
    *(
        Case(f"a long {key}", None, {key: f"/tmp/{LONG}"}, (LONG, "File name too long"))
        for key in ("data_path", "result_dir", "checkpoint_dir", "cache_path", "pretrained", "trained_dir")
    ),
    *(
        Case(f"NUL in {key}", None, {key: "a\0b"}, (f"{key} has a NUL character",))
        for key in ("dataset", "data_path", "result_dir", "checkpoint_dir", "trained_dir", "text_encoder")
    ),
    Case("a model below a file", None, {"trained_dir": f"data/{INTER}/x"}, ("cannot write trained_dir",)),
    *(
        Case(f"memory for {key}", None, {key: size, "variants": ["scratch"]}, ("not enough memory", "lower"))
        for key, size in {"MAX_ITEM_LIST_LENGTH": 10**12, "inner_size": 10**14}.items()
    ),
    Case("a billion layers", None, {"n_layers": 10**9}, ("n_layers must be from 1 to 1000",)),
    Case("a billion threads", None, {"threads": 10**9}, ("threads must be from 1 to 1000",)),
    *(
        Case(f"a pickle by {key}", None, {key: value}, (f"{key} is", "pickles are neither read nor written"))
        for key, value in {"save_dataset": True, "save_dataloaders": True}.items()
    ),
    *(
        Case(f"a pickle by {key}", None, {key: "x.pth"}, (f"{key} is x.pth", "pickles are neither read nor written"))
        for key in ("dataset_save_path", "dataloaders_save_path")
    ),
]


@parametrized(WRONG)
def test_wrong_files_and_values_are_refused_in_one_line(case, place, capfd):
    if case.prepare is not None:
        case.prepare(place)
    refused(capfd, place, command(place, **case.changes), *case.says)


# ---- the tasks that use a trained model


def with_file(name, content, *argv):
    """Returns a step that writes a file and gives the arguments of a command on it."""

    def step(folder):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return [argument.format(bundle=toy_bundle(folder)) for argument in argv]

    return step


def users(content, out="recs.jsonl"):
    return with_file("users", content, "recommend", "--trained=made", "--users=users", f"--out={out}", "--k=2")


def items(content, out="more"):
    argv = ("add-items", "--trained=made", "--items=new.item", f"--out={out}", "--pretrained={bundle}")
    return with_file("new.item", content, *argv)


def arguments(*argv, prepare=None):
    def step(folder):
        if prepare is not None:
            prepare(folder)
        return list(argv)

    return step


PLAIN = "u1\tsi1 si2\nu2\tsi3\n"
GOOD_USERS = {
    "carriage returns": PLAIN.replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + PLAIN,
    "no line break at the end": PLAIN.rstrip(),
    "blank lines": "\n" + PLAIN + "\n \n",
    "several blanks": PLAIN.replace(" ", "  \u2003 "),
    "items that nobody knows": PLAIN.replace("si2", "si2 📎 x\0y").replace("si2 📎", "📎 si2"),
    "events before 1970": INTER_HEADER + "u1\tsi1\t-9\nu2\tsi3\t-5\nu1\tsi2\t-7.5\n",
    "events without a time": "user_id:token\titem_id:token\nu1\tsi1\nu1\tsi2\nu2\tsi3\n",
}


@pytest.mark.parametrize("name", GOOD_USERS)
def test_odd_files_of_users_that_say_the_same_give_the_same_items(name, place):
    assert main(users(PLAIN, "plain.jsonl")(place)) == 0
    assert main(users(GOOD_USERS[name])(place)) == 0
    assert (place / "recs.jsonl").read_text() == (place / "plain.jsonl").read_text()


@pytest.mark.parametrize("user", ["📎", 'a "b", c', "x" * 100_000, "[PAD]", "a\u2028b"])
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_users_of_any_name_are_written_out_as_they_were_read(user, form, place):
    import csv

    assert main(users(f"{user}\tsi1\n", f"recs.{form}")(place)) == 0
    with open(place / f"recs.{form}", encoding="utf-8", newline="") as file:
        rows = [json.loads(line) for line in file] if form == "jsonl" else list(csv.DictReader(file))
    assert {row["user"] for row in rows} == {user}


GOOD_ITEMS = {
    "carriage returns": "n1\tblue pen\r\n",
    "emoji": "n1\t📎 blue pen 👩‍🔬\n",
    "quotation marks": 'n1\t"Weird Al" says "blue pen\n',
    "100,000 characters": "n1\t" + "blue pen " * 11_000 + "\n",
    "another language": "n1\t铅笔\n",
    "ids with spaces": "n 1\tblue pen\n",
}


@pytest.mark.parametrize("name", GOOD_ITEMS)
def test_odd_new_items_are_added(name, place, capfd):
    import recbole_idp

    assert main(items(ITEM_HEADER + GOOD_ITEMS[name])(place)) == 0
    assert recbole_idp.load(place / "more").trained.tokens[8:] == [GOOD_ITEMS[name].partition("\t")[0]]


def parts(name):
    """Returns a step that puts something into the folder of parts of a file of recommendations."""
    return lambda folder: (folder / ".recs.csv.parts" / name).mkdir(parents=True)


COMMANDS = {
    "users in UTF-16": (users(PLAIN.encode("utf-16")), "users, line 1 is not UTF-8"),
    "users zipped": (users(gzip.compress(PLAIN.encode())), "users, line 1 is not UTF-8"),
    "users by commas": (users("u1,si1\n"), "users, line 1 has 1 fields"),
    "users cut off": (users(PLAIN + "u3"), "users, line 3 has 1 fields"),
    "events without items": (users("user_id:token\ttimestamp:float\nu\t3\n"), "names no column item_id"),
    "a column twice": (users("user_id:token\titem_id:token\titem_id:token\nu\ta\tb\n"), "names a column twice"),
    "events cut off": (users(INTER_HEADER + "u\tsi1\t3\nu\tsi"), "users, line 3 has 2 of 3"),
    "users are a pipe": (
        arguments("recommend", "--trained=made", "--users=p", "--out=a.csv", prepare=lambda at: os.mkfifo(at / "p")),
        "there is no file p",
    ),
    "a long file of users": (arguments("recommend", "--trained=made", f"--users={LONG}", "--out=a.csv"), "too long"),
    "a long output": (users(PLAIN, f"{LONG}.csv"), "too long"),
    "an output that becomes too long": (users(PLAIN, f"{LONG[:248]}.csv"), "too long"),
    "an output below a file": (users(PLAIN, "users/recs.csv"), "cannot write"),
    "a stranger's folder of parts": (
        arguments("recommend", "--trained=made", "--users=made/items.tsv", "--out=recs.csv", prepare=parts("x")),
        "was not left by an interrupted run",
    ),
    "a long model": (arguments("recommend", f"--trained={LONG}", "--history=si1"), "too long"),
    "a model that is a file": (arguments("recommend", "--trained=made/items.tsv", "--history=a"), "no trained model"),
    "new items in latin-1": (items((ITEM_HEADER + "n1\tcafé\n").encode("latin-1")), "new.item, line 2: not utf-8"),
    "new items in UTF-16": (items((ITEM_HEADER + "n1\tpen\n").encode("utf-16")), "new.item is UTF-16, not utf-8 text"),
    "a tab in a new title": (items(ITEM_HEADER + "n1\ta\tb\n"), "new.item, line 2 has 3 of 2"),
    "new items cut off": (items(ITEM_HEADER + "n1"), "new.item, line 2 has 1 of 2"),
    "a NUL in a new title": (items(ITEM_HEADER + "n1\ta\0b\n"), "line 2: a NUL byte"),
    "a new item without id": (items(ITEM_HEADER + "\tpen\n"), "item_id is empty"),
    "no new item": (items(ITEM_HEADER), "has no rows"),
    "no file of new items": (arguments("add-items", "--trained=made", "--items=a", "--out=b"), "no file a"),
    "new items to a file": (items(ITEM_HEADER + "n1\tpen\n", "new.item/x"), "cannot write"),
    "new items to a long name": (items(ITEM_HEADER + "n1\tpen\n", LONG), "too long"),
    "an export of a long name": (arguments("export", "--trained=made", f"--out={LONG}"), "too long"),
    "a report of nothing": (arguments("report", "--result=none.json"), "none.json is not a readable leaderboard"),
    "a report of weights": (arguments("report", "--result=made/model.safetensors"), "not a readable leaderboard"),
    "a report of deep JSON": (
        with_file("deep.json", "[" * 100_000, "report", "--result=deep.json"),
        "deep.json is not a readable leaderboard",
    ),
    "raw reviews that are weights": (
        arguments("convert", "--reviews=made/model.safetensors", "--name=x", "--output=out"),
        "unknown layout",
    ),
    "raw reviews to another folder": (
        arguments("convert", "--reviews=made/items.tsv", "--name=../x", "--output=out"),
        "is no data set's name",
    ),
    "a board with an unknown dataset": (
        arguments("leaderboard", "--model=Pop,IDP", "--dataset=shop,shpo", "--data_path=data"),
        "unknown dataset 'shpo'",
    ),
    "a board in a long folder": (
        arguments("leaderboard", "--model=Pop", "--dataset=shop", "--data_path=data", f"--result_dir={LONG}"),
        "too long",
    ),
    "datasets of a long folder": (arguments("datasets", f"--data_path={LONG}"), "too long"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_commands_on_files_are_refused_in_one_line(name, place, capfd):
    make, says = COMMANDS[name]
    refused(capfd, place, make(place), says)
