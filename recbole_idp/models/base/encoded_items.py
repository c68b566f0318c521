"""Models whose item vectors are computed instead of looked up."""

import contextlib

import torch

from recbole_idp.models.base.sequence_model import SequenceModel


class EncodedItemsModel(SequenceModel):
    """A next-item model whose item vectors are made by :meth:`encode_items`.

    A training step encodes the items once, for input and candidates alike. In evaluation they are encoded when a weight
    has changed, not for each chunk of users.
    """

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self._step_vectors, self._cached_vectors, self._cached_versions = None, None, None

    def encode_items(self):
        """Make the vector of every item, which a subclass does; shape [N, D]."""
        raise NotImplementedError

    def item_vectors(self):
        """Return the vector of every item, as input and as candidate; shape [N, D]."""
        if self._step_vectors is not None:
            return self._step_vectors
        if self.training or torch.is_grad_enabled():
            return self.encode_items()
        # The cache is dropped by train() and eval(): fused optimizers change weights without a new version.
        versions = [tensor._version for tensor in (*self.parameters(), *self.buffers())]
        if versions != self._cached_versions:
            self._cached_vectors, self._cached_versions = self.encode_items(), versions
        return self._cached_vectors

    def train(self, mode=True):
        """Switch between training and evaluation, as PyTorch does; cached vectors are dropped."""
        self._cached_vectors, self._cached_versions = None, None
        return super().train(mode)

    @contextlib.contextmanager
    def items_encoded_once(self, vectors=None):
        """Let all of a block see the same item vectors, with the same draws of dropout; or given ones."""
        self._step_vectors = self.item_vectors() if vectors is None else vectors
        try:
            yield
        finally:
            self._step_vectors = None
