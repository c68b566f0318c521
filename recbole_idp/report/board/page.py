"""The page of a leaderboard: one HTML file that needs nothing else. It depends on no model."""

import json
from collections.abc import Sequence
from typing import Any

from recbole_idp.evaluation.metrics import metric_name, smaller_is_better
from recbole_idp.report.board.cells import (
    Cell,
    Line,
    columns_of,
    comparisons_of,
    facts,
    legend,
    lines_of,
    protocol_name,
    remarks,
)
from recbole_idp.report.board.file import metric_key
from recbole_idp.report.board.plots import plot_buckets, plot_metric, plot_shares, plot_time
from recbole_idp.report.board.swept import plot_sweep
from recbole_idp.report.board.text import gain_text, sentences
from recbole_idp.report.board.trials import tuned_line, tuned_section
from recbole_idp.report.page import document, figure, html_table, safe
from recbole_idp.report.plot import ACCENT, MUTED
from recbole_idp.report.sortable import SCRIPT, STYLE, Field, sortable_table
from recbole_idp.report.text import seeds_name

_STYLE = """
body { max-width: 74rem; } .wide { max-width: none; } .lead { font-size: 1.05rem; }
h2 { font-size: 1.35rem; border-top: 1px solid var(--line); margin-top: 2.6rem; padding-top: 1.6rem; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; } nav { margin: .8rem 0; }
nav a { color: var(--accent); margin-right: 1rem; }
.badge { border: 1px solid var(--line); border-radius: 1rem; color: var(--soft); font-size: .78rem; font-weight: 500;
  margin-left: .5rem; padding: .05rem .55rem; white-space: nowrap; }
.scroll { margin-bottom: .6rem; } .sortable td, .sortable tbody th { padding: .35rem .5rem; }
.sortable tbody th { max-width: 14rem; overflow-wrap: anywhere; white-space: normal; }
.sortable .spread { color: var(--soft); display: block; font-size: .82em; margin-top: -.15rem; }
.sortable .badge { margin: 0 .35rem 0 0; } .badges { display: block; max-width: 11rem; }
@media (max-width: 40rem) { .badges { max-width: 6rem; } .sortable tbody th { min-width: 5.5rem; } }
.plots { align-items: start; margin-top: 1.2rem; } figcaption { margin-top: .4rem; }
.plots figure:last-child:nth-child(odd) { align-items: center; display: flex; flex-wrap: wrap; gap: 1rem;
  grid-column: 1 / -1; }
.plots figure:last-child:nth-child(odd) svg { flex: 1 1 26rem; max-width: 36rem; }
.plots figure:last-child:nth-child(odd) figcaption { flex: 1 1 14rem; }
@media (min-width: 60rem) { .plots.trials { grid-template-columns: minmax(0, 5fr) minmax(0, 3fr); } }
.key { display: inline-block; width: .7em; height: .7em; border-radius: .15em; margin: 0 .3em 0 .8em; }
.key:first-child { margin-left: 0; }
pre { background: var(--back); border: 1px solid var(--line); border-radius: .4rem; font-size: .86rem;
  overflow-wrap: anywhere; padding: .5rem .7rem; user-select: all; white-space: pre-wrap; }
pre span { display: inline-block; max-width: 100%; white-space: normal; }
.failed { border-left: 3px solid var(--accent); padding-left: .7rem; }
"""

_BUCKETS = {
    "popularity": "by how often the right item occurs in the training data: how a model fares with new and rare items",
    "history": "by the number of events in the user's history",
    "user_novelty": "by whether training has seen the user",
    "item_novelty": "by whether training has seen the right item",
    "joined": "by whether the user is joined with other domains",
    "joined_history": "of joined users by the number of the target's events in their history",
}


def board_page(leaderboard: dict[str, Any]) -> str:
    """Draw a leaderboard as a page.

    Args:
        leaderboard: What :func:`~recbole_idp.report.board.file.read_board` returns.

    Returns:
        HTML.
    """
    boards = leaderboard["boards"]
    title = f"Leaderboard: {', '.join(dict.fromkeys(board['dataset'] for board in boards))}"
    links = "".join(
        f'<a href="#board-{number}">{safe(board["dataset"])}, {safe(protocol_name(board["protocol"]))}</a>'
        for number, board in enumerate(boards, 1)
    )
    versions = ", ".join(f"{name} {version}" for name, version in leaderboard["versions"].items())
    sections = "\n".join(_section(number, board, leaderboard) for number, board in enumerate(boards, 1))
    body = (
        f'<header><h1>{safe(title)}</h1>\n<p class="soft">{safe(leaderboard["created"])}; {safe(versions)}</p>\n'
        f"{_command(leaderboard['command'])}\n"
        f"{f'<nav>{links}</nav>' if len(boards) > 1 else ''}</header>\n<main>{sections}</main>"
    )
    return document(title, body, STYLE + _STYLE, SCRIPT)


def _command(command: str) -> str:
    """Return a command as a block whose lines end between words only; browsers would break them after hyphens."""
    words = " ".join(f"<span>{safe(word)}</span>" for word in command.split(" "))
    return f"<pre><code>{words}</code></pre>"


