"""The result of a run as an object that a notebook shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from recbole_idp.report.displayed.picture import Picture

# What draws results knows this class: modules that it needs are imported where they are needed.


class Result(dict[str, Any]):
    """The result of a run: the dictionary that is saved as JSON, with tables and plots of it.

    A notebook shows it as its table of variants.
    """

    def frame(self) -> pd.DataFrame:
        """Return the test metrics of each variant, means over its seeds.

        Returns:
            Named by variant. The columns are the metrics, ``seconds``, ``train_users`` and ``train_users_share``.
        """
        import pandas as pd

        from recbole_idp.report.result import with_baselines

        rows = {name: _row(row) for name, row in with_baselines(self).items()}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("variant")

    def trials(self) -> pd.DataFrame:
        """Return the test metrics of each training.

        Returns:
            Named by variant, seed and share of the training users. The columns are the metrics and ``seconds``.
        """
        import pandas as pd

        keys = ["variant", "seed", "train_users_share"]
        rows = [
            {"variant": name, "seed": run["seed"], "train_users_share": run["train_users_share"]}
            | run["test"]
            | {"seconds": run["seconds"]}
            for name, variant in self["variants"].items()
            for run in variant["runs"]
        ]
        return pd.DataFrame(rows).set_index(keys)

    def compared(self) -> pd.DataFrame:
        """Return the paired comparisons over the test users, a row each; see the page on evaluation."""
        import pandas as pd

        from recbole_idp.report.result import COMPARISON

        return pd.DataFrame(self["comparisons"], columns=[*COMPARISON, "train_users_share"])

    def plot(self, metric: str | None = None) -> Picture:
        """Draw a bar for each variant, with its deviation over the seeds; of a few-shot study a curve.

        Args:
            metric: A key of the test metrics; None: the one that early stopping watches.

        Raises:
            UserError: There is no such metric.
        """
        from recbole_idp.evaluation.metrics import metric_name
        from recbole_idp.report.displayed.picture import Picture
        from recbole_idp.report.few_shot import draw_shares, study
        from recbole_idp.report.plot import svg
        from recbole_idp.report.text import study_metrics

        chosen = study_metrics(self)[0] if metric is None else metric
        _check_metric(chosen, [name for row in self["variants"].values() for name in row["test"]])
        label = f"{metric_name(chosen)} on {self['dataset']}"

        def draw_study(axes: Axes) -> None:
            draw_shares(axes, {name: _curve(shares, chosen) for name, shares in study(self).items()})
            axes.set_ylabel(metric_name(chosen))
            axes.legend()

        def draw_bars(axes: Axes) -> None:
            rows = [(name, row) for name, row in self["variants"].items() if chosen in row["test"]][::-1]
            spreads = [row.get("test_deviation", {}).get(chosen, 0) for _, row in rows]
            axes.barh([name for name, _ in rows], [row["test"][chosen] for _, row in rows], 0.62, xerr=spreads)
            axes.set_xlabel(metric_name(chosen))

        if self["few_shot"]:
            return Picture(svg(draw_study, label, (6, 4)))
        return Picture(svg(draw_bars, label, (5, 0.7 + 0.33 * max(3, len(self["variants"])))))

    def _repr_markdown_(self) -> str:
        """Return the table of variants for a notebook."""
        from recbole_idp.report.result import markdown_table
        from recbole_idp.report.text import study_of, title

        return f"{title(self)}\n\n{study_of(self) or markdown_table(self)}\n"

    def _repr_html_(self) -> str:
        """Return the table of variants, and what the comparisons say, for a notebook."""
        from recbole_idp.report.comparison import comparison_lines
        from recbole_idp.report.page import Part, render, text_table
        from recbole_idp.report.result import cell, shown_of, with_baselines
        from recbole_idp.report.text import title

        columns = shown_of(self)
        rows = [
            [name, *(cell(row, column, float("nan")) for column in columns), f"{row['seconds']:.0f}"]
            for name, row in with_baselines(self).items()
        ]
        table = text_table("variants", ["variant", *columns, "seconds"], rows)
        return render("notebook.html", parts=[Part(title(self), comparison_lines(self), [table])])


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of a variant."""
    return {**row["test"], **{key: row[key] for key in ("seconds", "train_users", "train_users_share")}}


def _curve(shares: dict[float, dict[str, Any]], metric: str) -> dict[float, tuple[float, float]]:
    """Return mean and deviation of a metric by share of the training users."""
    rows = sorted(shares.items())
    return {share: (row["test"][metric], row.get("test_deviation", {}).get(metric, 0)) for share, row in rows}


def _check_metric(metric: str, known: list[str]) -> None:
    """Raise UserError where a metric was not measured."""
    if metric not in known:
        close = nearest(metric, known)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(dict.fromkeys(known))}"
        raise UserError(f"no metric {metric!r} was measured: {hint}")
