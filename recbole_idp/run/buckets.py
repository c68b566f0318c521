"""Metrics of parts of the test targets of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.evaluation.buckets import METRICS, bucket_metrics, joined_metrics, novelty_metrics, with_watched

if TYPE_CHECKING:
    import numpy as np
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset


def joined_targets(test: SequenceDataset) -> np.ndarray | None:
    """Return whether the user of each test target is joined with another domain; bool, shape [R].

    Args:
        test: The test part of the target.

    Returns:
        None where no domain is joined with the target.
    """
    if test.joined is None:
        return None
    return test.joined.joined[test.inter_feat[test.uid_field].numpy()]


def test_buckets(
    config: Config, ranks: np.ndarray, train: SequenceDataset, test: SequenceDataset, joined: np.ndarray | None
) -> dict[str, list[dict[str, Any]]]:
    """Compute the metrics of all kinds of buckets.

    Args:
        config: Says where buckets begin, and what is predicted.
        ranks: Rank of each test target; shape [R].
        train: The training part of the target.
        test: The test part.
        joined: What :func:`joined_targets` returns.

    Returns:
        The buckets by kind. Classes have no popularity, and have only those of joined users.
    """
    lengths, of_classes = test.history_lengths(), config["predicts"] == "profile"
    found: dict[str, list[dict[str, Any]]] = {}
    if not of_classes:
        items = test.inter_feat[config["ITEM_ID_FIELD"]].numpy()
        begins = {"popularity": config["popularity_buckets"], "history": config["history_buckets"]}
        found |= bucket_metrics(ranks, train.item_counts()[items], lengths, begins, config["valid_metric"])
        if test.split_by_events():
            seen, users = test.seen, test.inter_feat[config["USER_ID_FIELD"]].numpy()
            found |= novelty_metrics(ranks, seen.users[users], seen.items[items])
    if joined is not None:
        names = with_watched(["Accuracy"] if of_classes else METRICS, config["valid_metric"])
        found |= joined_metrics(ranks, joined, lengths, config["joined_history_buckets"], names)
    return found
