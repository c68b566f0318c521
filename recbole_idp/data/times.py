"""Read times that are written as dates, as seconds since 1970."""

from __future__ import annotations

import datetime
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

EXAMPLE = "2013-05-01T12:00:00Z"

# 2013-05-01, 2013/05/01 12:00, 2013-05-01T12:00:00.5Z, 2013-05-01 12:00:00+02:00
_YEAR_FIRST = re.compile(
    r"(\d{4})([-/])(\d{1,2})(?:\2(\d{1,2}))?"
    r"(?:[Tt ](\d{1,2}):(\d\d)(?::(\d\d(?:\.\d+)?))? ?(Z|z|UTC|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
# 11/15/2019 8:55:22 AM, as MIND writes it: the half of the day tells that the month comes first.
_MONTH_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))? ?([AaPp])[Mm]", re.ASCII)
# Mon, 01 Aug 2011 13:41:57 -0700 of RFC 2822, and Mon Aug 01 13:41:57 -0700 2011, as Goodreads and Twitter write it.
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)"
_ZONE, _MONTH = r"(?P<zone>[+-]\d{4}|GMT|UTC|UT|Z)", r"(?P<month>[A-Z][a-z]{2})"
_NAMED_MONTH = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"(?:[A-Z][a-z]{{2}}, )?(?P<day>\d{{1,2}}) {_MONTH} (?P<year>\d{{4}}) {_CLOCK} {_ZONE}",
        rf"[A-Z][a-z]{{2}} {_MONTH} +(?P<day>\d{{1,2}}) {_CLOCK} {_ZONE} (?P<year>\d{{4}})",
    )
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_MIDNIGHT, _SECOND = datetime.datetime(1970, 1, 1), datetime.timedelta(seconds=1)
_DAY, _HALF_DAY = 86_400, 12
# Seconds reach this in the year 5138; other units count milliseconds, microseconds or nanoseconds since 1970.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_PLAIN = len("2013-05-01T12:00:00")
# By whether the first date names its time zone.
_OTHER_ZONE = {
    True: "without a time zone, and lines before have one; write all in one form",
    False: "with a time zone, and lines before have none; write all in one form",
}


class Date(NamedTuple):
    """A date that was read.

    Attributes:
        seconds: Seconds since 1970; a date without a time zone is read as one of UTC.
        zoned: Whether it names its time zone.
    """

    seconds: float
    zoned: bool


class BadTimeError(ValueError):
    """A text of a column of times that is no time, or is one of another form than those before it.

    Attributes:
        row: Its number, from 0.
        why: What is wrong with it, to stand behind "is 'TEXT', ".
    """

    def __init__(self, row: int, why: str) -> None:
        super().__init__(f"row {row} is {why}")
        self.row, self.why = row, why


def seconds_of_number(value: Any) -> float:
    """Return a number of seconds since 1970, or of thousandths and smaller parts of them, as seconds.

    Raises:
        ValueError: The value is no number.
    """
    time = float(value)
    unit = next((unit for least, unit in _UNITS if time >= least), None)
    return time if unit is None else time / unit


