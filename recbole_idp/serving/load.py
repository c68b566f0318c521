"""Open a trained folder as a recommender."""

from pathlib import Path

from recbole_idp.serving.recommender import Recommender
from recbole_idp.serving.trained_model import TrainedModel


def load(folder: str | Path, **index: str) -> Recommender:
    """Open the folder of a trained model, which a run leaves; RecBole and the data are not needed.

    Args:
        folder: The folder.
        **index: ``route``, ``triggers`` and ``search`` of
            :class:`~recbole_idp.serving.indexed.IndexedRecommender`, which searches a faiss index; none: all items
            are scored.

    Returns:
        The recommender, with ``recommend(histories, k=10, exclude_seen=True)`` and, where it has an index,
        ``recommend_users(ids, k=10, exclude_seen=True)``.

    Raises:
        UserError: The folder cannot be used.
    """
    if index:
        from recbole_idp.serving.indexed import IndexedRecommender

        return IndexedRecommender(TrainedModel.open(folder), **index)
    return Recommender.open(folder)
