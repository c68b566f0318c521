"""Open a trained folder as a recommender."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recbole_idp.errors import UserError
from recbole_idp.hub.download import local_folder
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.serving.whole_folder import GENERATIVE

if TYPE_CHECKING:
    from recbole_idp.serving.answering import ItemRecommender
    from recbole_idp.serving.generative_model import GenerativeModel


def open_trained(folder: str | Path) -> TrainedModel | GenerativeModel:
    """Open the folder of a trained model of either kind.

    Args:
        folder: The folder, or its address on the hub, ``hf://user/name``.

    Returns:
        The model, which scores vectors or writes items.

    Raises:
        UserError: The folder cannot be used.
    """
    folder = local_folder(folder)
    return _open_generative(folder) if _is_generative(folder) else TrainedModel.open(folder)


def open_with_vectors(folder: str | Path, purpose: str) -> TrainedModel:
    """Open the folder of a trained model that has item vectors.

    Args:
        folder: The folder, or its address on the hub.
        purpose: What they are needed for.

    Raises:
        UserError: The folder cannot be used, or the model writes items instead.
    """
    folder = local_folder(folder)
    if _is_generative(folder):
        name = _open_generative(folder).description["model"]
        raise UserError(f"{name} writes items as answers and has no item vectors, which {purpose} needs: use recommend")
    return TrainedModel.open(folder)


def load(folder: str | Path, **index: str) -> ItemRecommender:
    """Open the folder of a trained model, which a run leaves; RecBole and the data are not needed.

    Args:
        folder: The folder, or its address on the hub, ``hf://user/name``, from which it is fetched and checked.
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

        return IndexedRecommender(open_with_vectors(folder, "an index"), **index)
    return open_trained(folder).recommender()


def _is_generative(folder: str | Path) -> bool:
    """Return whether a folder holds a model that writes items."""
    return (Path(folder) / GENERATIVE).is_file()


def _open_generative(folder: str | Path) -> GenerativeModel:
    """Open the folder of a model that writes items; its libraries are not needed for others."""
    from recbole_idp.serving.generative_model import GenerativeModel

    return GenerativeModel.open(folder)
