"""What makes the vector of an item from its text by an encoder with adapters, which are kept apart from it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.models.adapter4rec.content_adapters import ContentAdapters
from recbole_idp.models.adapter4rec.item_adapters import adapt_content, load_adapters
from recbole_idp.serving.content_items import ContentItems, about_encoder, mean_and_dense

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole_idp.models.base.serving import AdaptedParts

_PREFIX = "adapters."


class AdaptedItems(ContentItems):
    """Text encoder with adapters, mean and dense layers (Adapter4Rec)."""

    @classmethod
    def of(cls, parts: AdaptedParts) -> AdaptedItems:  # type: ignore[override]  # of another form
        """Make it of what a model returns."""
        weights = mean_and_dense(parts.mean, parts.layers)
        weights |= {f"{_PREFIX}{name}": value for name, value in parts.state.items()}
        about = {**about_encoder(parts), "form": parts.form, "adapters": dict(parts.adapters)}
        return cls(weights, about, parts.encoder)

    @classmethod
    def read(cls, folder: Path, about: dict[str, Any]) -> ContentItems:
        """Read the weights of a trained model's folder; see :class:`ContentItems`."""
        ContentAdapters.read(about.get("adapters", {}))
        return super().read(folder, about)

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the item vector of each of T texts; shape [T, D]."""
        # Recommending needs no text encoder.
        from recbole_idp.content.trainable.text import TrainableText

        adapters = ContentAdapters.read(self.about["adapters"])
        state = {name.removeprefix(_PREFIX): value for name, value in self.weights.items() if name.startswith(_PREFIX)}
        with tempfile.TemporaryDirectory() as cache, torch.random.fork_rng(devices=[]):
            content = TrainableText(self.load(), texts, adapters.layers, Path(cache))
            adapt_content(content, adapters)
            load_adapters(content, state)
            found = content.eval()(torch.arange(1, len(texts) + 1))
        return self.item_vectors(found.cpu().numpy())
