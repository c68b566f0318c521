"""What makes the vector of an item from its picture without a mean: by one dense layer, or by its patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional

from recbole_idp.content.image.encoder import ImageEncoder
from recbole_idp.serving.content_items import ENCODER, WEIGHTS, check_chain, dense_weights, run_dense
from recbole_idp.serving.picture_items import PictureItems, about_images
from recbole_idp.storage.tensors import read_tensors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from recbole_idp.models.base.serving import LinearPictureParts, PatchParts


class LinearPictureItems(PictureItems):
    """Image encoder and one dense layer (TransRec)."""

    @classmethod
    def of(cls, parts: LinearPictureParts) -> LinearPictureItems:  # type: ignore[override]  # of another form
        """Make it of what a model returns."""
        return cls(dense_weights([parts.layer]), about_images(parts), cast("Any", parts.encoder))

    @classmethod
    def read(cls, folder: Path, about: dict[str, Any]) -> LinearPictureItems:
        """Read the weights of a trained model's folder; see :class:`ContentItems`."""
        weights = read_tensors(folder / WEIGHTS)
        check_chain(weights, weights["0.weight"].shape[1])
        return cls(weights, about, folder=folder / ENCODER)

    def item_vectors(self, vectors: np.ndarray) -> torch.Tensor:
        """Return the item vectors of T vectors of pictures; [T, W] -> [T, D]."""
        return run_dense(self.weights, torch.from_numpy(vectors), torch.nn.Identity())


class PatchItems(LinearPictureItems):
    """Image encoder, dense layers with ReLU over its states, and the mean of these or the first (PixelNet)."""

    @classmethod
    def of(cls, parts: PatchParts) -> PatchItems:  # type: ignore[override]  # of another form
        """Make it of what a model returns."""
        about = {**about_images(parts), "is_mean": parts.is_mean}
        return cls(dense_weights(parts.layers), about, cast("Any", parts.encoder))

    def reader(self) -> ImageEncoder:
        """Return an encoder whose vectors are those of items."""
        return _Projected(self.load(), self._projected)

    def item_vectors(self, vectors: np.ndarray) -> torch.Tensor:
        """Return what :meth:`reader` made of T pictures as it is; shape [T, D]."""
        return torch.from_numpy(vectors)

    def _projected(self, states: torch.Tensor) -> torch.Tensor:
        """Return the vectors of items by the states of their pictures; [B, T, H] -> [B, D]."""
        return run_dense(self.weights, states if self.about["is_mean"] else states[:, :1], functional.relu).mean(1)


class _Projected(ImageEncoder):
    """An encoder with another way from states to a vector."""

    def __init__(self, encoder: ImageEncoder, projected: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._projected = projected
        super().__init__(encoder.network, encoder.preprocessing, encoder.pooling, encoder.name)

    def pooled(self, states: torch.Tensor) -> torch.Tensor:
        """Return the vectors of pictures by their states; [B, T, H] -> [B, D]."""
        return self._projected(states.float().cpu())
