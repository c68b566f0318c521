"""Columns of other names, and dates, give what the usual columns and numbers of seconds give."""

import datetime

import numpy as np
import pytest
from recbole.config import Config

from recbole_idp.cli.main import main
from recbole_idp.config.columns import following
from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.domains import load_domains
from recbole_idp.recbole_models.choose import make_dataset
from recbole_idp.testing import configured
from recbole_idp.testing.toy import write_domains
from tests.support.commands import command, refusal

NAMES = {"USER_ID_FIELD": "userid", "ITEM_ID_FIELD": "bookid", "TIME_FIELD": "time"}
OLD = {"user_id:": "userid:", "item_id:": "bookid:", "timestamp:": "time:"}
SOURCES = ("pens", "lamps")


def edit(path, change):
    path.write_text(change(path.read_text()))


def rename(folder, *datasets):
    """Gives columns of datasets other names."""

    def change(text):
        header, line_end, rows = text.partition("\n")
        for old, new in OLD.items():
            header = header.replace(old, new)
        return header + line_end + rows

    for name in datasets:
        for suffix in ("inter", "item"):
            edit(folder / name / f"{name}.{suffix}", change)


def date(folder, *datasets, kind="token", form="%Y-%m-%dT%H:%M:%SZ"):
    """Writes the times of datasets as dates, one second apart as before."""

    def change(text):
        header, *rows = text.splitlines()
        fields = [row.split("\t") for row in rows]
        moments = [datetime.datetime.fromtimestamp(float(time), datetime.timezone.utc) for _, _, time in fields]
        dated = ["\t".join([*row[:2], moment.strftime(form)]) for row, moment in zip(fields, moments, strict=True)]
        return "\n".join([header.replace(":float", f":{kind}"), *dated]) + "\n"

    for name in datasets:
        edit(folder / name / f"{name}.inter", change)


def names_and_dates(folder):
    rename(folder, "shop", *SOURCES)
    date(folder, "shop", *SOURCES)


WAYS = {
    "names": (lambda folder: rename(folder, "shop"), NAMES),
    "names in the sources as well": (lambda folder: rename(folder, "shop", *SOURCES), NAMES),
    "dates": (lambda folder: date(folder, "shop", *SOURCES), {}),
    "dates of MIND": (lambda folder: date(folder, "shop", kind="float", form="%m/%d/%Y %I:%M:%S %p"), {}),
    "dates of Yelp": (lambda folder: date(folder, "shop", form="%Y-%m-%d %H:%M:%S"), {}),
    "names and dates": (names_and_dates, NAMES),
}
# One of the package, and each kind of RecBole's: sequential, with features, general, in RecBole's own loop.
MODELS = [
    ("PositionSASRec", {}),
    ("GRU4Rec", {}),
    ("FDSA", {}),
    ("Pop", {}),
    ("SASRec", {"exact_recbole": True}),
]


def of_shop(folder, model, **values):
    """Returns the configuration of any model on the shop."""
    return StrictConfig(model, "shop", config_dict={"data_path": str(folder), "use_gpu": False, **values})


def parts_of(folder, model, **changes):
    """Returns what the parts of a target hold: users, items and their columns."""
    dataset = make_dataset(of_shop(folder, model, **changes))
    parts = dataset.build()
    fields = (dataset.uid_field, dataset.iid_field)
    return [[part.inter_feat[field].tolist() for field in fields] for part in parts], dataset.events


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("model", "changes"), MODELS, ids=[row[0] for row in MODELS])
def test_every_kind_of_dataset_reads_the_same_events(tmp_path, way, model, changes):
    write_domains(tmp_path)
    expected, events = parts_of(tmp_path, model, **changes)
    prepare, keys = WAYS[way]
    prepare(tmp_path)
    found, again = parts_of(tmp_path, model, **changes, **keys)
    assert found == expected
    np.testing.assert_array_equal(again.times, events.times)


@pytest.mark.parametrize("way", WAYS)
def test_sources_are_read_alike(tmp_path, way):
    write_domains(tmp_path)
    expected = load_domains(configured(tmp_path, "IDP"))
    prepare, keys = WAYS[way]
    prepare(tmp_path)
    found = load_domains(configured(tmp_path, "IDP", **keys))
    assert found.item_tokens == expected.item_tokens
    assert found.sequences.items.tolist() == expected.sequences.items.tolist()


@pytest.mark.parametrize("way", ["names", "names and dates"])
def test_a_run_from_pre_training_to_the_result_takes_them(workplace, way):
    write_domains(workplace / "data")
    prepare, keys = WAYS[way]
    prepare(workplace / "data")
    assert main(command(workplace, variants=["fine_tune"], epochs=1, **keys)) == 0


def test_the_columns_follow_in_recboles_own_configuration(tmp_path):
    write_domains(tmp_path)
    values = {"data_path": str(tmp_path), **NAMES}
    assert Config("PositionSASRec", "shop", config_dict=values)["load_col"] == {"inter": ["userid", "bookid", "time"]}
    given = {"inter": ["userid", "bookid", "time", "rating"]}
    assert Config("PositionSASRec", "shop", config_dict={**values, "load_col": given})["load_col"] == given


def test_the_columns_follow_and_given_ones_stay(tmp_path):
    write_domains(tmp_path)
    config = configured(tmp_path, "IDP", **NAMES)
    assert config["load_col"] == {"inter": ["userid", "bookid", "time"]}
    assert type(config).from_dict(config.as_dict())["load_col"] == config["load_col"]
    given = {"inter": ["user_id", "bookid", "time"]}
    assert configured(tmp_path, "IDP", **NAMES, load_col=given)["load_col"] == given
    assert configured(tmp_path, "IDP", load_col=None, **NAMES)["load_col"] is None
    assert configured(tmp_path, "IDP")["load_col"] == {"inter": ["user_id", "item_id", "timestamp"]}


def test_only_the_columns_of_an_event_follow():
    load_col = {"inter": ["user_id", "item_id", "rating"], "item": ["item_id", "price"], "user": "*"}
    values = {"USER_ID_FIELD": "u", "ITEM_ID_FIELD": "i", "TIME_FIELD": "timestamp", "RATING_FIELD": "stars"}
    expected = {"inter": ["u", "i", "stars"], "item": ["i", "price"], "user": "*"}
    assert following(load_col, {"USER_ID_FIELD": "user_id"}, values) == expected
    # A dataset's own names for them are replaced as well.
    assert following({"inter": ["artist"]}, {"ITEM_ID_FIELD": "artist"}, values) == {"inter": ["i"]}
    assert following(None, {}, values) is None


def test_a_missing_column_is_named_with_its_key(tmp_path):
    write_domains(tmp_path)
    rename(tmp_path, "shop")
    line = refusal(make_dataset, configured(tmp_path, "IDP"))
    assert "has no column 'user_id'; it has userid, bookid, time" in line and "--USER_ID_FIELD" in line
    line = refusal(make_dataset, of_shop(tmp_path, "Pop", **{**NAMES, "TIME_FIELD": "tiem"}))
    assert "has no column 'tiem'" in line and "--TIME_FIELD" in line


def test_empty_ids_of_other_names_are_refused(tmp_path):
    write_domains(tmp_path)
    rename(tmp_path, "shop")
    edit(tmp_path / "shop" / "shop.inter", lambda text: text.replace("\nsu1\t", "\n\t", 1))
    assert "userid is empty" in refusal(make_dataset, configured(tmp_path, "SASRec", **NAMES))
