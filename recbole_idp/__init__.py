"""recbole_idp: ID-centric cross-domain transfer for RecBole.

``import recbole_idp`` is enough for RecBole's own functions to find the plugin's models.
"""

from recbole_idp.errors import UserError
from recbole_idp.hooks import register
from recbole_idp.registry import add_model

__all__ = ["UserError", "__version__", "add_model", "load", "register"]

__version__ = "0.1.0"

register()


def load(folder, **index):
    """Opens the folder of a trained model, which a run leaves; RecBole and the data are not needed.

    Args:
        folder (str | Path): The folder.
        **index (str): ``route``, ``triggers`` and ``search`` of
            :class:`~recbole_idp.serving.indexed.IndexedRecommender`, which answers by a faiss index; none: every item
            is looked at.

    Returns:
        Recommender: With ``recommend(histories, k=10, exclude_seen=True)``, and where it has an index with
        ``recommend_users(ids, k=10, exclude_seen=True)``.

    Raises:
        UserError: The folder cannot be used.
    """
    if index:
        from recbole_idp.serving.indexed import IndexedRecommender
        from recbole_idp.serving.trained_model import TrainedModel

        return IndexedRecommender(TrainedModel.open(folder), **index)
    from recbole_idp.serving.recommender import Recommender

    return Recommender.open(folder)
