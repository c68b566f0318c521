"""The leaderboard's JSON file, its tables and its page: what they mark, escape and refuse."""

import copy
import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from recbole_idp.cli.main import main
from recbole_idp.errors import UserError
from recbole_idp.report.board.file import read_board, save_board
from recbole_idp.report.board.latex import board_latex
from recbole_idp.report.board.page import board_page
from recbole_idp.report.board.text import board_markdown, board_text
from recbole_idp.report.plot_labels import spread
from tests.support.boards import leaderboard
from tests.support.commands import refused

# Two models are enough where plots are drawn, and drawing takes most of the time.
TWO = {"SASRec": (0.0486, 74.0), "IDP": (0.0602, 93.0)}
EVIL = "A&B_<script>alert(1)</script> $x$ 5% {#} |~^\\"


def small(values, metric="ndcg@10", seeds=(1,)):
    """Returns a board of models with given values of one metric, nothing compared."""
    board = leaderboard(dict.fromkeys(values, (0.05, 1.0)), ("Office",))
    (only,) = board["boards"]
    for row in only["rows"]:
        row.update(mean={metric: values[row["model"]]}, deviation={}, few_shot=[], runs=row["runs"][: len(seeds)])
    only.update(comparisons=[], baseline=None)
    return {**board, "seeds": list(seeds), "metric": metric}


def rows_of(markdown):
    """Returns the cells of every row of Markdown tables, heads and rules left out."""
    lines = [
        line for line in markdown.splitlines() if line.startswith("| ") and not line.startswith(("| -", "| model"))
    ]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


# ---- the file


def test_a_leaderboard_comes_back_as_it_was(tmp_path):
    board = leaderboard()
    save_board(board, tmp_path / "board.json")
    assert read_board(tmp_path / "board.json") == board
    assert [path.name for path in tmp_path.iterdir()] == ["board.json"]


def damage(board, *keys, value=None):
    """Returns a copy in which the value at some keys is another one, or with None is left out."""
    board = copy.deepcopy(board)
    place = board
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return json.dumps(board)


