"""What people are used to from RecBole and other packages works, or is refused in a line that names the right way."""

import gzip

import numpy as np
import pytest

from recbole_idp.cli.main import main
from recbole_idp.config.resolve import split_files
from recbole_idp.recbole_models.choose import make_dataset
from recbole_idp.testing import configured
from recbole_idp.testing.toy import write_domains
from tests.support.commands import printed, refusal
from tests.support.mistakes import (
    INTER,
    ITEM,
    Case,
    command,
    edited,
    parametrized,
    refused,
    replaced,
    run_case,
    written,
)


@pytest.fixture
def place(workplace):
    """Toy domains in the current folder."""
    write_domains(workplace / "data")
    return workplace


def renamed(old, new):
    return lambda folder: (folder / "data" / old).rename(folder / "data" / new)


VECTORS = "item_id:token\ttitle:token_seq\tvector:float_seq\n" + "".join(f"si{n}\tpen {n}\t0.1 0.2\n" for n in range(8))
OWN = "--text_vectors="

REFUSED = [
    # ---- datasets by path
    Case(
        "data_path is the dataset",
        None,
        {"data_path": "data/shop"},
        ("data/shop is itself the folder of a dataset (shop.inter)", "write --data_path=data"),
    ),
    Case("data_path is the dataset/", None, {"data_path": "data/shop/"}, ("write --data_path=data",)),
    Case("data_path is a file of events", None, {"data_path": "data/shop/shop.inter"}, ("write --data_path=data",)),
    Case("no data_path", None, {"data_path": "nowhere"}, ("unknown dataset", "nowhere (there is no such folder)")),
    Case("a slash at the end", None, {"dataset": "shop/"}, ("'shop/' is no data set's name", ": shop in ")),
    Case("a path", None, {"dataset": "data/shop"}, ("'data/shop' is no data set's name", "shop in data")),
    Case("a path of a file", None, {"dataset": "data/shop/shop.inter"}, ("no data set's name", "shop in data")),
    Case("a file's name", None, {"dataset": "shop.inter"}, ("unknown dataset 'shop.inter'", "did you mean shop?")),
    Case("another case", None, {"dataset": "Shop"}, ("unknown dataset 'Shop'", "did you mean shop")),
    Case("a source's path", None, {"source_domains": ["data/pens"]}, ("no data set's name", "pens in data")),
    Case("a CSV", renamed(INTER, "shop/shop.csv"), {}, ("has no .inter file but shop.csv", "recbole-idp convert")),
    Case("items of another case", renamed(ITEM, "shop/Shop.item"), {}, ("shop.item is missing (there is Shop.item)",)),
    # ---- vectors of one's own
    *(
        Case(f"text_encoder is {name}", None, {"text_encoder": name}, (f"text encoder {name} is a file", OWN))
        for name in ("emb.npy", "data/shop/shop.feat1CLS", "./emb.safetensors", "emb.pt")
    ),
    Case("any file", written("shop/vectors", "x"), {"text_encoder": "data/shop/vectors"}, ("is a file", OWN)),
    Case("a column of vectors", written(ITEM, VECTORS), {"text_fields": ["vector"]}, ("'vector' holds vectors", OWN)),
    Case("UniSRec's key", None, {"plm_suffix": "feat1CLS"}, ("unknown key --plm_suffix", OWN)),
    # ---- configuration files
    Case("RecBole's argument", None, {"config_file_list": "a.yaml"}, ("did you mean --config_files?",)),
    Case(
        "a missing one of two", None, {"config_files": "a.yaml,b.yaml"}, ("configuration file a.yaml does not exist",)
    ),
    Case("a list that is not closed", None, {"config_files": "[a.yaml"}, ("is no list of files", "[a.yaml, b.yaml]")),
    Case("a list of numbers", None, {"config_files": "[1]"}, ("is no list of files",)),
    # ---- files
    Case("gzip", edited(gzip.compress, INTER), {}, ("shop.inter is a gzip archive", "unpack it")),
    Case("zip", written(INTER, b"PK\x03\x04\0\0"), {}, ("shop.inter is a zip archive",)),
    Case("UTF-16", edited(lambda b: b.decode().encode("utf-16"), INTER), {}, ("is UTF-16", "to utf-16")),
    Case("an empty line", replaced(INTER, "\nsu1\t", "\n\nsu1\t"), {}, ("shop.inter, line", "1 of 3 fields")),
    Case("quotation marks", replaced(INTER, "user_id:token", '"user_id:token"'), {}, ("line 1", "unknown type")),
    Case("no header", edited(lambda b: b.partition(b"\n")[2], INTER), {}, ("line 1: column 'su0' has no type",)),
    Case("a column twice", replaced(INTER, "timestamp:", "item_id:"), {}, ("'item_id' occurs twice",)),
    Case("items' ids are numbers", replaced(ITEM, "item_id:token", "item_id:float"), {}, ("item_id:token",)),
    Case("users' ids are numbers", replaced(INTER, "user_id:token", "user_id:float"), {}, ("user_id", "line")),
]


