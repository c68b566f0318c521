"""The one JSON file that a run leaves, and the table that is drawn from it."""

import itertools
import json
import time
from pathlib import Path

from recbole_idp.errors import UserError
from recbole_idp.files import write_json

FORMAT = 1


def save_result(result, folder):
    """Writes a result under a name that tells model, dataset, seed and time.

    Args:
        result (dict): The result, of the form that :func:`read_result` checks.
        folder (str | Path): ``result_dir``.

    Returns:
        Path: The file.
    """
    stamp = time.strftime("%b-%d-%Y_%H-%M-%S")
    stem = f"{result['model']}-{result['dataset']}-{result['seed']}-{stamp}"
    # Small runs end within one second, and each leaves a file of its own.
    names = (f"{stem}{'' if number == 1 else f'-{number}'}.json" for number in itertools.count(1))
    path = next(path for path in (Path(folder) / name for name in names) if not path.exists())
    write_json(path, {"format": FORMAT, **result})
    return path


def read_result(path):
    """Reads a result.

    Args:
        path (str | Path): A file that :func:`save_result` wrote.

    Returns:
        dict: The result.

    Raises:
        UserError: The file is missing, damaged, or of another version.
    """
    try:
        result = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable result ({error}): run again, or delete it") from error
    if not isinstance(result, dict) or not isinstance(result.get("variants"), dict):
        raise UserError(f"{path} is not a result of recbole_idp: give a file from result_dir")
    if result.get("format") != FORMAT:
        raise UserError(f"{path} is a result of format {result.get('format')}, this release reads format {FORMAT}")
    return result


COLUMNS = ("hit@5", "hit@10", "hit@20", "ndcg@5", "ndcg@10", "ndcg@20", "mrr")


def markdown_table(result):
    """Draws the variants of a result side by side.

    Args:
        result (dict): What :func:`read_result` returns.

    Returns:
        str: A Markdown table; the best value of each metric is bold.
    """
    variants = result["variants"]
    known = set().union(*(variant["test"] for variant in variants.values())) if variants else set()
    columns = [name for name in COLUMNS if name in known] or sorted(known)
    best = {name: max(variant["test"][name] for variant in variants.values()) for name in columns}
    rows = []
    for name, variant in variants.items():
        values = []
        for column in columns:
            text = f"{variant['test'][column]:.4f}"
            values.append(f"**{text}**" if variant["test"][column] == best[column] else text)
        rows.append([name, *values, f"{variant['seconds']:.0f}"])
    return table(["variant", *columns, "seconds"], rows)


def table(header, rows):
    """Draws a Markdown table whose columns stand below one another in plain text as well.

    Args:
        header (list[str]): Names of the columns.
        rows (list[list[str]]): Cells.

    Returns:
        str: The table, without a line break at the end.
    """
    widths = [max(len(str(row[number])) for row in [header, *rows]) for number in range(len(header))]
    lines = [
        " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
    ]
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])