ROW = ("boards", 0, "rows", 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a readable leaderboard"),
        (json.dumps(leaderboard())[:-9], "not a readable leaderboard"),
        ("[" * 100_000, "not a readable leaderboard"),
        ("[]", "no leaderboard of recbole_idp"),
        (json.dumps({"format": 2, "variants": {}}), "no leaderboard of recbole_idp"),
        (damage(leaderboard(), "format", value=2), "format 2, this release reads format 1"),
        (damage(leaderboard(), "seeds", value="1,2"), "seeds is not a list"),
        (damage(leaderboard(), "seeds", value=["one"]), r"seeds\[0\] is not a whole number"),
        (damage(leaderboard(), "boards"), "it has no boards"),
        (damage(leaderboard(), "boards", value=[]), "it has no board"),
        (damage(leaderboard(), *ROW, "config"), r"boards\[0\]\.rows\[0\] has no config"),
        (damage(leaderboard(), *ROW, "mean", "ndcg@10"), r"boards\[0\]\.rows\[0\]\.mean has no ndcg@10"),
        (damage(leaderboard(), *ROW, "mean", "mrr", value="high"), r"mean\.mrr is not a number"),
        (damage(leaderboard(), *ROW, "mean", "mrr", value=True), r"mean\.mrr is not a number"),
        (damage(leaderboard(), *ROW, "mean", "mrr", value=float("nan")), r"mean\.mrr is not a number"),
        (damage(leaderboard(), *ROW, "runs", value=[]), r"rows\[0\] has no runs"),
        (damage(leaderboard(), *ROW, "model", value="IDP"), "two rows of IDP"),
        (damage(leaderboard(), "boards", 0, "comparisons", 0, "variant", value="X"), "names X, which has no row"),
        (damage(leaderboard(), "boards", 0, "comparisons", 0, "interval", value=[1.0]), "has 1 elements and not 2"),
        (json.dumps({**leaderboard(), "boards": leaderboard()["boards"][:1] * 2}), "boards has Office by full twice"),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_file_is_refused_in_one_line_that_names_it(text, says, tmp_path):
    path = tmp_path / "board.json"
    path.write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        read_board(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


# ---- marks


def test_best_is_bold_second_is_underlined_in_every_metric():
    board = leaderboard()
    for cells in zip(*(row[1:8] for row in rows_of(board_markdown(board))[:7]), strict=True):
        values = [float(re.search(r"\d\.\d+", cell)[0]) for cell in cells]
        first, second = sorted(values, reverse=True)[:2]
        assert [value for value, cell in zip(values, cells, strict=True) if cell.startswith("**")] == [first]
        assert [value for value, cell in zip(values, cells, strict=True) if cell.startswith("<u>")] == [second]
    latex = board_latex(board)
    assert latex.count(r"\textbf{0.") == latex.count(r"\underline{0.") == 2 * 7


@pytest.mark.parametrize(
    ("values", "marked"),
    [
        ({"A": 0.05, "B": 0.04, "C": 0.03}, ["**0.0500**", "<u>0.0400</u>", "0.0300"]),
        # What looks equal is marked alike, and a shared first place leaves no second.
        ({"A": 0.05001, "B": 0.04999, "C": 0.03}, ["**0.0500**", "**0.0500**", "0.0300"]),
        ({"A": 0.05, "B": 0.04, "C": 0.04001}, ["**0.0500**", "<u>0.0400</u>", "<u>0.0400</u>"]),
        ({"A": 0.05}, ["**0.0500**"]),
    ],
)
def test_ties_share_a_mark(values, marked):
    assert [row[1] for row in rows_of(board_markdown(small(values)))] == marked


@pytest.mark.parametrize("metric", ["averagepopularity@10", "giniindex@5", "rmse"])
def test_the_smaller_is_the_better_where_recbole_says_so(metric):
    markdown = board_markdown(small({"A": 300.0, "B": 200.0, "C": 400.0}, metric=metric))
    assert [row[1] for row in rows_of(markdown)] == ["**200.0000**", "<u>300.0000</u>", "400.0000"]


def test_rows_stand_by_the_metric_with_deviation_gain_and_star():
    board = leaderboard(datasets=("Office",))
    (only,) = board["boards"]
    for comparison in only["comparisons"]:
        comparison.update(gain=0.25, p_holm=0.049 if comparison["variant"] == "IDP" else 0.051)
    rows = rows_of(board_markdown(board))
    means = [float(re.search(r"\d\.\d+", row[5])[0]) for row in rows]
    assert means == sorted(means, reverse=True) and all("±" in row[5] for row in rows)
    gains = {row[0].split(" ")[0]: row[8] for row in rows}
    assert gains.pop("IDP") == r"+25.0 %\*" and gains.pop(only["baseline"]) == "-"
    assert set(gains.values()) == {"+25.0 %"}
    assert r"+25.0\,\%$^{*}$ \\" in board_latex(board)


def test_what_has_failed_and_what_is_noted_stands_below():
    printed = board_text(leaderboard())
    assert "FDSA (2 of 3 seeds)" in printed
    assert "Failed: FDSA with seed 3: killed by the operating system (out of memory)" in printed
    assert "IDP (pre-trained, tuned)" in printed
    assert printed.count("do not rank what the user has had") == 2


def test_a_board_without_a_finished_row_says_so_everywhere():
    board = small({"A": 0.1})
    board["boards"][0]["rows"] = []
    for drawn in (board_text(board), board_markdown(board), board_page(board)):
        assert "No job has finished" in drawn
    assert r"\begin{tabular}" not in board_latex(board)


# ---- protocols


def test_each_protocol_has_a_table_of_its_own():
    full, sampled = leaderboard(TWO, ("Office",)), leaderboard({"OnlySampled": (0.4, 1.0)}, ("Office",), "uni100")
    full["boards"] += sampled["boards"]
    sections = board_markdown(full).split("\n## ")[1:]
    assert [section.partition(", mean")[0] for section in sections] == [
        "Office, full ranking",
        "Office, one right item among 100 uniform negatives",
    ]
    assert "OnlySampled" not in sections[0] and "SASRec" not in sections[1]
    page = board_page(full)
    assert page.count('class="scroll full"') == board_latex(full).count(r"\begin{tabular}") == 2
    assert "OnlySampled" not in page[page.index('id="board-1"') : page.index('id="board-2"')]


# ---- users and items that training has not seen


def test_what_training_has_not_seen_has_a_table_everywhere():
    board = leaderboard()
    assert "not seen" not in board_text(board) + board_markdown(board) + board_latex(board)
    row = next(row for row in board["boards"][1]["rows"] if row["model"] == "IDP")
    groups = (("seen in training", 4000, 0.07), ("not seen in training", 105, 0.0123))
    row["buckets"]["user_novelty"] = [
        {"label": label, "users": users, "metrics": {"ndcg@10": value}} for label, users, value in groups
    ]
    for drawn in (board_text(board), board_markdown(board)):
        assert "user seen in training (4,000)" in drawn and "user not seen in training (105)" in drawn
        assert "0.0123" in drawn
    latex = board_latex(board)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{table*}") == 3
    seen = latex.rpartition(r"\begin{table*}")[2]
    assert r"\caption{Arts, full ranking" in seen and "NDCG@10 apart for users and items" in seen
    assert "Model & user seen in training (4,000) & user not seen in training (105) \\\\" in seen
    assert "IDP & 0.0700 & 0.0123 \\\\" in seen and "Pop & -- & -- \\\\" in seen


# ---- escaping


def test_names_are_escaped_in_latex_and_markdown():
    board = small({EVIL: 0.1, "line\nbreak": 0.05})
    latex = board_latex(board)
    assert (
        r"A\&B\_\textless{}script\textgreater{}alert(1)\textless{}/script\textgreater{} \$x\$ 5\% \{\#\} "
        r"\textbar{}\textasciitilde{}\textasciicircum{}\textbackslash{} & "
    ) in latex
    markdown = board_markdown(board)
    assert "<script" not in markdown.replace(f"--model={EVIL}", "")
    assert [len(row) for row in rows_of(markdown)] == [3, 3]
    assert "line break" in markdown and "line break" in latex


def test_control_characters_do_not_reach_the_terminal():
    assert "\x1b" not in board_text(small({"red\x1b[31m": 0.1}))


class _Page(HTMLParser):
    """Collects the elements and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.ids = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_shows_names_as_text_and_needs_nothing_else():
    board = small({EVIL: 0.1, "B": 0.05}, seeds=(1, 2, 3))
    board["boards"][0]["dataset"] = board["boards"][0]["notes"][0] = board["command"] = EVIL
    board["boards"][0]["failed"] = [{"model": EVIL, "seed": 1, "error": EVIL}]
    board["boards"][0]["rows"][0]["config"] = {EVIL: EVIL}
    page = board_page(board)
    parsed = _Page(page)
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert sum(EVIL in text for text in parsed.texts) >= 8
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!#)[^"']*|url\((?!#)|@import""", page) == []


# ---- the page


@pytest.fixture(scope="module")
def page():
    """The page of the example, drawn once."""
    return board_page(leaderboard())


def test_the_page_has_every_plot_command_and_setting(page):
    board, parsed = leaderboard(), _Page(page)
    plots = [attributes["aria-label"] for tag, attributes in parsed.tags if tag == "svg"]
    kinds = ["by model", "by training time", "by popularity", "by history"]
    expected = [f"NDCG@10 on Office {kind}, full" for kind in [*kinds, "by share of the training users"]]
    tuned = ["Trials of IDP on {}, full", "Importance of the keys of IDP on {}, full"]
    expected += [label.format("Office") for label in tuned]
    expected += [f"NDCG@10 on Arts {kind}, full" for kind in kinds]
    assert plots == [*expected, *(label.format("Arts") for label in tuned)]
    texts = set(parsed.texts)
    blocks = re.findall("<pre><code>(.*?)</code></pre>", page)
    commands = {unescape(re.sub("</?span>", "", block)) for block in blocks}
    for only in board["boards"]:
        for row in only["rows"]:
            assert row["command"] in commands
    assert {"learning_rate", "0.001", '["title", "brand"]', "5 to 19"} <= texts
    assert len([tag for tag, _ in parsed.tags if tag == "details"]) == 14


def test_trials_stand_in_a_table_and_a_sentence(page):
    texts = [text for text in _Page(page).texts if text.strip()]
    assert any(
        text.startswith("Tuned on validation alone with 12 trials (1 ended early, 1 failed): ") for text in texts
    )
    assert any(text.startswith("Tuned on validation alone with 8 trials: learning_rate=0.001 (") for text in texts)
    assert {"pruned", "complete", "failed: training on Office diverged, its loss is nan", "BSARec"} <= set(texts)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("space", {"learning_rate": {"log": [0, 1]}}, "has no range of learning_rate"),
        ("space", {"learning_rate": {"lok": [0.1, 1]}}, "has no range of learning_rate"),
        ("space", {"n_layers": {"int": [3, 4]}}, "has n_layers 2, outside its space"),
        ("space", {"encoder": {"choice": ["LiGR", "HSTU"]}}, "has encoder SASRec, outside its space"),
        ("importance", {"learning_rate": "much"}, "importance.learning_rate"),
        ("trials", [{"trial": 0}], "trials[0]"),
    ],
)
def test_trials_that_cannot_be_drawn_are_refused(key, value, said, tmp_path):
    board = leaderboard()
    (row,) = [row for row in board["boards"][0]["rows"] if row["model"] == "IDP"]
    row["tuned"][key] = value
    save_board(board, tmp_path / "board.json")
    with pytest.raises(UserError, match=re.escape(said)):
        read_board(tmp_path / "board.json")


