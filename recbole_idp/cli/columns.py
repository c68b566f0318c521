"""Aligned columns for the terminal."""


def columns(rows, indent=""):
    """Lays rows of text out as columns.

    Args:
        rows (Iterable[Iterable[Any]]): The cells; all rows have the same number of them.
        indent (str): What every line starts with.

    Returns:
        str: One line per row, the last column ragged.
    """
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[-1:] = [0]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(indent + line.rstrip() for line in lines)
