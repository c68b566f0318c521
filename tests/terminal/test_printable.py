"""Texts of strangers on the terminal."""

import pytest

from recbole_idp.cli.columns import columns
from recbole_idp.cli.console import exit_status
from recbole_idp.errors import UserError
from recbole_idp.terminal.printable import printable

HOSTILE = {
    "a colour": "\x1b[31mred\x1b[0m",
    "a title of the window": "\x1b]0;owned\x07",
    "a clear screen": "\x9b2J",
    "a bell": "ding\a",
    "a line that hides another": "good\rbad",
    "backspaces": "good\b\b\b\bevil",
    "writing backwards": "\u202egnp.exe",
    "isolated writing": "\u2066x\u2069",
    "what is not seen": "a\u200bb\ufeff",
    "another end of a line": "a\u2028b\x85c",
    "half a character": "\ud800",
    "NUL": "a\0b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_a_terminal_acts_upon_is_left(text, capsys):
    for lines in (False, True):
        clean = printable(text, lines)
        assert clean.isprintable() and len(clean) == len(text)
    assert str(UserError(f"no item {text}")).isprintable()
    assert columns([("item", "title"), (text, text)]).replace("\n", "").isprintable()

    def task():
        print(text, "next", sep="\n")
        return 0

    assert exit_status(task, "recbole-idp", "") == 0
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable() and out.endswith("\nnext\n")

    def refused():
        raise UserError(text)

    assert exit_status(refused, "recbole-idp", "") == 2
    err = capsys.readouterr().err
    assert err[:-1].isprintable() and err.endswith("\n")


def test_titles_of_any_language_stay():
    for text in ("Größe", "日本語 本", "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627", "👩\u200d👧 book", "a\tb\nc"):
        assert printable(text, lines=True) == text
    assert printable("a\tb\nc") == "a b c"
