"""Draw all tables and the page of a leaderboard from its JSON file alone."""

from pathlib import Path
from typing import Any

from recbole_idp.report.board.file import read_board
from recbole_idp.report.board.latex import board_latex
from recbole_idp.report.board.page import board_page
from recbole_idp.report.board.text import board_markdown, board_text
from recbole_idp.storage.files import check_writable, write_text


def redraw(result: str | Path, output: str | Path | None = None) -> list[Path]:
    """Print the tables of a leaderboard, and write them as :func:`draw` does.

    Args:
        result: The JSON file.
        output: The folder for the files; None: that of the JSON file.

    Returns:
        The files, named like the JSON file.

    Raises:
        UserError: The JSON file is damaged or no leaderboard, or the folder cannot be written.
    """
    board = read_board(Path(result))
    files = _write(board, Path(result), output)
    print("\n".join([board_text(board), f"\nResult: {result}", *(f"Drawn: {file}" for file in files)]))
    return files


def draw(result: str | Path, output: str | Path | None = None) -> list[Path]:
    """Write the tables of a leaderboard as Markdown, as LaTeX, and as a page with plots; as of :func:`redraw`."""
    return _write(read_board(Path(result)), Path(result), output)


def _write(board: dict[str, Any], path: Path, output: str | Path | None) -> list[Path]:
    """Write what is drawn of a board that was read from a file; returned as by :func:`redraw`."""
    folder = path.parent if output is None else Path(output)
    check_writable("output", folder)
    drawn = {".md": board_markdown(board), ".tex": board_latex(board), ".html": board_page(board)}
    files = [folder / f"{path.stem}{suffix}" for suffix in drawn]
    for file, text in zip(files, drawn.values(), strict=True):
        write_text(file, text)
    return files
