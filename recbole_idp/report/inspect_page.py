"""The page of the task ``inspect``. It depends on no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from recbole_idp.report.comparison import prediction_line
from recbole_idp.report.inspect_text import OWN_BEHAVIOUR, domain_rows, matcher_rows, own_behaviour_rows, shape_rows
from recbole_idp.report.page import Table, render, text_table
from recbole_idp.report.plot import ACCENT, MUTED, name_above, svg
from recbole_idp.storage.files import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Item(NamedTuple):
    """An item of the target with its matches."""

    title: str
    id: str
    matches: Table


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
    similarity, shapes = figures["similarity"], figures["shapes"]
    domains = ["source domain", "share of the matches", "share of the items"]
    return render(
        "inspect.html",
        title=f"{figures['dataset']} matched to {', '.join(figures['sources'])}",
        figures=figures,
        plots={
            "similarity": _plot_shares(
                {f"{when} CDIM": similarity[when] for when in ("before", "after")},
                "similarity of the best match",
                "Similarity of the best match, before and after CDIM",
            ),
            "behaviour": _plot_behaviour(figures),
            "domains": _plot_domains(figures),
            "norms": _plot_shares(
                {name: shapes[name]["norms"] for name in ("source", "generated")},
                "length of an embedding",
                "Lengths of source and generated embeddings",
            ),
        },
        tables={
            "learned": text_table("What the matcher learned", ["", "before CDIM", "after CDIM"], matcher_rows(figures)),
            "predicts": text_table("Text and behaviour", OWN_BEHAVIOUR, own_behaviour_rows(figures)),
            "domains": text_table("Where the matches come from", domains, domain_rows(figures)),
            "shapes": text_table("Embeddings", ["embeddings", "mean norm", "spread"], shape_rows(figures)),
        },
        prediction=prediction_line(figures["prediction"]),
        items=[_item(item) for item in figures["items"]],
    )


def _plot_shares(found: Mapping[str, Mapping[str, Any]], what: str, label: str) -> Markup:
    """Draw two distributions, the first one filled."""

    def draw(axes: Axes) -> None:
        for (name, one), colour in zip(found.items(), (MUTED, ACCENT), strict=True):
            axes.stairs(one["shares"], one["edges"], color=colour, fill=colour == MUTED, label=name)
        axes.set_xlabel(what)
        axes.set_ylabel("share of the items")
        name_above(axes)

    return svg(draw, label)


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
