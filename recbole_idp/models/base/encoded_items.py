"""Models whose item vectors are computed instead of looked up."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from recbole_idp.models.base.sequence_model import ModelData, SequenceModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recbole.config import Config
    from typing_extensions import Self


class EncodedItemsModel(SequenceModel):
    """A next-item model that computes its item vectors in :meth:`encode_items`.

    A training step encodes the items once, for input and candidates alike. In evaluation they are encoded again only
    after a weight has changed, not for each batch of users.
    """

    _step_vectors: torch.Tensor | None
    _cached_vectors: torch.Tensor | None
    _cached_versions: list[int] | None

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self._step_vectors, self._cached_vectors, self._cached_versions = None, None, None

    def encode_items(self) -> torch.Tensor:
        """Compute the vector of every input; shape [I, D]. Subclasses implement it."""
        raise NotImplementedError

    def item_vectors(self) -> torch.Tensor:
        """Return the vector of every input; the first N are those of the candidates; shape [I, D]."""
        if self._step_vectors is not None:
            return self._step_vectors
        if self.training or torch.is_grad_enabled():
            return self.encode_items()
        # The cache is dropped by train() and eval(): fused optimizers change weights without a new version.
        versions = [tensor._version for tensor in (*self.parameters(), *self.buffers())]
        if versions != self._cached_versions:
            self._cached_vectors, self._cached_versions = self.encode_items(), versions
        return self._cached_vectors  # type: ignore[return-value]  # set together with the versions

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation, as PyTorch does, and drop the cached item vectors."""
        self._cached_vectors, self._cached_versions = None, None
        return super().train(mode)

    @contextlib.contextmanager
    def items_encoded_once(self, vectors: torch.Tensor | None = None) -> Iterator[None]:
        """Use the same item vectors, with the same dropout, throughout a ``with`` block.

        Args:
            vectors: The item vectors to use. None: compute them once.
        """
        self._step_vectors = self.item_vectors() if vectors is None else vectors
        try:
            yield
        finally:
            self._step_vectors = None
