"""The forms in which trained folders keep what makes items of their contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.serving.adapted_items import AdaptedItems
from recbole_idp.serving.content_items import ContentItems
from recbole_idp.serving.patch_items import LinearPictureItems, PatchItems
from recbole_idp.serving.picture_items import PictureItems
from recbole_idp.serving.pooled_items import PooledItems

if TYPE_CHECKING:
    from pathlib import Path

FORMS: dict[str, type[ContentItems]] = {
    "dense": ContentItems,
    "adapted": AdaptedItems,
    "picture": PictureItems,
    "linear_picture": LinearPictureItems,
    "patches": PatchItems,
    "pooled": PooledItems,
}
"""How an item's vector comes from its content, by the name of the form."""


def read_content(folder: Path, about: dict[str, Any]) -> ContentItems:
    """Read what makes items from contents in a trained model's folder; arguments and errors as of ``read``."""
    return FORMS[about.get("form", "dense")].read(folder, about)