def test_tables_say_how_they_stand_and_are_plain_without_the_script(page):
    first = page[page.index('class="scroll full"') : page.index("</table>")]
    tags = _Page(first).tags
    heads = [attributes for tag, attributes in tags if tag == "th" and attributes.get("scope") == "col"]
    assert [head.get("aria-sort") for head in heads].count("descending") == 1
    assert [head["class"] for head in heads] == ["text", *["number"] * 9]
    cells = [attributes["data-value"] for tag, attributes in tags if tag == "td"]
    assert cells.count("") == 1 and all(float(cell) is not None for cell in cells if cell)
    assert "button" not in [tag for tag, _ in _Page(page).tags]


def test_ids_of_a_page_are_used_once_for_one_thing(page):
    for name in set(re.findall(r'<clipPath id="([^"]+)"', page)):
        assert len(set(re.findall(rf'<clipPath id="{name}">.*?</clipPath>', page, re.DOTALL))) == 1


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ({"a": 0.2, "b": 0.8}, {"a": 0.2, "b": 0.8}),
        ({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.6}),
        ({"a": 1.0, "b": 1.0, "c": 0.99}, {"c": 0.8, "a": 0.9, "b": 1.0}),
        ({str(place): 0.0 for place in range(21)}, {str(place): place / 20 for place in range(21)}),
    ],
)
def test_labels_are_moved_apart_and_stay_inside(places, expected):
    assert spread(places, 0.1) == pytest.approx(expected)


