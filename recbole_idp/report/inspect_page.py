"""The page of the task ``inspect``: one HTML file that needs nothing else. It reads figures and knows no model."""

import html
import io
from pathlib import Path

from recbole_idp.files import replacing
from recbole_idp.report.comparison import prediction_line
from recbole_idp.report.inspect_text import OWN_BEHAVIOUR, domain_rows, matcher_rows, own_behaviour_rows, shape_rows

# Readable on a light and on a dark page.
BEFORE, AFTER, GREY = "#8a94a6", "#e07b39", "#8a8a8a"

_STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --text: #1d2330; --soft: #5c6675; --line: #dfe3ea; --card: #f6f8fb; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171d; --text: #e6e9ef; --soft: #9aa4b2; --line: #2b313b; --card: #1c2129; } }
body { background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
  margin: 0 auto; padding: 2rem 1rem; max-width: 68rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
p { margin: .3rem 0 .8rem; max-width: 46rem; } .soft { color: var(--soft); }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
figure { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; margin: 0; padding: .8rem; }
figure svg { width: 100%; height: auto; } figcaption { color: var(--soft); font-size: .9rem; }
table { border-collapse: collapse; font-size: .92rem; min-width: 50%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; } td.number, th.number { text-align: right; white-space: nowrap; }
details { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  margin: .5rem 0; padding: .5rem .9rem; }
summary { cursor: pointer; font-weight: 600; overflow-wrap: anywhere; } .scroll { overflow-x: auto; }
"""


def save_page(figures, path):
    """Writes the page, whole or not at all.

    Args:
        figures (dict): What :func:`recbole_idp.inspection.inspect_figures` returns.
        path (str | Path): The HTML file.

    Raises:
        UserError: It cannot be written.
    """
    with replacing(Path(path)) as temporary:
        temporary.write_text(page(figures), encoding="utf-8")


def page(figures):
    """Returns the page as HTML."""
    title = f"{figures['dataset']} matched to {', '.join(figures['sources'])}"
    plots = "".join(
        f"<figure>{plot(figures)}<figcaption>{caption(figures)}</figcaption></figure>"
        for plot, caption in (
            (_plot_similarity, _say_similarity),
            (_plot_behaviour, _say_behaviour),
            (_plot_domains, _say_domains),
            (_plot_norms, _say_norms),
        )
    )
    items = "".join(_item(item, number < 3) for number, item in enumerate(figures["items"]))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_safe(title)}</title>\n<style>{_STYLE}</style>\n"
        f'<h1>{_safe(title)}</h1>\n<p class="soft">{_safe(_about(figures))}</p>\n'
        f'<div class="plots">{plots}</div>\n'
        f"<h2>What the matcher learned</h2>\n{_table(['', 'before CDIM', 'after CDIM'], matcher_rows(figures))}\n"
        f"<h2>Whether it tells the target's behaviour</h2>\n<p>{_safe(prediction_line(figures['prediction']))}.</p>\n"
        f"{_table(OWN_BEHAVIOUR, own_behaviour_rows(figures))}\n"
        "<h2>Where the matches come from</h2>\n"
        f"{_table(['source domain', 'share of the matches', 'share of the items'], domain_rows(figures))}\n"
        f"<h2>Embeddings</h2>\n{_table(['embeddings', 'mean norm', 'spread'], shape_rows(figures))}\n"
        f"<h2>Items and their matches</h2>\n{items}\n</html>\n"
    )


def _about(figures):
    return (
        f"{figures['with_text']:,} of {figures['target_items']:,} items have a text. Matcher: {figures['matcher']}; "
        f"generator: {figures['generator']}; bundle: {figures['bundle']}"
    )


def _plot_similarity(figures):
    """Draws how similar the best match of each item is."""

    def draw(axes):
        for when, colour in (("before", BEFORE), ("after", AFTER)):
            found = figures["similarity"][when]
            axes.stairs(found["shares"], found["edges"], color=colour, fill=when == "before", label=f"{when} CDIM")
        axes.set_xlabel("similarity of the best match")
        axes.set_ylabel("share of the items")
        axes.legend(frameon=False, labelcolor=GREY)

    return _svg(draw)


def _say_similarity(figures):
    return (
        f"How near the best source item is. {100 * figures['near_twins']:.0f} % of the items have a near twin "
        "(a cosine of 0.9 or more, by the frozen text vectors): the more, the more an ID is worth."
    )


def _plot_behaviour(figures):
    """Draws how alike items behave whose texts are so alike."""

    def draw(axes):
        for when, colour in (("before", BEFORE), ("after", AFTER)):
            curve = figures["correlation"][when].get("curve", [])
            axes.plot([row[0] for row in curve], [row[1] for row in curve], "o-", color=colour, label=f"{when} CDIM")
        axes.set_xlabel("text similarity of two source items")
        axes.set_ylabel("mean similarity of their IDs")
        axes.legend(frameon=False, labelcolor=GREY)

    return _svg(draw)


def _say_behaviour(figures):
    return (
        "Whether texts tell behaviour: the steeper the line, the more a text's neighbours are used by the same people. "
        "A flat line means that averaging their IDs gives noise."
    )


def _plot_domains(figures):
    """Draws each domain's share of the matches beside its share of the items."""

    def draw(axes):
        rows = figures["domains"][::-1]
        places = range(len(rows))
        axes.barh([place + 0.2 for place in places], [row["mass"] for row in rows], 0.4, color=AFTER, label="matches")
        axes.barh([place - 0.2 for place in places], [row["pool"] for row in rows], 0.4, color=BEFORE, label="items")
        # Names come from the data: a dollar sign is no mathematics.
        axes.set_yticks(list(places), [row["domain"].replace("$", r"\$") for row in rows])
        axes.set_xlabel("share")
        axes.legend(frameon=False, labelcolor=GREY)

    return _svg(draw)


def _say_domains(figures):
    first = figures["domains"][0]
    return _safe(f"Which domains the matches come from. {first['domain']} gives most: {100 * first['mass']:.0f} %.")


def _plot_norms(figures):
    """Draws the lengths of source and generated embeddings."""

    def draw(axes):
        for name, colour in (("source", BEFORE), ("generated", AFTER)):
            found = figures["shapes"][name]["norms"]
            axes.stairs(found["shares"], found["edges"], color=colour, fill=name == "source", label=name)
        axes.set_xlabel("length of an embedding")
        axes.set_ylabel("share of the items")
        axes.legend(frameon=False, labelcolor=GREY)

    return _svg(draw)


def _say_norms(figures):
    source, generated = (figures["shapes"][name]["spread"] for name in ("source", "generated"))
    return (
        f"How long embeddings are. The root mean square distance from the centre is {source:.2f} among the sources and "
        f"{generated:.2f} among the generated ones."
    )


def _svg(draw):
    """Draws a plot and returns it as an SVG element with transparent background."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    colours = dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), GREY)
    # Paths instead of fonts look alike everywhere; a fixed salt gives the same file for the same figures.
    with rc_context({**colours, "svg.fonttype": "path", "svg.hashsalt": "recbole_idp", "font.size": 10}):
        figure = Figure(figsize=(5, 3), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    text = drawn.getvalue()
    return text[text.index("<svg") :]


def _item(item, unfolded):
    """Returns an item with its matches, folded away unless asked."""
    rows = [
        [
            f"{match['similarity']:.3f}",
            f"{100 * match['weight']:.0f} %",
            match["domain"],
            match["title"] or match["item_id"],
        ]
        for match in item["matches"]
    ]
    header = ["similarity", "weight", "domain", "title"]
    body = _table(header, rows) if rows else "<p>has no text, and so no matches</p>"
    name = item["title"] or "without title"
    return (
        f"<details{' open' if unfolded else ''}><summary>{_safe(name)} "
        f'<span class="soft">{_safe(item["item_id"])}</span></summary>{body}</details>'
    )


def _table(header, rows):
    """Returns an HTML table; columns of numbers stand on the right."""
    numbers = [
        all(text.lstrip("-")[:1].isdigit() or text == "-" for text in column) for column in zip(*rows, strict=True)
    ]

    def line(kind, cells):
        marks = (' class="number"' if number else "" for number in numbers)
        return "".join(f"<{kind}{mark}>{_safe(text)}</{kind}>" for text, mark in zip(cells, marks, strict=True))

    head = line("th", header)
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _safe(text):
    return html.escape(str(text))
