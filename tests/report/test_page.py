"""What pages are made of: tables of texts, templates that escape, and tables that sort in a browser."""

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from recbole_idp.report.board.page import Made, Section, board_page
from recbole_idp.report.page import Figure, Part, Table, render, text_table
from tests.support.boards import leaderboard
from tests.support.browser import chromium

EVIL = '<img src=x onerror="window.struck = 1">&\'{{ 7 * 7 }}'
SAFE = "&lt;img src=x onerror=&#34;window.struck = 1&#34;&gt;&amp;&#39;{{ 7 * 7 }}"


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,234", "-", "5.0 %"], [1234.0, None, 5.0]),
        (["+21.3 %*", "-4.0 %"], [21.3, -4.0]),
        (["12", "nan"], ["12", "nan"]),
        (["12", "Pen"], ["12", "Pen"]),
    ],
)
def test_a_column_of_numbers_is_sorted_by_them_and_others_by_their_texts(texts, values):
    table = text_table("", ["name", "x"], [["row", text] for text in texts])
    assert [row[1].text for row in table.rows] == texts and [row[1].value for row in table.rows] == values
    assert table.kinds() == ["text", "text" if isinstance(values[0], str) else "number"]


def test_a_table_without_rows_has_its_heads():
    assert text_table("", ["name", "x"], []) == Table("", ["name", "x"], [])


def test_every_text_of_a_part_is_escaped_and_only_plots_are_markup():
    part = Part(EVIL, [EVIL], [text_table(EVIL, [EVIL], [[EVIL]])])
    drawn = render("notebook.html", parts=[part])
    assert "<img" not in drawn and drawn.count(SAFE) == 6
    made = Made(EVIL, [EVIL], EVIL, part.tables[0], EVIL, part.tables[0])
    figure = Figure(Markup("<svg></svg>"), EVIL, [(EVIL, EVIL)])
    part = Part(EVIL, [EVIL], part.tables, [figure])
    section = Section(EVIL, EVIL, EVIL, EVIL, part.tables[0], [EVIL], [EVIL], [EVIL], [figure], [part], [made])
    texts = {"title": EVIL, "about": EVIL, "command_line": EVIL}
    drawn = render("leaderboard.html", **texts, sections=[section] * 2)
    assert "<img" not in drawn and drawn.count("<svg></svg>") == 4 and "{{ 7 * 7 }}" in drawn
    # A command is cut into its words.
    assert drawn.count(SAFE) == 3 + 2 * (2 + 2 + 2 + 4 + 3 + 3 + 2 + 4 + 3 + 2 + 4 + 1 + 4)


def test_a_name_that_a_template_lacks_is_an_error():
    with pytest.raises(UndefinedError):
        render("inspect.html", title="")


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


def test_tables_sort_by_click_and_by_keys_and_a_wide_one_scrolls_alone(browser, tmp_path):
    board = leaderboard({EVIL: (0.05, 3.0), "SASRec": (0.04, 9.0), "GRU4Rec": (0.03, 1.0)}, ("Office",))
    file = tmp_path / "board.html"
    file.write_text(board_page(board), encoding="utf-8")
    page = browser.new_page(viewport={"width": 420, "height": 900})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(file.as_uri())
    table = page.locator(".full table")

    def order():
        return [name[:7] for name in table.locator("tbody th .name").all_inner_texts()]

    assert order() == [EVIL[:7], "SASRec\n", "GRU4Rec"]
    seconds = table.get_by_role("button", name="Seconds")
    seconds.click()
    assert order()[0] == "SASRec\n" and seconds.locator("..").get_attribute("aria-sort") == "descending"
    seconds.focus()
    page.keyboard.press("Enter")
    assert order()[0] == "GRU4Rec" and seconds.locator("..").get_attribute("aria-sort") == "ascending"
    # The baseline has no gain: it comes last in both directions.
    baseline = board["boards"][0]["baseline"][:7]
    for _ in range(2):
        table.get_by_role("button", name="over").press("Enter")
        assert order()[-1].strip() == baseline
    assert page.evaluate("document.documentElement.scrollWidth") == 420
    assert page.locator(".full").evaluate("frame => frame.scrollWidth > frame.clientWidth")
    assert page.evaluate("window.struck") is None
    assert asked == [file.as_uri()] and errors == []
    page.close()
