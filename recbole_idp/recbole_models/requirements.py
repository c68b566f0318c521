"""What single models of RecBole need of a dataset, checked before they are trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole.data.dataset import Dataset


def check_dataset(dataset: Dataset) -> None:
    """Check that one of RecBole's models can be trained on a dataset.

    Args:
        dataset: The dataset, not split yet.

    Raises:
        UserError: It cannot.
    """
    if (check := _CHECKS.get(dataset.config["model"])) is not None:
        check(dataset)


def _check_reranked(dataset: Dataset) -> None:
    """Check that no more items are ranked again than there are."""
    config = dataset.config
    key, items = "reranker_CAN_NUM", dataset.item_num - 1
    try:
        numbers = [int(number) for number in str(config[key]).split(",")]
    except ValueError:
        raise UserError(f"{key} is {config[key]}: write whole numbers such as 100 or 500,100") from None
    if max(numbers) > items:
        raise UserError(f"{key} is {config[key]}, but {config['dataset']} has {items} items: give no more than that")


def _check_unseen(dataset: Dataset) -> None:
    """Check that no history has all items: RecBole, which draws negatives for them, would never end.

    Its own loop, and its loader of drawn candidates, draw for the histories of the evaluation as well.
    """
    config = dataset.config
    is_drawn = any(mode != "full" for mode in config["eval_args"]["mode"].values())
    held_out = 1 if config["exact_recbole"] or is_drawn else 2
    events = pd.DataFrame(
        {name: np.asarray(dataset.inter_feat[name]) for name in (dataset.uid_field, dataset.iid_field)}
    )
    users = events.groupby(dataset.uid_field)
    history = events[users.cumcount(ascending=False) >= held_out]
    most = history.groupby(dataset.uid_field)[dataset.iid_field].nunique().max()
    if most >= dataset.item_num - 1:
        raise UserError(
            f"a history of {config['dataset']} has all its {dataset.item_num - 1} items, so that {config['model']} "
            "finds no negative: take another model"
        )


_CHECKS: dict[str, Callable[[Dataset], None]] = {
    "BERT4Rec": _check_unseen,
    "GRU4RecCPR": _check_reranked,
    "SASRecCPR": _check_reranked,
}
