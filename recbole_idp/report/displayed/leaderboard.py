"""A leaderboard as an object that a notebook shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.errors import UserError
from recbole_idp.evaluation.metrics import metric_name
from recbole_idp.report.board.cells import board_title, columns_of, failures, lines_of
from recbole_idp.report.board.file import metric_key, read_board
from recbole_idp.report.board.plots import plot_metric
from recbole_idp.report.board.text import board_markdown, gain_text, sentences
from recbole_idp.report.board.trials import tuned_rows
from recbole_idp.report.displayed.picture import Picture
from recbole_idp.report.page import Part, render, text_table

if TYPE_CHECKING:
    import pandas as pd


class Leaderboard(dict[str, Any]):
    """A leaderboard: the dictionary of its JSON file. A notebook shows it as a table for each dataset."""

    def frame(self) -> pd.DataFrame:
        """Return the test metrics of each model on each dataset, means over the seeds, the best first.

        Returns:
            Named by dataset, protocol and model. The columns are the metrics, ``seconds``, and ``gain``: the relative
            gain over the baseline in the leaderboard's metric.
        """
        import pandas as pd

        key, rows = metric_key(self), []
        for board in self["boards"]:
            for line in lines_of(board, key, [key]):
                named = {"dataset": board["dataset"], "protocol": board["protocol"], "model": line.row["model"]}
                rows.append({**named, **line.row["mean"], "seconds": line.seconds, "gain": line.gain})
        return pd.DataFrame(rows).set_index(["dataset", "protocol", "model"])

    def trials(self) -> pd.DataFrame:
        """Return the trials of tuned rows.

        Returns:
            Named by dataset, protocol, model and trial. The columns are ``value`` (the best validation), ``state``
            (complete, pruned or failed), ``epochs`` and the keys that were searched.
        """
        import pandas as pd

        rows = [
            {"dataset": board["dataset"], "protocol": board["protocol"], "model": row["model"], "trial": trial["trial"]}
            | {key: trial[key] for key in ("value", "state", "epochs")}
            | trial["params"]
            for board in self["boards"]
            for row in tuned_rows(board)
            for trial in row["tuned"]["trials"]
        ]
        named = ["dataset", "protocol", "model", "trial"]
        return pd.DataFrame(rows, columns=None if rows else [*named, "value", "state", "epochs"]).set_index(named)

    def plot(self, dataset: str | None = None, metric: str | None = None) -> Picture:
        """Draw a bar for each model.

        Args:
            dataset: One of the datasets; None: the first.
            metric: The metric; None: the leaderboard's.

        Raises:
            UserError: There is no such dataset or metric.
        """
        boards = [board for board in self["boards"] if board["rows"] and dataset in (None, board["dataset"])]
        if not boards:
            names = ", ".join(dict.fromkeys(board["dataset"] for board in self["boards"]))
            raise UserError(f"the leaderboard has no results on {dataset or 'any dataset'}: it is of {names}")
        board, chosen = boards[0], metric or metric_key(self)
        if any(chosen not in row["mean"] for row in board["rows"]):
            raise UserError(f"no metric {chosen!r} of all models: there are {', '.join(board['rows'][0]['mean'])}")
        return Picture(plot_metric(board, chosen))

    def _repr_markdown_(self) -> str:
        """Return the page in Markdown for a notebook."""
        return board_markdown(self)

    def _repr_html_(self) -> str:
        """Return a table for each dataset, and what the comparisons say, for a notebook."""
        return render("notebook.html", parts=[self._part(board) for board in self["boards"]])

    def _part(self, board: dict[str, Any]) -> Part:
        """Return what is shown of one dataset."""
        title, said = board_title(board, self["seeds"]), [*sentences(board), *failures(board), *board["notes"]]
        if not board["rows"]:
            return Part(title, ["No job has finished", *said])
        key = metric_key(self)
        columns = columns_of(board, key)
        rows = [
            [
                line.row["model"],
                *("-" if cell.value is None else f"{cell.value:.4f}" for cell in line.cells),
                gain_text(line),
                f"{line.seconds:.0f}",
            ]
            for line in lines_of(board, key, columns)
        ]
        heads = ["model", *map(metric_name, columns), f"over {board['baseline']}", "seconds"]
        return Part(title, said, [text_table(title, heads, rows)])


def read_leaderboard(path: str | Path) -> Leaderboard:
    """Read a leaderboard.

    Args:
        path: The JSON file that it has left.

    Returns:
        The leaderboard.

    Raises:
        UserError: The file is missing, damaged, or of another version.
    """
    return Leaderboard(read_board(path))