def parse_date(text: str) -> Date:
    """Read a date: ISO 8601 with dashes or slashes, a blank or a T before the time of day; RFC 2822; or MIND's form.

    Raises:
        ValueError: The text is no such date, or there is no such day or time of day.
    """
    if _is_plain(text):
        moment = datetime.datetime.fromisoformat(text[:_PLAIN])
        return Date(float((moment - _MIDNIGHT) // _SECOND), len(text) > _PLAIN)
    if found := _YEAR_FIRST.fullmatch(text):
        year, _, month, day, hour, minute, second, zone = found.groups()
    elif found := _MONTH_FIRST.fullmatch(text):
        month, day, year, hour, minute, second, half = found.groups()
        if not 1 <= int(hour) <= _HALF_DAY:
            raise ValueError(f"no such time of day: {text!r}")
        hour, zone = str(int(hour) % _HALF_DAY + _HALF_DAY * (half in "Pp")), None
    elif (found := next(filter(None, (form.fullmatch(text) for form in _NAMED_MONTH)), None)) and (
        found["month"] in _MONTHS
    ):
        year, day, hour, minute, second = found.group("year", "day", "hour", "minute", "second")
        month, zone = str(_MONTHS.index(found["month"]) + 1), found["zone"]
    else:
        raise ValueError(f"no date: {text!r}")
    days = datetime.date(int(year), int(month), int(day or 1)).toordinal() - _EPOCH
    clock = datetime.time(int(hour or 0), int(minute or 0), int(float(second or 0)))
    seconds = days * _DAY + clock.hour * 3600 + clock.minute * 60 + float(second or 0)
    return Date(seconds - _offset(zone), zone is not None)


def _is_plain(text: str) -> bool:
    """Return whether a text has the form of 2013-05-01 12:00:00, perhaps with a Z, which the standard library reads."""
    plain = len(text) == _PLAIN or (len(text) == _PLAIN + 1 and text[_PLAIN] == "Z")
    return plain and text[4] == text[7] == "-" and text[10] in "T " and text[13] == text[16] == ":"


class TimeReader:
    """Reads the times of one file, which are all written in one form."""

    def __init__(self) -> None:
        self._form: str | None = None

    def __call__(self, value: Any) -> float:
        """Return a time as a number of seconds since 1970.

        Raises:
            ValueError: It is neither a number nor a date, or is of another form than the first one.
        """
        try:
            time, form = seconds_of_number(value), "number"
        except ValueError:
            date = parse_date(str(value).strip())
            time, form = date.seconds, "zoned" if date.zoned else "date"
        self._form = self._form or form
        if form != self._form:
            raise ValueError(f"a {form} among times that are each a {self._form}")
        return time


def is_date(text: str) -> bool:
    """Return whether a text holds a date; see :func:`parse_date`."""
    return _date_or_none(text) is not None


def seconds_of(texts: pd.Series) -> np.ndarray:
    """Read a column of dates.

    Args:
        texts: The dates.

    Returns:
        Seconds since 1970; float64, in the order of the texts.

    Raises:
        BadTimeError: A text is no date; or some dates name a time zone and others do not, so that nobody can tell which
            is the earlier one.
    """
    codes, distinct = pd.factorize(texts)
    dates = [_date_or_none(text) for text in distinct]
    zoned = np.array([date is not None and date.zoned for date in dates])
    bad = np.array([date is None for date in dates])
    other = zoned != zoned[0]
    if bad.any() or other.any():
        row = int(np.argmax((bad | other)[codes]))
        raise BadTimeError(row, not_a_time(texts.iloc[row]) if bad[codes[row]] else _OTHER_ZONE[bool(zoned[0])])
    return np.array([date.seconds for date in dates if date is not None])[codes]


def not_a_time(text: str, among_numbers: bool = False) -> str:
    """Return what is wrong with a text that is no time, to stand behind "is 'TEXT', ".

    Args:
        text: The text.
        among_numbers: Whether the texts before are numbers.
    """
    if among_numbers and is_date(text):
        return "a date, and lines before have numbers; write all in one form"
    if not among_numbers and _is_number(text):
        return "a number, and lines before have dates; write all in one form"
    return f"neither a finite number nor a date such as {EXAMPLE}; correct or drop the line"


def _date_or_none(text: str) -> Date | None:
    """Return the date that a text holds; None if there is none."""
    try:
        return parse_date(text.strip())
    except ValueError:
        return None


def _is_number(text: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _offset(zone: str | None) -> int:
    """Return the seconds by which a time zone is ahead of UTC."""
    if zone is None or zone in ("Z", "z", "UTC", "UT", "GMT"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 14 or minutes > 59:
        raise ValueError(f"no such time zone: {zone}")
    return (-1 if zone[0] == "-" else 1) * (hours * 3600 + minutes * 60)
