"""The frame of all pages: one HTML file each that needs nothing else, readable on light and dark screens."""

import html
from collections.abc import Sequence

_STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --text: #1d2330; --soft: #5c6675; --line: #dfe3ea; --card: #f6f8fb;
  --accent: #b8501a; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171d; --text: #e6e9ef; --soft: #9aa4b2; --line: #2b313b; --card: #1c2129; --accent: #f0935a; } }
body { background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
  margin: 0 auto; padding: 2rem 1rem; max-width: 68rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
p { margin: .3rem 0 .8rem; max-width: 46rem; } .soft { color: var(--soft); }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
figure { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; margin: 0; padding: .8rem; }
figure svg { width: 100%; height: auto; overflow: visible; } figcaption { color: var(--soft); font-size: .9rem; }
figure svg text { font-family: system-ui, sans-serif !important; }
table { border-collapse: collapse; font-size: .92rem; min-width: 50%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; } td.number, th.number { text-align: right; white-space: nowrap; }
details { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  margin: .5rem 0; padding: .5rem .9rem; }
summary { cursor: pointer; font-weight: 600; overflow-wrap: anywhere; } .scroll { overflow-x: auto; }
"""


def document(title: str, body: str, style: str = "", script: str = "") -> str:
    """Return a whole page.

    Args:
        title: Title, plain text.
        body: HTML.
        style: CSS in addition to that of all pages.
        script: JavaScript that runs when the page is loaded.

    Returns:
        HTML.
    """
    code = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{safe(title)}</title>\n<style>{_STYLE}{style}</style>\n{body}\n{code}</html>\n"
    )


def figure(plot: str, caption: str) -> str:
    """Return a plot with its caption, both HTML."""
    return f"<figure>{plot}<figcaption>{caption}</figcaption></figure>"


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table of plain texts; columns of numbers are aligned right."""
    numbers = [
        all(text.lstrip("-")[:1].isdigit() or text == "-" for text in column) for column in zip(*rows, strict=True)
    ]

    def line(kind: str, cells: Sequence[str]) -> str:
        marks = (' class="number"' if number else "" for number in numbers)
        return "".join(f"<{kind}{mark}>{safe(text)}</{kind}>" for text, mark in zip(cells, marks, strict=True))

    head = line("th", header)
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def safe(text: object) -> str:
    """Escape plain text for HTML."""
    return html.escape(str(text))