# ---- the command


def test_report_draws_all_again_from_the_json_alone(tmp_path, capsys):
    board = leaderboard(TWO, ("Office",))
    save_board(board, tmp_path / "board.json")
    assert main(["report", f"--result={tmp_path}/board.json", f"--output={tmp_path}/drawn"]) == 0
    printed = capsys.readouterr().out
    best = board["boards"][0]["rows"][1]
    assert f"**{best['mean']['ndcg@10']:.4f}** ± {best['deviation']['ndcg@10']:.4f}" in printed
    for suffix in (".md", ".tex", ".html"):
        assert f"Drawn: {tmp_path}/drawn/board{suffix}" in printed
    first = {path.name: path.read_bytes() for path in (tmp_path / "drawn").iterdir()}
    assert main(["report", f"--result={tmp_path}/board.json"]) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.glob("board.*") if path.suffix != ".json"} == first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "report needs --result"),
        (["--result=none.json"], "none.json is not a readable leaderboard"),
        (["--reslt=board.json"], "did you mean --result?"),
        (["--result=board.json", "--output=board.json"], "cannot write output board.json (board.json is no folder)"),
    ],
)
def test_report_says_in_one_line_what_is_wrong(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_board(leaderboard(), "board.json")
    refused(capsys, ["report", *arguments], says)
    assert [path.name for path in tmp_path.iterdir()] == ["board.json"]
