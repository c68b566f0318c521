"""Settings of evaluation."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from recbole_idp.config.forms import check_eval_args
from recbole_idp.config.setting import Affects, Count, Distinct, Natural, Settings, setting
from recbole_idp.errors import UserError
from recbole_idp.evaluation.metrics import METRICS, Basis, Key, compares_labels, needs_classes, parse

Metric = Literal[
    "Hit",
    "MRR",
    "MAP",
    "Recall",
    "NDCG",
    "Precision",
    "GAUC",
    "ItemCoverage",
    "AveragePopularity",
    "ShannonEntropy",
    "GiniIndex",
    "TailPercentage",
    "AUC",
    "MAE",
    "RMSE",
    "LogLoss",
    "Accuracy",
    "MacroF1",
    "BinaryAUC",
]
"""The metrics of :mod:`recbole_idp.evaluation.metrics`."""


class BucketSettings(Settings):
    """Parts of the test targets that are measured by themselves."""

    popularity_buckets: Distinct[Natural] = setting(
        [0, 1, 5, 20],
        "Where buckets of test targets begin, by the item's training interactions.",
        Affects.EVALUATION,
    )
    history_buckets: Distinct[Natural] = setting(
        [1, 3, 6, 11, 21], "The same by the events of the history.", Affects.EVALUATION
    )
    joined_history_buckets: Distinct[Natural] = setting(
        [1, 4, 9],
        "The same by the target's own events, for users that shared_users joins with other domains.",
        Affects.EVALUATION,
    )


class EvaluationSettings(BucketSettings):
    """What is measured, on which events."""

    protocol: str | None = setting(
        None,
        "Protocol of a paper, a file of properties/protocol/, such as morec; keys that you give lie over it.",
        Affects.NOTHING,
    )
    eval_args: Annotated[dict, AfterValidator(check_eval_args)] = setting(
        {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "split, group_by, order and mode; keys left out keep these values.",
        Affects.TRAINING | Affects.EVALUATION,
    )
    metrics: Distinct[Metric] = setting(["Hit", "NDCG", "MRR"], "Metrics of RecBole's evaluator.", Affects.EVALUATION)
    topk: Distinct[Count] = setting([1, 5, 10, 20, 50], "Cut-offs of the metrics.", Affects.EVALUATION)
    valid_metric: str = setting(
        "NDCG@10", "The metric that early stopping watches, measured even if metrics or topk do not name it."
    )
    exclude_history: bool = setting(
        False, "Whether items of the history get the lowest score; RecBole ranks them like others."
    )

    @classmethod
    def check_together(cls, values: dict[str, Any]) -> None:
        """Check that the metrics exist in the mode of ``eval_args``, and that buckets rise."""
        _check_metrics(values["metrics"], values["valid_metric"], values["eval_args"]["mode"])
        if (of_classes := needs_classes([*values["metrics"], parse(values["valid_metric"]).metric.name])) and (
            values["predicts"] != "profile"
        ):
            raise UserError(f"{of_classes[0]} is a metric of classes: give --predicts=profile, or name another metric")
        if values["exclude_history"] and compares_labels(values["metrics"]):
            raise UserError(
                f"{values['metrics'][0]} compares scores with labels, and exclude_history makes scores infinite: give "
                "--exclude_history=false"
            )
        for key in ("popularity_buckets", "history_buckets", "joined_history_buckets"):
            if values[key] != sorted(values[key]):
                raise UserError(f"{key} {values[key]} does not rise: write where buckets begin, the lowest first")


def _check_metrics(metrics: list[str], valid_metric: str, mode: str | dict[str, str]) -> None:
    """Check that all metrics compare scores with labels, or none does, and that the candidates fit."""
    try:
        watched = parse(valid_metric).metric
    except UserError as error:
        raise UserError(f"valid_metric {error}") from None
    comparing = [name for name in metrics if METRICS[name.lower()].basis is Basis.LABELS]
    ranking = [name for name in metrics if name not in comparing]
    modes = set(mode.values()) if isinstance(mode, dict) else {mode}
    if comparing and ranking:
        raise UserError(
            f"metrics has {comparing[0]}, which compares scores with labels, and {ranking[0]}, which ranks: RecBole "
            "measures one of the two kinds at a time, so name one kind"
        )
    if (watched.basis is Basis.LABELS) != bool(comparing):
        kind = "compare scores with labels" if comparing else "rank"
        raise UserError(
            f"valid_metric {valid_metric} is of another kind than metrics, which {kind}: name one of these, such as "
            f"--valid_metric={Key(METRICS[metrics[0].lower()], 10).title if ranking else metrics[0]}"
        )
    if comparing and "full" in modes:
        raise UserError(
            f"{comparing[0]} compares scores with labels, and full ranking has none: give "
            '--eval_args="{mode: uni100}", or mode labeled for data with LABEL_FIELD'
        )
    if ranking and "labeled" in modes:
        raise UserError(
            f"mode labeled of eval_args has no lists to rank, which {ranking[0]} needs: choose full or uni100, or "
            "metrics that compare scores with labels (AUC, MAE, RMSE, LogLoss)"
        )
