"""Dates are read as seconds by every reader of events, and what is no date is named with its line."""

import datetime
import itertools

import pandas as pd
import pytest

from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.times import parse_date
from tests.support.commands import refusal
from tests.support.headers import INTER_HEADER

TOKEN = INTER_HEADER.replace("timestamp:float", "timestamp:token")
COLUMNS = ["user_id", "item_id", "timestamp"]
UTC = datetime.timezone.utc


def utc(*parts):
    return datetime.datetime(*parts, tzinfo=UTC).timestamp()


DATES = [
    ("2013-05-01", utc(2013, 5, 1)),
    ("2013/05/01", utc(2013, 5, 1)),
    ("2013/5/1", utc(2013, 5, 1)),
    ("2013-05", utc(2013, 5, 1)),
    ("2013-05-01T12:00:00Z", utc(2013, 5, 1, 12)),
    ("2013-05-01 12:00:00", utc(2013, 5, 1, 12)),
    ("2013-05-01T12:00", utc(2013, 5, 1, 12)),
    ("2013-05-01 12:00:00 UTC", utc(2013, 5, 1, 12)),
    ("2013-05-01T12:00:00+02:00", utc(2013, 5, 1, 10)),
    ("2013-05-01 12:00:00-0530", utc(2013, 5, 1, 17, 30)),
    ("2013-05-01T12:00:00.250Z", utc(2013, 5, 1, 12) + 0.25),
    ("1969-12-31 23:59:59", -1.0),
    ("2012-02-29", utc(2012, 2, 29)),
    # MIND's form.
    ("11/15/2019 8:55:22 AM", utc(2019, 11, 15, 8, 55, 22)),
    ("11/15/2019 12:05:00 AM", utc(2019, 11, 15, 0, 5)),
    ("11/15/2019 12:05:00 PM", utc(2019, 11, 15, 12, 5)),
    ("1/2/2019 1:05:00 PM", utc(2019, 1, 2, 13, 5)),
]
NO_DATES = [
    "", "Monday", "2013", "20130501", "2013-13-01", "2013-02-30", "2013-05-01T25:00", "2013-05-01T12:60:00",
    "01/05/2013", "13/15/2019 8:55:22 AM", "11/15/2019 13:55:22 PM", "2013-05-01T12:00:00+99:00", "2013-05/01", "now",
    "2013-05-01x", "0000-01-01",
]  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), DATES)
def test_a_date_is_seconds_since_1970(text, seconds):
    assert parse_date(text).seconds == seconds


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError):
        parse_date(text)


@pytest.mark.parametrize("day", pd.date_range("1899-12-30", "2101-01-02", periods=99).strftime("%Y-%m-%dT%H:%M:%S"))
def test_dates_are_those_of_the_standard_library(day):
    assert parse_date(day).seconds == datetime.datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def read(tmp_path, header, times):
    path = tmp_path / "a.inter"
    path.write_text(header + "".join(f"u\ti\t{time}\n" for time in times))
    return read_atomic(path, COLUMNS, times=["timestamp"])


@pytest.mark.parametrize("header", [INTER_HEADER, TOKEN])
@pytest.mark.parametrize(("text", "seconds"), DATES[::4])
def test_a_column_of_dates_is_read_as_numbers_whatever_its_type(tmp_path, header, text, seconds):
    frame = read(tmp_path, header, [text, text])
    assert frame["timestamp"].tolist() == [seconds, seconds]
    assert frame.attrs["types"]["timestamp"] == "float"


def test_numbers_in_a_column_of_tokens_are_numbers(tmp_path):
    frame = read(tmp_path, TOKEN, ["1588687728923", "-3", "0.1", "1e3"])
    assert frame["timestamp"].tolist() == [1588687728923, -3, 0.1, 1000]


def test_a_column_that_is_not_of_times_is_not_touched(tmp_path):
    path = tmp_path / "a.inter"
    path.write_text(TOKEN + "2013-05-01\t2013-05-02\t2013-05-03\n")
    assert read_atomic(path).iloc[0].tolist() == ["2013-05-01", "2013-05-02", "2013-05-03"]
    assert read_atomic(path, times=["timestamp"]).iloc[0].tolist() == ["2013-05-01", "2013-05-02", utc(2013, 5, 3)]


BAD = [
    (["2013-05-01", "2013-02-30"], "line 3: timestamp is '2013-02-30', neither a finite number nor a date such as"),
    (["2013-05-01", ""], "line 3: timestamp is '', neither"),
    (["2013-05-01", "7"], "line 3: timestamp is '7', a number, and lines before have dates"),
    (["7", "2013-05-01"], "line 3: timestamp is '2013-05-01', a date, and lines before have numbers"),
    (["7", "soon"], "line 3: timestamp is 'soon', neither"),
    (["2013-05-01", "2013-05-02T00:00Z"], "line 3: timestamp is '2013-05-02T00:00Z', with a time zone"),
    (["2013-05-01T00:00Z", "2013-05-01"], "line 3: timestamp is '2013-05-01', without a time zone"),
    (["7", "inf"], "line 3: timestamp is 'inf', not a finite number"),
    (["01/05/2013"], "line 2: timestamp is '01/05/2013', neither"),
    ([""], "line 2: timestamp is '', not a finite number"),
]


@pytest.mark.parametrize(
    ("header", "times", "says"), [(header, *row) for header, row in itertools.product([INTER_HEADER, TOKEN], BAD)]
)
def test_a_wrong_time_is_one_line_with_its_number(tmp_path, header, times, says):
    assert says in refusal(read, tmp_path, header, times)
