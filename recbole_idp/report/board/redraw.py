"""Draw all tables and the page of a leaderboard from its JSON file alone."""

from pathlib import Path

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
    files = draw(result, output)
    print(
        "\n".join([board_text(read_board(Path(result))), f"\nResult: {result}", *(f"Drawn: {file}" for file in files)])
    )
    return files


def draw(result: str | Path, output: str | Path | None = None) -> list[Path]:
    """Write the tables of a leaderboard as Markdown, as LaTeX, and as a page with plots.

    Args:
        result: The JSON file.
        output: The folder for the files; None: that of the JSON file.

    Returns:
        The files, named like the JSON file.

    Raises:
        UserError: The JSON file is damaged or no leaderboard, or the folder cannot be written.
    """
    path = Path(result)
    folder = path.parent if output is None else Path(output)
    board = read_board(path)
    check_writable("output", folder)
    drawn = {".md": board_markdown(board), ".tex": board_latex(board), ".html": board_page(board)}
    files = [folder / f"{path.stem}{suffix}" for suffix in drawn]
    for file, text in zip(files, drawn.values(), strict=True):
        write_text(file, text)
    return files
