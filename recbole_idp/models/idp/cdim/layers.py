"""CDIM at the depths ``last_n`` and ``full``: layers of the sentence encoder are trained."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from recbole_idp.content.text.interface import distinct_texts
from recbole_idp.errors import UserError
from recbole_idp.models.idp.cdim.lower_layers import LowerLayers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.content.text.sentence_model import SentenceModel

_BATCH = 64
_TOGETHER = 32
_CLOSE = 0.999


class LayersTrainee:
    """A copy of a sentence encoder of which the last layers, or all, are trained.

    text -> tokens -> lower layers (computed once, cached) -> trained layers -> pooling (-> unit length) -> vector

    Args:
        encoder: The frozen encoder; it stays as it is.
        texts: Text of each item, blank for none; length S.
        layers: How many of the last layers are trained; None: all parts, embeddings included.
        cache_path: Folder in which the lower layers' outputs are cached.
        show_progress: Whether to draw a progress bar while they are computed.

    Attributes:
        module (nn.Module): What is trained.

    Raises:
        UserError: The encoder has fewer layers, or its layers cannot be run separately.
    """

    module: nn.Module
    _container: tuple[nn.Module, str, nn.ModuleList]

    def __init__(
        self,
        encoder: SentenceEncoder,
        texts: Sequence[str],
        layers: int | None,
        cache_path: Path,
        show_progress: bool = False,
    ) -> None:
        self._texts, self._place = distinct_texts(texts)
        self._encoder = encoder.copy()
        self._tokens = self._encoder.tokens(self._texts)
        self._parts = self._encoder.model.requires_grad_(False)
        self._transformer = _transformer(self._parts)
        self._lower: LowerLayers | None = None
        if layers is None:
            self.module = self._transformer
        else:
            self._cut(layers, encoder, cache_path, show_progress)
        self.module.requires_grad_(True)
        self._check_against(encoder)

    def encode(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the vectors of items, with a new dropout pass; shape [B, W].

        Args:
            rows: Items with text; repeated ones drop different states; int64, shape [B].
        """
        self._parts.train()
        places = self._place[rows.numpy()]
        # Texts of like length go together: padded to the longest of a random batch, most of it would be padding.
        order = np.argsort(self._tokens.lengths[places], kind="stable")
        parts = [self._run(places[part]) for part in np.split(order, range(_TOGETHER, len(order), _TOGETHER))]
        return torch.cat(parts)[torch.from_numpy(np.argsort(order))]

    @torch.no_grad()
    def vectors(self) -> np.ndarray:
        """Return the vectors of all items, without dropout; shape [S, W]."""
        return np.concatenate([self._distinct_vectors(), np.zeros((1, self._encoder.width), np.float32)])[self._place]

    def tuned_encoder(self) -> SentenceEncoder:
        """Return the encoder with the layers as trained so far; the trainee cannot be used afterwards."""
        if self._lower is not None:
            parent, name, whole = self._container
            setattr(parent, name, whole)
        self._parts.eval().requires_grad_(False)
        return self._encoder

    def _cut(self, layers: int, encoder: SentenceEncoder, cache_path: Path, show_progress: bool) -> None:
        """Take the lower layers out of the copy, and compute their outputs or read them from the cache."""
        found = _layer_list(self._transformer)
        assert found is not None  # check_layers has looked
        parent, name, whole = self._container = found
        kept = len(whole) - layers
        # Not the copy's own fingerprint: it would be remembered when the copy's weights are others.
        digits = encoder.cache_key
        self._lower = LowerLayers(self._encoder, digits, self._texts, self._tokens, whole[kept], kept, cache_path)
        self._lower.compute(show_progress)
        self.module = nn.ModuleList(whole[kept:])
        setattr(parent, name, self.module)

    def _run(self, places: np.ndarray) -> torch.Tensor:
        """Return the vectors of distinct texts, given by their places; shape [B, W]."""
        device = self._encoder.device
        features = self._tokens.batch(places, device)
        if self._lower is None:
            return self._parts(features)["sentence_embedding"]
        states = self._lower.states(places, features["input_ids"].shape[1]).to(device)

        def feed(
            layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            """Replace the output of the embeddings by the cached states."""
            if args:
                return (states, *args[1:]), kwargs
            name = next(name for name, value in kwargs.items() if torch.is_tensor(value) and value.dim() == 3)
            return args, {**kwargs, name: states}

        # Where lower layers are cut off, the trained ones are a list.
        handle = cast("nn.ModuleList", self.module)[0].register_forward_pre_hook(feed, with_kwargs=True)
        try:
            return self._parts(features)["sentence_embedding"]
        finally:
            handle.remove()

    @torch.no_grad()
    def _distinct_vectors(self, places: np.ndarray | None = None) -> np.ndarray:
        self._parts.eval()
        places = np.arange(len(self._texts)) if places is None else places
        order = places[np.argsort(self._tokens.lengths[places], kind="stable")]
        vectors = np.empty((len(self._texts), self._encoder.width), dtype=np.float32)
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            vectors[batch] = self._run(batch).float().cpu().numpy()
        return vectors

    def _check_against(self, encoder: SentenceEncoder) -> None:
        """Raise UserError where the copy gives other vectors than the encoder, as layers may need other inputs."""
        places = np.linspace(0, len(self._texts) - 1, min(8, len(self._texts))).astype(int)
        expected = encoder.encode([self._texts[place] for place in places])
        reason = "give other vectors when they are run apart"
        found = None
        with contextlib.suppress(RuntimeError, TypeError, ValueError, StopIteration, KeyError):
            found = self._distinct_vectors(places)[places]
        if found is not None:
            norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
            if ((expected * found).sum(1) >= _CLOSE * norms).all():
                return
        raise UserError(f"cdim_depth: the layers of {encoder.name} {reason}: use head, or another text_encoder")


def check_layers(encoder: SentenceEncoder, layers: int) -> None:
    """Check that a sentence encoder has a list of layers, and enough of them.

    Args:
        encoder: The encoder.
        layers: How many are to be trained.

    Raises:
        UserError: It has none, or fewer.
    """
    found = _layer_list(_transformer(encoder.model))
    if found is None:
        raise UserError(f"cdim_depth last_n finds no list of layers in {encoder.name}: use head or full")
    if layers > len(found[2]):
        raise UserError(f"cdim_layers is {layers}, but {encoder.name} has {len(found[2])} layers: give fewer, or full")


def _transformer(model: SentenceModel) -> nn.Module:
    """Return the transformer in the first part of a model."""
    return cast("nn.Module", model[0].model)


def _layer_list(transformer: nn.Module) -> tuple[nn.Module, str, nn.ModuleList] | None:
    """Return the module that holds the list of layers, the list's name in it, and the list; None without one."""
    count = getattr(transformer.config, "num_hidden_layers", None)
    for module in transformer.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == count:
                return module, name, child
    return None
