"""Metrics of parts of the test targets of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.evaluation.buckets import METRICS, bucket_metrics, joined_metrics, novelty_metrics, with_watched

if TYPE_CHECKING:
    import numpy as np

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.evaluation.keys import BucketSettings


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
    settings: BucketSettings,
    watched: str,
    ranks: np.ndarray,
    train: SequenceDataset,
    test: SequenceDataset,
    joined: np.ndarray | None,
) -> dict[str, list[dict[str, Any]]]:
    """Compute the metrics of all kinds of buckets.

    Args:
        settings: Where buckets begin.
        watched: The metric that early stopping watches.
        ranks: Rank of each test target; shape [R].
        train: The training part of the target.
        test: The test part.
        joined: What :func:`joined_targets` returns.

    Returns:
        The buckets by kind. Classes have no popularity, and have only those of joined users.
    """
    lengths, of_classes = test.history_lengths(), test.config["predicts"] == "profile"
    found: dict[str, list[dict[str, Any]]] = {}
    if not of_classes:
        items = test.inter_feat[test.iid_field].numpy()
        begins = {"popularity": settings.popularity_buckets, "history": settings.history_buckets}
        found |= bucket_metrics(ranks, train.item_counts()[items], lengths, begins, watched)
        if test.split_by_events():
            seen, users = test.seen, test.inter_feat[test.uid_field].numpy()
            found |= novelty_metrics(ranks, seen.users[users], seen.items[items])
    if joined is not None:
        names = with_watched(["Accuracy"] if of_classes else METRICS, watched)
        found |= joined_metrics(ranks, joined, lengths, settings.joined_history_buckets, names)
    return found
