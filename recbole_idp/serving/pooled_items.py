"""What makes the vector of an item from the states of its text's tokens, for items that join a trained model later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from recbole_idp.models.transrec.item_encoder import TextHead
from recbole_idp.serving.content_items import ENCODER, WEIGHTS, ContentItems, about_encoder
from recbole_idp.storage.tensors import read_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.models.base.serving import PooledParts

_BATCH = 64


class PooledItems(ContentItems):
    """Text encoder, and the attention over its states; ``weights`` are those of the attention by their names."""

    @classmethod
    def of(cls, parts: PooledParts) -> PooledItems:  # type: ignore[override]  # of another form
        """Make it of what a model returns."""
        weights = {name: value.detach().cpu() for name, value in parts.head.state_dict().items()}
        return cls(weights, {**about_encoder(parts), "form": parts.form, "heads": parts.n_heads}, parts.encoder)

    @classmethod
    def read(cls, folder: Path, about: dict[str, Any]) -> PooledItems:
        """Read the weights of a trained model's folder; see :class:`ContentItems`."""
        found = cls(read_tensors(folder / WEIGHTS), about, folder=folder / ENCODER)
        found.head()
        return found

    def head(self) -> TextHead:
        """Build the attention from its weights.

        Raises:
            ValueError: They do not fit each other.
            RuntimeError: Likewise.
            KeyError: One is missing.
        """
        sizes = {name: self.weights[f"{name}.weight"].shape for name in ("query", "weigh", "dense")}
        (inner, state_width), n_heads = sizes["query"], self.about["heads"]
        if n_heads < 1 or inner % n_heads:
            raise ValueError(f"{n_heads} heads do not divide a width of {inner}")
        with torch.random.fork_rng(devices=[]):
            head = TextHead(state_width, sizes["dense"][0], n_heads, inner // n_heads, sizes["weigh"][0], 0.0)
        head.load_state_dict(self.weights)
        return head.eval()

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the item vector of each of T texts; shape [T, D]."""
        encoder, head = self.load(), self.head()
        if not encoder.has_tokens:
            states = torch.from_numpy(encoder.encode(texts)).unsqueeze(1)
            return head(states, torch.ones(len(states), 1))
        sentence = cast("SentenceEncoder", encoder)
        tokens = sentence.tokens(texts)
        found = []
        for places in np.split(np.arange(len(texts)), range(_BATCH, len(texts), _BATCH)):
            features = tokens.batch(places, sentence.device)
            states = sentence.model[0](features)["token_embeddings"].float().cpu()
            found.append(head(states, features["attention_mask"].cpu()))
        return torch.cat(found)
