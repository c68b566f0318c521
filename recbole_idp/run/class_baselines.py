"""The baselines of a predicted profile, on the same users as the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_idp.data.few_shot import few_shot
from recbole_idp.evaluation.class_baselines import ClassData, logistic_regression, majority_class
from recbole_idp.evaluation.metrics import compares_labels
from recbole_idp.run.trials import row_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from recbole_idp.data.keys import EventSettings
    from recbole_idp.evaluation.evaluator import RankEvaluator
    from recbole_idp.train.clock import StageClock

MAJORITY, LOGISTIC = "majority class", "logistic regression"


class Baselines(NamedTuple):
    """Baselines of a profile.

    Attributes:
        rows: Facts of each, by the name of its row.
        ranks: Rank of each test user's class, by the same name; shape [R].
    """

    rows: dict[str, dict[str, Any]]
    ranks: dict[str, np.ndarray]


def has_baselines(task: str | None, protocol: str, metrics: Sequence[str]) -> bool:
    """Return whether a task has baselines: a profile that is ranked in full.

    Args:
        task: What is predicted.
        protocol: How targets are tested: the mode of ``eval_args``.
        metrics: The metrics.
    """
    return task == "profile" and protocol == "full" and not compares_labels(metrics)


def class_baselines(
    evaluator: RankEvaluator,
    watched: str,
    loaders: tuple[Any, Any, Any],
    users: EventSettings,
    shares: Sequence[float] | None,
    clock: StageClock,
) -> Baselines:
    """Measure the baselines of a profile, for each share of the training users.

    Args:
        evaluator: Computes the metrics.
        watched: The metric that chooses the strength of logistic regression.
        loaders: RecBole's loaders for training, validation and test.
        users: Which share of the users is trained on, and which users these are.
        shares: The shares of a few-shot study; None: no study.
        clock: Where the stage is timed.

    Returns:
        A row for each baseline and share.
    """
    rows: dict[str, dict[str, Any]] = {}
    ranks: dict[str, np.ndarray] = {}
    train, valid, test = (loader.dataset for loader in loaders)
    with clock.stage("baselines", f"{MAJORITY}, and {LOGISTIC} on bags of items"):
        for share in shares or (None,):
            known = train if share is None else few_shot(train, share, users.train_users_seed)
            parts = known.targets(), valid.targets(), test.targets()
            data = ClassData(*parts, train.item_num - 1, train.n_inputs)
            measured = {MAJORITY: majority_class(data, evaluator)}
            measured[LOGISTIC] = logistic_regression(data, evaluator, watched)
            for name, one in measured.items():
                row = row_name(name, share)
                ranks[row] = one.ranks
                rows[row] = {
                    "variant": name,
                    "train_users_share": share or users.train_users_share,
                    "train_users": len(known.targets()),
                    "test": one.test,
                    "valid": one.valid,
                    "seconds": round(one.seconds, 2),
                    "strength": one.strength,
                    "converged": one.converged,
                }
    return Baselines(rows, ranks)