@parametrized(REFUSED)
def test_other_ways_are_refused_in_a_line_that_names_the_right_one(case, place, capfd):
    run_case(capfd, place, case)


def test_names_of_files_alone_on_the_command_line_are_refused(place, capfd):
    refused(capfd, place, ["run", "--config_files", "a.yaml", "b.yaml"], 'write --config_files="a.yaml b.yaml"')


@pytest.mark.parametrize(
    ("given", "files"),
    [
        ("a.yaml", ["a.yaml"]),
        ("a.yaml b.yaml", ["a.yaml", "b.yaml"]),
        (" a.yaml   b.yaml ", ["a.yaml", "b.yaml"]),
        ("a.yaml,b.yaml", ["a.yaml", "b.yaml"]),
        ("a.yaml, b.yaml", ["a.yaml", "b.yaml"]),
        ("[a.yaml, b.yaml]", ["a.yaml", "b.yaml"]),
        ("['a.yaml', 'b.yaml']", ["a.yaml", "b.yaml"]),
        ("'my a.yaml' b.yaml", ["my a.yaml", "b.yaml"]),
        ("my own.yaml", ["my own.yaml"]),
        ("my,own.yaml", ["my,own.yaml"]),
        ("", []),
    ],
)
def test_configuration_files_are_named_in_any_way(given, files, workplace):
    for name in ("my own.yaml", "my,own.yaml"):
        (workplace / name).write_text("epochs: 1\n")
    assert split_files(given) == files


def test_recboles_short_options(place, capsys):
    out = printed(capsys, "-m", "SASRec", "-d", "shop", "--data_path=data", "--dry_run")
    rows = dict(line.split()[:2] for line in out.splitlines() if line.startswith(("model ", "dataset ")))
    assert rows == {"model": "SASRec", "dataset": "shop"}


def with_ids(old, new):
    return lambda folder: [replaced(f"shop/shop.{suffix}", old, new, -1)(folder) for suffix in ("inter", "item")]


def with_times(change):
    """Returns a step that changes every time of the shop."""

    def edit(content):
        header, *rows = content.decode().splitlines()
        fields = [row.split("\t") for row in rows]
        return "\n".join([header, *("\t".join([*row[:2], change(int(row[2]))]) for row in fields), ""]).encode()

    return edited(edit, INTER)


def marked(content):
    return b"\xef\xbb\xbf" + content


# What does not change which event follows which.
SAME = {
    "byte order marks": (edited(marked, INTER, ITEM), {}),
    "carriage returns": (edited(lambda b: b.replace(b"\n", b"\r\n"), INTER, ITEM), {}),
    "both, and the encoding for it": (
        edited(lambda b: marked(b.replace(b"\n", b"\r\n")), INTER, ITEM),
        {"encoding": "utf-8-sig"},
    ),
    "empty lines at the end": (edited(lambda b: b + b"\n\n", INTER, ITEM), {}),
    "no line end at the end": (edited(lambda b: b.rstrip(b"\n"), INTER, ITEM), {}),
    "UTF-16": (edited(lambda b: b.decode().encode("utf-16"), INTER, ITEM), {"encoding": "utf-16"}),
    "a tab as a shell leaves it": (lambda folder: None, {"field_separator": "\\t"}),
    "negative times": (with_times(lambda time: str(time - 1_000_000)), {}),
    "milliseconds": (with_times(lambda time: str(1588687728923 + time)), {}),
    "nanoseconds": (with_times(lambda time: str(1588687728923000000 + 1000 * time)), {}),
    "ids with blanks": (with_ids("si1\t", "s i 1\t"), {}),
    "ids of other scripts": (with_ids("si1\t", "Größe 日本\t"), {}),
    "ids like missing values": (with_ids("si1\t", "NaN\t"), {}),
    "ids in quotation marks": (with_ids("si1\t", '"si1"\t'), {}),
}


@pytest.mark.parametrize("way", SAME)
def test_the_same_events_written_otherwise_are_the_same(way, place):
    def order():
        dataset = make_dataset(configured(place / "data", "IDP", **changes))
        dataset.build()
        return dataset.events, len(dataset.item_tokens())

    prepare, changes = SAME[way][0], {}
    expected, items = order()
    prepare(place)
    changes = SAME[way][1]
    found, n_items = order()
    assert n_items == items
    np.testing.assert_array_equal(found.users, expected.users)
    np.testing.assert_array_equal(found.parts, expected.parts)
    # Numbers of items follow their first events, and so does a renamed one.
    np.testing.assert_array_equal(found.items, expected.items)


def test_a_run_says_which_items_have_no_row(place, caplog):
    caplog.set_level("INFO")
    replaced(INTER, "\tsi1\t", "\tsi1 \t", -1)(place)
    assert main(command(place, model="PositionSASRec", variants=None, state="INFO")) == 0
    assert "1 of 8 items have no row in shop.item" in caplog.text


def test_converting_in_the_place_of_the_data_names_the_name(place):
    from recbole_idp.data.amazon.convert import convert_amazon

    line = refusal(convert_amazon, "r.csv", None, "data/shop", "data")
    assert "is no data set's name" in line and "shop in data" in line
