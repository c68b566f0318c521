"""The baselines of a predicted profile, on the same users as the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_idp.data.few_shot import few_shot
from recbole_idp.evaluation.class_baselines import ClassData, logistic_regression, majority_class
from recbole_idp.evaluation.evaluator import RankEvaluator
from recbole_idp.evaluation.metrics import compares_labels
from recbole_idp.run.trials import Trial

if TYPE_CHECKING:
    import numpy as np
    from recbole.config import Config

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


def class_baselines(config: Config, loaders: tuple[Any, Any, Any], clock: StageClock) -> Baselines:
    """Measure the baselines of a profile, for each share of the training users.

    Args:
        config: The configuration.
        loaders: RecBole's loaders for training, validation and test.
        clock: Where the stage is timed.

    Returns:
        Those of full ranking; none where no profile is predicted, or scores are compared with labels.
    """
    rows: dict[str, dict[str, Any]] = {}
    ranks: dict[str, np.ndarray] = {}
    ranked = config["eval_args"]["mode"]["test"] == "full" and not compares_labels(config["metrics"])
    if config["predicts"] != "profile" or not ranked:
        return Baselines(rows, ranks)
    train, valid, test = (loader.dataset for loader in loaders)
    evaluator, watched = RankEvaluator(config), config["valid_metric"]
    with clock.stage("baselines", f"{MAJORITY}, and {LOGISTIC} on bags of items"):
        for share in config["few_shot"] or [None]:
            known = train if share is None else few_shot(train, share, config["train_users_seed"])
            parts = known.targets(), valid.targets(), test.targets()
            data = ClassData(*parts, train.item_num - 1, train.n_inputs)
            measured = {MAJORITY: majority_class(data, evaluator)}
            measured[LOGISTIC] = logistic_regression(data, evaluator, watched)
            for name, one in measured.items():
                row = Trial(name, config["seed"], share).row
                ranks[row] = one.ranks
                rows[row] = {
                    "variant": name,
                    "train_users_share": share or config["train_users_share"],
                    "train_users": len(known.targets()),
                    "test": one.test,
                    "valid": one.valid,
                    "seconds": round(one.seconds, 2),
                    "strength": one.strength,
                    "converged": one.converged,
                }
    return Baselines(rows, ranks)
