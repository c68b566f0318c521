"""The text that the task ``inspect`` prints."""

from pathlib import Path
from typing import Any

from recbole_idp.report.comparison import prediction_line
from recbole_idp.report.result import table

SHOWN_ITEMS, SHOWN_MATCHES = 5, 3
OWN_BEHAVIOUR = ["", "text before CDIM", "text after CDIM", "generated"]
_PAIRS = (("neighbours", "nearest neighbours"), ("random", "random pairs"))


def inspect_text(figures: dict[str, Any], path: Path) -> str:
    """Describe the figures in the width of a terminal.

    Args:
        figures: What :func:`recbole_idp.run.inspect.inspect_figures` returns.
        path: The file of the page.

    Returns:
        The lines.
    """
    about = f"{figures['dataset']} matched to {', '.join(figures['sources'])}"
    parts = [f"\n{about}: {figures['with_text']:,} of {figures['target_items']:,} items have a text\n"]
    parts.append(table(["source domain", "share of the matches", "share of the items"], domain_rows(figures)))
    parts += ["", table(["", "before CDIM", "after CDIM"], matcher_rows(figures))]
    parts += ["", table(OWN_BEHAVIOUR, own_behaviour_rows(figures))]
    parts += ["", table(["embeddings", "mean norm", "spread"], shape_rows(figures))]
    parts += ["", prediction_line(figures["prediction"]), ""]
    for item in figures["items"][:SHOWN_ITEMS]:
        parts.append(f"{item['item_id']}  {shortened(item['title'])}")
        for match in item["matches"][:SHOWN_MATCHES]:
            weight = f"{match['similarity']:.3f} {100 * match['weight']:3.0f} %"
            parts.append(f"    {weight}  {match['domain']}  {shortened(match['title'])}")
        if not item["matches"]:
            parts.append("    has no text, and so no matches")
    parts.append(f"\nPage: {path}")
    return "\n".join(parts)


def domain_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Return the rows of the table of domains."""
    return [[row["domain"], f"{100 * row['mass']:.1f} %", f"{100 * row['pool']:.1f} %"] for row in figures["domains"]]


def matcher_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Return the rows of the table of what the matcher changed."""
    before, after = figures["correlation"]["before"], figures["correlation"]["after"]
    rows = []
    for pairs, name in _PAIRS:
        cells = [number(side.get(pairs, {}).get("correlation")) for side in (before, after)]
        rows.append([f"Spearman correlation of text and behaviour, {name}", *cells])
    similarity = figures["similarity"]
    means = [f"{similarity[when]['mean']:.4f}" for when in ("before", "after")]
    rows.append(["mean similarity of the best match", *means])
    recall = figures["recall"]
    if recall["before"] and recall["after"]:
        for name in recall["before"]:
            cells = [number(recall[when][name]) for when in ("before", "after")]
            rows.append([f"{name} of behaviour neighbours, held-out items", *cells])
    return rows + kept_out_rows(figures)


def kept_out_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Return the rows about a source domain that the matcher was trained without; none where none was kept out."""
    found = figures.get("kept_out")
    if found is None:
        return []
    names = {"texts": "text", "generated": "generated IDs"}
    return [
        [f"{name} of next items in {found['domain']}, kept out, by {names[by]}"]
        + [number(found[when][by][name]) for when in ("before", "after")]
        for by in names
        for name in found["own"]
    ]


def own_behaviour_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Return the rows of the table that compares similarities with the target's own co-occurrences."""
    sides = [figures["own_behaviour"][name] for name in ("before", "after", "generated")]
    return [
        [f"Spearman correlation with co-occurrence, {name}"]
        + [number(side.get(pairs, {}).get("correlation")) for side in sides]
        for pairs, name in _PAIRS
    ]


def shape_rows(figures: dict[str, Any]) -> list[list[str]]:
    """Return the rows of the table of embeddings."""
    return [
        [name, f"{shape['norms']['mean']:.3f}", f"{shape['spread']:.3f}"] for name, shape in figures["shapes"].items()
    ]


def number(value: float | None) -> str:
    """Return a figure with four decimals; a dash where there is none."""
    return "-" if value is None else f"{value:.4f}"


def shortened(title: str, length: int = 80) -> str:
    """Return a title, cut to ``length`` characters."""
    return title if len(title) <= length else f"{title[: length - 1]}…"
