"""Metrics of parts of the test: by how often the target item was seen in training, and by how long the history is."""

import numpy as np

from recbole_idp.evaluation.significance import gains

METRICS = ("Hit@10", "NDCG@10", "Hit@20", "NDCG@20", "MRR")


def bucket_metrics(ranks, popularity, history, config):
    """Computes metrics for each bucket; targets before the first one are in none.

    Args:
        ranks (np.ndarray): Rank of each test target, from 1; shape [R].
        popularity (np.ndarray): Training interactions of the target item; shape [R].
        history (np.ndarray): Events before the target; shape [R].
        config (Config): With ``popularity_buckets`` and ``history_buckets``, where buckets begin.

    Returns:
        dict[str, list[dict]]: Under ``popularity`` and ``history`` the buckets that have targets, in order: ``label``
        (``1 to 4``, ``20 and more``), ``users`` (targets in it) and ``metrics``.
    """
    sizes = {"popularity": popularity, "history": history}
    return {
        name: _buckets(np.asarray(ranks), np.asarray(values), config[f"{name}_buckets"])
        for name, values in sizes.items()
    }


def _buckets(ranks, values, begins):
    number = np.searchsorted(begins, values, side="right") - 1
    found = []
    for bucket in range(len(begins)):
        inside = ranks[number == bucket]
        if len(inside):
            metrics = {metric.lower(): round(float(gains(inside, metric).mean()), 6) for metric in METRICS}
            found.append({"label": _label(begins, bucket), "users": len(inside), "metrics": metrics})
    return found


def _label(begins, bucket):
    if bucket == len(begins) - 1:
        return f"{begins[bucket]} and more"
    last = begins[bucket + 1] - 1
    return str(last) if last == begins[bucket] else f"{begins[bucket]} to {last}"
