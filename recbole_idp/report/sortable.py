"""HTML tables that are sorted by a click or a key press on the head of a column."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from recbole_idp.report.page import safe

STYLE = """
.sortable { min-width: 100%; } .sortable td, .sortable th { text-align: right; white-space: nowrap; }
.sortable thead th { padding: 0; vertical-align: bottom; }
.sortable th:first-child { text-align: left; position: sticky; left: 0; background: var(--back); color: var(--text);
  z-index: 1; }
.sortable button { all: unset; box-sizing: border-box; cursor: pointer; width: 100%; padding: .35rem .6rem;
  color: var(--soft); }
.sortable button:hover, th[aria-sort] button { color: var(--text); }
.sortable button:focus-visible, .scroll:focus-visible, summary:focus-visible, a:focus-visible {
  outline: 2px solid var(--accent); outline-offset: -2px; border-radius: .3rem; }
.sortable button::after { content: " \\2195"; opacity: .35; }
th[aria-sort=ascending] button::after { content: " \\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: " \\2193"; opacity: 1; }
.sortable tbody tr:hover > * { background: var(--card); }
"""

# Rows without a value come last in both directions.
SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const compare = { number: (a, b) => a - b, text: (a, b) => a.localeCompare(b) };
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const kind = head.dataset.kind;
    const before = head.getAttribute("aria-sort");
    const up = before ? before === "descending" : kind === "text";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = row => row.cells[column].dataset.value;
    const rows = [...body.rows].sort((a, b) => {
      const left = value(a), right = value(b);
      if (left === "" || right === "") return (left === "") - (right === "");
      return compare[kind](left, right) * (up ? 1 : -1);
    });
    body.append(...rows);
  }));
}
"""


class Field(NamedTuple):
    """A cell.

    Attributes:
        shown: What the cell shows, HTML.
        value: What its column is sorted by; None always comes last.
    """

    shown: str
    value: float | str | None


def sortable_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Field]],
    name: str,
    sorted_by: int | None = None,
    highest_first: bool = True,
) -> str:
    """Return a table whose first column names its rows.

    Args:
        heads: Names of the columns, plain text.
        rows: Cells.
        name: What the table shows, in plain text.
        sorted_by: The column that ``rows`` are sorted by; None: by no column.
        highest_first: In which direction they are.

    Returns:
        HTML, in a frame that scrolls sideways.
    """
    order = f' aria-sort="{"descending" if highest_first else "ascending"}"'
    kinds = ["text", *["number"] * (len(heads) - 1)]
    head = "".join(
        f'<th scope="col" data-kind="{kind}"{order if number == sorted_by else ""}>'
        f'<button type="button">{safe(text)}</button></th>'
        for number, (text, kind) in enumerate(zip(heads, kinds, strict=True))
    )
    body = "\n".join(f"<tr>{''.join(_cell(number, cell) for number, cell in enumerate(row))}</tr>" for row in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{safe(name)}"><table class="sortable">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _cell(number: int, cell: Field) -> str:
    kind, scope = ("td", "") if number else ("th", ' scope="row"')
    value = "" if cell.value is None else cell.value
    return f'<{kind}{scope} data-value="{safe(value)}">{cell.shown}</{kind}>'
