"""What makes the vector of an item from its content alone, for items that join a trained model later."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch.nn import functional

from recbole_idp.errors import UserError
from recbole_idp.search.vectors import centred
from recbole_idp.storage.schema import Nullable, ObjectOf, OptionalKey
from recbole_idp.storage.sealed import write_weights
from recbole_idp.storage.tensors import read_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from torch import nn

    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.models.base.serving import ContentParts, PooledParts
    from recbole_idp.serving.new_items import NewItems
    from recbole_idp.serving.trained_model import TrainedModel

WEIGHTS, ENCODER = "content.safetensors", "content_encoder"
SCHEMA: dict[str, Any] = {
    "name": str,
    "tokens": int,
    "kept": bool,
    "fingerprint": str,
    "form": OptionalKey({"pooled", "picture", "linear_picture", "patches", "adapted"}),
    "heads": OptionalKey(int),
    "is_mean": OptionalKey(bool),
    "adapters": OptionalKey(ObjectOf()),
    "field": OptionalKey(Nullable(str)),
}
"""What a description says of the content encoder."""
_MEAN = "mean"


@dataclass(frozen=True)
class ContentItems:
    """Text encoder, mean and dense layers. W width of a text's vector, D width of an item's.

    An encoder that was trained, or fitted, is kept in the folder of the trained model; one that is loaded by its name
    is loaded again, and has to be the same.

    Attributes:
        weights: ``mean`` [W], and weight and bias of each dense layer, as ``0.weight``, ``0.bias``, ...
        about: Name of the encoder, tokens of a text, whether it is kept, and its fingerprint.
        encoder: The encoder; None: not loaded yet.
        folder: The folder that holds it, if it is kept.
        reads: What the encoder reads, for messages.
    """

    reads: ClassVar[str] = "text"
    weights: dict[str, torch.Tensor]
    about: dict[str, Any]
    encoder: TextEncoder | None = None
    folder: Path | None = None

    @classmethod
    def of(cls, parts: ContentParts) -> ContentItems:
        """Make it of what a model returns."""
        return cls(mean_and_dense(parts.mean, parts.layers), about_encoder(parts), parts.encoder)

    @classmethod
    def read(cls, folder: Path, about: dict[str, Any]) -> ContentItems:
        """Read the weights of a trained model's folder.

        Args:
            folder: The folder, whose files were checked.
            about: What its description says of the encoder.

        Returns:
            The encoder is loaded when it is needed.

        Raises:
            ValueError: The weights are no chain of dense layers.
        """
        weights = read_tensors(folder / WEIGHTS)
        check_chain(weights, weights[_MEAN].shape[0])
        return cls(weights, about, folder=folder / ENCODER)

    def write(self, folder: Path) -> None:
        """Write weights, and the encoder where it is kept, into the folder of a trained model."""
        write_weights(folder / WEIGHTS, self.weights)
        if self.about["kept"]:
            self.load().save(folder / ENCODER)

    def load(self, device: str = "cpu") -> Any:
        """Return the encoder.

        Raises:
            UserError: It cannot be loaded, or is another one than in training.
        """
        if self.encoder is not None:
            return self.encoder
        if self.about["kept"]:
            assert self.folder is not None  # as of an opened model
            return self.open_kept(self.folder, device)
        found = self.load_by_name(device)
        if found.fingerprint != self.about["fingerprint"]:
            name = f"{self.reads} encoder {self.about['name']}"
            raise UserError(f"{name} is another one here than in training: no items can be added by it")
        return found

    def open_kept(self, folder: Path, device: str) -> Any:
        """Open the encoder that a folder keeps."""
        # Recommending needs no text encoder.
        from recbole_idp.content.text.encoder import open_text_encoder

        return open_text_encoder(folder, device=device)

    def load_by_name(self, device: str) -> Any:
        """Load the encoder by its name."""
        from recbole_idp.content.text.encoder import load_text_encoder

        return load_text_encoder(self.about["name"], max_tokens=self.about["tokens"], device=device)

    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the item vector of each of T texts; shape [T, D]."""
        return self.item_vectors(self.load().encode(texts))

    def item_vectors(self, vectors: np.ndarray) -> torch.Tensor:
        """Return the item vectors of T vectors of contents; [T, W] -> [T, D]."""
        found, _ = centred(vectors, self.weights[_MEAN].numpy())
        return run_dense(self.weights, found[1:], functional.gelu)

    def read_new(self, trained: TrainedModel, path: Path, vectors: str | Path | None) -> tuple[NewItems, torch.Tensor]:
        """Read the items of a file that a model does not have yet, and make their vectors.

        Args:
            trained: The model.
            path: An ``.item`` file.
            vectors: A file of vectors of the user's own; None: the items are known by their contents.

        Returns:
            The new items that have a content, and their vectors, of shape [T, D].

        Raises:
            UserError: The file cannot be read, or has no new item with a content, or the encoder cannot be loaded.
        """
        from recbole_idp.serving.new_items import check_brings, encoder_for, read_new_items

        check_brings(self.about["name"], vectors, trained.folder)
        new = read_new_items(trained, path, vectors)
        found = dataclasses.replace(self, encoder=encoder_for(new, self.load(), trained.folder))
        return new, found.vectors(list(new.texts.values()))


def mean_and_dense(mean: torch.Tensor, layers: Sequence[nn.Linear]) -> dict[str, torch.Tensor]:
    """Return mean and dense layers by the names that :class:`ContentItems` keeps them under."""
    return {_MEAN: mean.detach().cpu(), **dense_weights(layers)}


def dense_weights(layers: Sequence[nn.Linear]) -> dict[str, torch.Tensor]:
    """Return weights and biases of dense layers as ``0.weight``, ``0.bias``, ..."""
    return {
        f"{number}.{name}": value.detach().cpu()
        for number, layer in enumerate(layers)
        for name, value in (("weight", layer.weight), ("bias", layer.bias))
    }


def run_dense(
    weights: Mapping[str, torch.Tensor], states: torch.Tensor, activation: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Run dense layers, with an activation behind each; [..., W] -> [..., D]."""
    for number in range(_n_dense(weights)):
        states = activation(functional.linear(states, weights[f"{number}.weight"], weights[f"{number}.bias"]))
    return states


def check_chain(weights: Mapping[str, torch.Tensor], width: int) -> None:
    """Check that the dense layers of a folder fit each other.

    Args:
        weights: Those of the folder.
        width: Width of what the first layer reads.

    Raises:
        ValueError: They do not fit each other, or there are none.
    """
    n_layers = _n_dense(weights)
    for number in range(n_layers):
        shape = weights[f"{number}.weight"].shape
        if len(shape) != 2 or shape[1] != width or weights[f"{number}.bias"].shape != shape[:1]:
            raise ValueError(f"the dense layers of {WEIGHTS} do not fit each other")
        width = shape[0]
    if n_layers < 1:
        raise ValueError(f"{WEIGHTS} has no dense layer")


def _n_dense(weights: Mapping[str, torch.Tensor]) -> int:
    """Return the number of dense layers."""
    return sum(name.endswith(".weight") and name.partition(".")[0].isdigit() for name in weights)


def about_encoder(parts: ContentParts | PooledParts) -> dict[str, Any]:
    """Return what a description says of a text encoder."""
    return {
        "name": parts.encoder.name,
        "tokens": parts.max_tokens,
        "kept": parts.kept,
        "fingerprint": parts.encoder.fingerprint,
    }
