"""The page of the task ``inspect``. It depends on no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from recbole_idp.report.comparison import prediction_line
from recbole_idp.report.inspect_text import OWN_BEHAVIOUR, domain_rows, matcher_rows, own_behaviour_rows, shape_rows
from recbole_idp.report.page import Figure, Part, Table, render, text_table
from recbole_idp.report.plot import ACCENT, MUTED, name_above, svg
from recbole_idp.storage.files import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Item:
    """An item of the target with its matches."""

    title: str
    id: str
    matches: Table


@dataclass(frozen=True)
class InspectPage:
    """What the page shows, from top to bottom."""

    title: str
    about: str
    figures: Sequence[Figure]
    parts: Sequence[Part]
    items: Sequence[Item]


def save_page(figures: dict[str, Any], path: str | Path) -> None:
    """Write the page, whole or not at all.

    Args:
        figures: What :func:`recbole_idp.run.inspect.inspect_figures` returns.
        path: The HTML file.

    Raises:
        UserError: The file cannot be written.
    """
    write_text(path, page(figures))


def page(figures: dict[str, Any]) -> str:
    """Return the page as HTML."""
    prediction = f"{prediction_line(figures['prediction'])}."
    learned = ("What the matcher learned", ["", "before CDIM", "after CDIM"], matcher_rows(figures), [])
    predicts = (
        "Whether it predicts the target's behaviour",
        OWN_BEHAVIOUR,
        own_behaviour_rows(figures),
        [prediction],
    )
    shares = ["source domain", "share of the matches", "share of the items"]
    origins = ("Where the matches come from", shares, domain_rows(figures), [])
    embeddings = ("Embeddings", ["embeddings", "mean norm", "spread"], shape_rows(figures), [])
    shown = InspectPage(
        title=f"{figures['dataset']} matched to {', '.join(figures['sources'])}",
        about=_about(figures),
        figures=[
            Figure(_plot_similarity(figures), _say_similarity(figures)),
            Figure(_plot_behaviour(figures), _say_behaviour(figures)),
            Figure(_plot_domains(figures), _say_domains(figures)),
            Figure(_plot_norms(figures), _say_norms(figures)),
        ],
        parts=[
            Part(heading, said, [text_table(heading, heads, rows)])
            for heading, heads, rows, said in (learned, predicts, origins, embeddings)
        ],
        items=[_item(item) for item in figures["items"]],
    )
    return render("inspect.html", page=shown)


def _about(figures: dict[str, Any]) -> str:
    return (
        f"{figures['with_text']:,} of {figures['target_items']:,} items have a text. Matcher: {figures['matcher']}; "
        f"generator: {figures['generator']}; bundle: {figures['bundle']}"
    )


def _plot_similarity(figures: dict[str, Any]) -> Markup:
    """Draw the distribution of the similarity of each item's best match."""

    def draw(axes: Axes) -> None:
        for when, colour in (("before", MUTED), ("after", ACCENT)):
            found = figures["similarity"][when]
            axes.stairs(found["shares"], found["edges"], color=colour, fill=when == "before", label=f"{when} CDIM")
        axes.set_xlabel("similarity of the best match")
        axes.set_ylabel("share of the items")
        name_above(axes)

    return svg(draw, "Similarity of the best match, before and after CDIM")


def _say_similarity(figures: dict[str, Any]) -> str:
    return (
        f"How near the best source item is. {100 * figures['near_twins']:.0f} % of the items have a near twin "
        "(a cosine of 0.9 or more, by the frozen text vectors): the more, the more an ID is worth."
    )


def _plot_behaviour(figures: dict[str, Any]) -> Markup:
    """Draw the mean similarity of IDs by the similarity of texts."""

    def draw(axes: Axes) -> None:
        for when, colour in (("before", MUTED), ("after", ACCENT)):
            curve = figures["correlation"][when].get("curve", [])
            axes.plot([row[0] for row in curve], [row[1] for row in curve], "o-", color=colour, label=f"{when} CDIM")
        axes.set_xlabel("text similarity of two source items")
        axes.set_ylabel("mean similarity of their IDs")
        name_above(axes)

    return svg(draw, "Similarity of IDs by similarity of texts, before and after CDIM")


def _say_behaviour(figures: dict[str, Any]) -> str:
    return (
        "Whether texts tell behaviour: the steeper the line, the more a text's neighbours are used by the same people. "
        "A flat line means that averaging their IDs gives noise."
    )


def _plot_domains(figures: dict[str, Any]) -> Markup:
    """Draw each domain's share of the matches beside its share of the items."""

    def draw(axes: Axes) -> None:
        rows = figures["domains"][::-1]
        places = range(len(rows))
        axes.barh([place + 0.2 for place in places], [row["mass"] for row in rows], 0.4, color=ACCENT, label="matches")
        axes.barh([place - 0.2 for place in places], [row["pool"] for row in rows], 0.4, color=MUTED, label="items")
        axes.set_yticks(list(places), [row["domain"] for row in rows])
        axes.set_xlabel("share")
        name_above(axes)

    return svg(draw, "Share of the matches and of the items by source domain")


def _say_domains(figures: dict[str, Any]) -> str:
    first = figures["domains"][0]
    return f"Which domains the matches come from. {first['domain']} gives most: {100 * first['mass']:.0f} %."


def _plot_norms(figures: dict[str, Any]) -> Markup:
    """Draw the lengths of source and generated embeddings."""

    def draw(axes: Axes) -> None:
        for name, colour in (("source", MUTED), ("generated", ACCENT)):
            found = figures["shapes"][name]["norms"]
            axes.stairs(found["shares"], found["edges"], color=colour, fill=name == "source", label=name)
        axes.set_xlabel("length of an embedding")
        axes.set_ylabel("share of the items")
        name_above(axes)

    return svg(draw, "Lengths of source and generated embeddings")


def _say_norms(figures: dict[str, Any]) -> str:
    source, generated = (figures["shapes"][name]["spread"] for name in ("source", "generated"))
    return (
        f"How long embeddings are. The root mean square distance from the centre is {source:.2f} among the sources and "
        f"{generated:.2f} among the generated ones."
    )


def _item(item: dict[str, Any]) -> Item:
    rows = [
        [
            match["title"] or match["item_id"],
            match["domain"],
            f"{match['similarity']:.3f}",
            f"{100 * match['weight']:.0f} %",
        ]
        for match in item["matches"]
    ]
    name = item["title"] or "without title"
    heads = ["title", "domain", "similarity", "weight"]
    return Item(name, item["item_id"], text_table(f"Matches of {name}", heads, rows))
