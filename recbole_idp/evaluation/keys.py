"""Settings of evaluation."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator

from recbole_idp.config.forms import check_eval_args
from recbole_idp.config.setting import Affects, Count, Distinct, Natural, Settings, setting

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
]
"""RecBole's ranking metrics; a test compares them with RecBole's own table, which is slow to import."""

RANKING_METRICS = get_args(Metric)


class EvaluationSettings(Settings):
    """What is measured, on which events."""

    eval_args: Annotated[dict, AfterValidator(check_eval_args)] = setting(
        {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "split, group_by, order and mode; keys left out keep these values.",
        Affects.TRAINING | Affects.EVALUATION,
    )
    metrics: Distinct[Metric] = setting(["Hit", "NDCG", "MRR"], "Metrics of RecBole's evaluator.", Affects.EVALUATION)
    topk: Distinct[Count] = setting([1, 5, 10, 20, 50], "Cut-offs of the metrics.", Affects.EVALUATION)
    valid_metric: str = setting("NDCG@10", "The metric that early stopping watches.")
    exclude_history: bool = setting(
        False, "Whether items of the history get the lowest score; RecBole ranks them like others."
    )
    popularity_buckets: Distinct[Natural] = setting(
        [0, 1, 5, 20],
        "Where buckets of test targets begin, by the item's training interactions.",
        Affects.EVALUATION,
    )
    history_buckets: Distinct[Natural] = setting(
        [1, 3, 6, 11, 21], "The same by the events of the history.", Affects.EVALUATION
    )