def _section(number: int, board: dict[str, Any], leaderboard: dict[str, Any]) -> str:
    metric, seeds = metric_key(leaderboard), leaderboard["seeds"]
    parts = [
        f'<section id="board-{number}"><h2>{safe(board["dataset"])}'
        f'<span class="badge">{safe(protocol_name(board["protocol"]))}</span></h2>',
        f'<p class="soft wide">{safe(facts(board))}; {safe(seeds_name(seeds))}</p>',
    ]
    parts += [f'<p class="lead">{safe(line)}</p>' for line in sentences(board)[:1]]
    parts += [_table(board, metric, seeds)] if board["rows"] else ["<p>No job has finished.</p>"]
    said = "<br>".join(map(safe, legend(board)))
    parts.append(f'<p class="soft wide">{said}</p>' if said else "")
    parts += [_failed(job) for job in board["failed"]]
    parts.append("".join(f'<p class="soft wide">{safe(note)}</p>' for note in board["notes"]))
    if board["rows"]:
        parts += [_plots(board, metric), _trials(board, metric)]
        rows = "\n".join(_details(line.row, metric, seeds) for line in lines_of(board, metric, [metric]))
        parts.append(f"<h3>How each row was made</h3>\n{rows}")
    return "\n".join(part for part in parts if part) + "</section>"


def _table(board: dict[str, Any], metric: str, seeds: Sequence[int]) -> str:
    columns = columns_of(board, metric)
    compared = {one["variant"]: one for one in comparisons_of(board)}
    against = [f"over {board['baseline']}"] if compared else []
    rows = []
    for line in lines_of(board, metric, columns):
        name = line.row["model"]
        gain = [_gain(line, compared.get(name))] if against else []
        badges = "".join(f'<span class="badge">{safe(word)}</span>' for word in remarks(line.row, seeds))
        seconds = Field(f"{line.seconds:.0f}", line.seconds)
        badges = badges and f'<span class="badges">{badges}</span>'
        rows.append([Field(safe(name) + badges, name), *map(_metric, line.cells), *gain, seconds])
    heads = ["Model", *map(metric_name, columns), *against, "Seconds"]
    return sortable_table(
        heads, rows, f"{board['dataset']}: models by metric", 1 + columns.index(metric), not smaller_is_better(metric)
    )


_MARKS = ("{}", "<strong>{}</strong>", "<u>{}</u>")


def _badges(row: dict[str, Any], seeds: Sequence[int]) -> str:
    return " ".join(f'<span class="badge">{safe(word)}</span>' for word in remarks(row, seeds))


def _metric(cell: Cell) -> Field:
    if cell.value is None:
        return Field("-", None)
    shown = _MARKS[cell.place].format(f"{cell.value:.4f}")
    spread = "" if cell.deviation is None else f'<span class="spread">± {cell.deviation:.4f}</span>'
    return Field(shown + spread, cell.value)


def _gain(line: Line, comparison: dict[str, Any] | None) -> Field:
    interval = ""
    if comparison and comparison["interval"]:
        low, high = comparison["interval"]
        interval = f'<span class="spread">({100 * low:.1f} to {100 * high:.1f})</span>'
    return Field(gain_text(line) + interval, line.gain)


def _failed(job: dict[str, Any]) -> str:
    return f'<p class="failed">{safe(job["model"])} with seed {job["seed"]} failed: {safe(job["error"])}</p>'


def _plots(board: dict[str, Any], metric: str) -> str:
    name = metric_name(metric)
    colours = (
        f'<span class="key" style="background: {MUTED}"></span>trained on the target alone'
        f'<span class="key" style="background: {ACCENT}"></span>pre-trained on source domains'
    )
    marks = "Bars: means; whiskers: standard deviation over the seeds; dotted line: the baseline."
    found = [(plot_metric(board, metric), f"{colours}<br>{safe(name)}. {marks}")]
    counted = "the training time of one run (logarithmic), without that on source domains"
    found.append((plot_time(board, metric), f"{safe(name)} against {counted}."))
    for kind, said in _BUCKETS.items():
        found.append((plot_buckets(board, metric, kind), f"{safe(name)} {said}. All panels have one scale."))
    share = f"{safe(name)} of all test targets, by the share of the target's users that are trained on."
    found.append((plot_shares(board, metric), share))
    swept = (
        f"{safe(name)} by the value of the key; whiskers: standard deviation over the seeds; dotted: without the key."
    )
    found.append((plot_sweep(board, metric), swept))
    return f'<div class="plots">{"".join(figure(plot, caption) for plot, caption in found if plot)}</div>'


def _trials(board: dict[str, Any], metric: str) -> str:
    """Return the trials of tuned rows."""
    rows = [
        f"<p>{safe(f'{tuned.row}: {tuned.said}')}</p>"
        f'<div class="plots trials">{"".join(figure(plot, safe(caption)) for plot, caption in tuned.plots)}</div>'
        f"<details><summary>Trials of {safe(tuned.row)}</summary>{html_table(tuned.heads, tuned.lines)}</details>"
        for tuned in tuned_section(board, metric)
    ]
    return f"<h3>How rows were tuned</h3>\n{''.join(rows)}" if rows else ""


def _details(row: dict[str, Any], metric: str, seeds: Sequence[int]) -> str:
    """Return how a row was made, folded."""
    words = _badges(row, seeds)
    name = metric_name(metric)
    runs = [
        [
            str(run["seed"]),
            _number(run["test"].get(metric), ".4f"),
            _number(run["valid"].get(metric), ".4f"),
            f"{run['seconds']:.1f}",
            _number(run["targets_per_second"], ",.0f"),
        ]
        for run in row["runs"]
    ]
    header = ["seed", f"test {name}", f"validation {name}", "seconds", "targets/s"]
    settings = [[key, value if isinstance(value, str) else _flow(value)] for key, value in row["config"].items()]
    parts = [_command(row["command"]), html_table(header, runs)]
    if row["tuned"] is not None:
        parts.append(f"<p>{safe(tuned_line(row, metric))}</p>")
    parts.append(html_table(["key", "value"], settings) if settings else "<p>All keys have their defaults.</p>")
    return f"<details><summary>{safe(row['model'])}{words}</summary>{''.join(parts)}</details>"


def _number(value: float | None, format_spec: str) -> str:
    return "-" if value is None else format(value, format_spec)


def _flow(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
