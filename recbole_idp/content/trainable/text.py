"""Texts and a sentence encoder of which the last layers, or all, are trained."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from recbole_idp.content.text.interface import distinct_texts
from recbole_idp.content.trainable.entering import entering
from recbole_idp.content.trainable.interface import TokenStates, TrainableContent, in_chunks
from recbole_idp.content.trainable.lower_layers import LowerLayers
from recbole_idp.content.trainable.memory import StepMemory, text_bytes
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.content.text.sentence_model import SentenceModel
    from recbole_idp.content.trainable.interface import Pool

    Read = Callable[[dict[str, torch.Tensor]], torch.Tensor]

_CLOSE = 0.999


class TrainableText(TrainableContent, TokenStates):
    """A copy of a sentence encoder, with the texts that it encodes.

    text -> tokens -> lower layers (computed once, cached) -> trained layers -> pooling (-> unit length) -> vector

    Args:
        encoder: The frozen encoder; it stays as it is.
        texts: Text of inputs 1 to I - 1, blank for none.
        layers: How many of the last layers are trained; None: all parts, embeddings included.
        cache_path: Folder in which the lower layers' outputs are cached.
        show_progress: Whether to draw a progress bar while they are computed.
        precision: Type of the products; parameters stay float32.
        recompute: Whether the backward pass computes the states of each chunk again, so that a step keeps those of one
            chunk only.

    Attributes:
        name: Name of the encoder.
        trained (nn.Module): What is trained, or what adapters are grafted into.

    Raises:
        UserError: The encoder has fewer layers, or its layers cannot be run separately.
    """

    _container: tuple[nn.Module, str, nn.ModuleList]

    def __init__(
        self,
        encoder: SentenceEncoder,
        texts: Sequence[str],
        layers: int | None,
        cache_path: Path,
        show_progress: bool = False,
        precision: torch.dtype = torch.float32,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.width, self.state_width, self.name = encoder.width, encoder.state_width, encoder.name
        self.texts, places = distinct_texts(texts)
        # Input 0 is padding, and -1 stands for no text.
        self._place = np.concatenate([[-1], places])
        self._precision, self._recompute = precision, recompute
        self._encoder = encoder.copy()
        self._tokens = self._encoder.tokens(self.texts)
        # In a tuple: what is not trained is no part of this module's state.
        self._parts: tuple[SentenceModel] = (self._encoder.model.requires_grad_(False),)
        self._lower: LowerLayers | None = None
        self.trained: nn.Module = transformer_of(self._parts[0])
        if layers is not None:
            self.trained = self._cut(layers, encoder, cache_path, show_progress)
        self.trained.requires_grad_(True)
        self._check_against(encoder)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Encode the texts of some inputs; see :class:`TrainableContent`."""
        places = self._place[rows.cpu().numpy()]
        vectors = self._encoder_zeros(len(rows))
        with_text = np.flatnonzero(places >= 0)
        if not len(with_text):
            return vectors
        encoded = self.encode_distinct(places[with_text])
        return vectors.index_copy(0, torch.from_numpy(with_text).to(vectors.device), encoded)

    def encode_distinct(self, places: np.ndarray) -> torch.Tensor:
        """Encode distinct texts by their places among :attr:`texts`, with a new dropout pass in training.

        Args:
            places: Repeated ones drop different states; shape [B].

        Returns:
            Shape [B, W].
        """
        return in_chunks(places, self._tokens.lengths, lambda chunk: self._chunk(chunk, _sentence))

    def pooled(self, rows: torch.Tensor, pool: Pool) -> torch.Tensor:
        """Pool the states of the texts of some inputs; see :class:`TokenStates`."""

        def read(features: dict[str, torch.Tensor]) -> torch.Tensor:
            return pool(features["token_embeddings"].float(), features["attention_mask"])

        places = self._place[rows.cpu().numpy()]
        return in_chunks(places, self._tokens.lengths, lambda chunk: self._chunk(chunk, read))

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; parts that are not trained, such as pooling, follow."""
        self._parts[0].train(mode)
        return super().train(mode)

    def step_memory(self, n_rows: int) -> StepMemory:
        """Return the sizes that decide on the memory of a step; see :class:`TrainableContent`."""
        sizes: Any = transformer_of(self._parts[0]).config
        # Where layers have no list of their own, all that the configuration counts are trained.
        layers = sizes.num_hidden_layers if self._lower is None else len(cast("nn.ModuleList", self.trained))
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        narrow = self._precision != torch.float32
        tokens = float(self._tokens.lengths.mean()) if self.texts else 0.0
        is_frozen = len(parameters) < sum(1 for _ in self.trained.parameters())
        return StepMemory(
            contents=min(n_rows, len(self.texts)),
            each=text_bytes(tokens, int(layers), sizes.hidden_size, sizes.num_attention_heads, is_frozen, narrow),
            parameters=sum(parameter.numel() for parameter in parameters),
            narrow=narrow,
            recompute=self._recompute,
        )

    def layers(self) -> nn.ModuleList:
        """Return the layers that are run in each step: the last ones, or all.

        Raises:
            UserError: The encoder has no list of layers.
        """
        if self._lower is not None:
            return cast("nn.ModuleList", self.trained)
        return check_layers(self._encoder, 1, "the number of layers", self._parts[0])[2]

    def adapt(self, graft: Callable[[nn.Module, SentenceModel], nn.Module]) -> None:
        """Freeze what is trained, and graft small networks into it, which are trained instead.

        Args:
            graft: Takes what is trained and the whole encoder, changes both, and returns what lies beside the former.
        """
        self.trained.requires_grad_(False)
        self.beside = graft(self.trained, self._parts[0])

    def snapshot(self) -> SentenceEncoder:
        """Return a copy of the encoder as it is now; see :class:`TrainableContent`."""
        if self._lower is None:
            copied = self._encoder.copy()
        else:
            parent, name, whole = self._container
            setattr(parent, name, whole)
            copied = self._encoder.copy()
            setattr(parent, name, self.trained)
        copied.model.eval().requires_grad_(False)
        return copied

    def tuned_encoder(self) -> SentenceEncoder:
        """Return the encoder with the layers as trained so far; this module cannot be used afterwards."""
        if self._lower is not None:
            parent, name, whole = self._container
            setattr(parent, name, whole)
        self._parts[0].eval().requires_grad_(False)
        return self._encoder

    def _encoder_zeros(self, count: int) -> torch.Tensor:
        return torch.zeros(count, self.width, device=self._encoder.device)

    def _chunk(self, places: np.ndarray, read: Read) -> torch.Tensor:
        """Return what is read of a chunk of texts; shape [B, W]."""
        if self._recompute and torch.is_grad_enabled():
            return cast("torch.Tensor", checkpoint(self._run, places, read, use_reentrant=False))
        return self._run(places, read)

    def _cut(self, layers: int, encoder: SentenceEncoder, cache_path: Path, show_progress: bool) -> nn.ModuleList:
        """Take the lower layers out of the copy, and compute their outputs or read them from the cache."""
        parent, name, whole = self._container = check_layers(
            encoder, layers, "the number of trained layers", self._parts[0]
        )
        kept = len(whole) - layers
        # Not the copy's own fingerprint: it would be remembered when the copy's weights are others.
        digits = encoder.cache_key
        self._lower = LowerLayers(self._encoder, digits, self.texts, self._tokens, whole[kept], kept, cache_path)
        self._lower.compute(show_progress)
        trained = nn.ModuleList(whole[kept:])
        setattr(parent, name, trained)
        return trained

    def _run(self, places: np.ndarray, read: Read) -> torch.Tensor:
        """Return what is read of the features of texts, given by their places; shape [B, W]."""
        device = self._encoder.device
        features = self._tokens.batch(places, device)
        narrow = self._precision != torch.float32
        with torch.autocast(device.type, self._precision, enabled=narrow):
            if self._lower is None:
                return read(self._parts[0](features))
            states = self._lower.states(places, features["input_ids"].shape[1]).to(device)
            # Where lower layers are cut off, the trained ones are a list.
            with entering(cast("nn.ModuleList", self.trained)[0], states):
                return read(self._parts[0](features))

    @torch.no_grad()
    def _check_against(self, encoder: SentenceEncoder) -> None:
        """Raise UserError where the copy gives other vectors than the encoder, as layers may need other inputs."""
        if not self.texts:
            return
        places = np.linspace(0, len(self.texts) - 1, min(8, len(self.texts))).astype(int)
        expected = encoder.encode([self.texts[place] for place in places])
        found = None
        self.eval()
        with contextlib.suppress(RuntimeError, TypeError, ValueError, StopIteration, KeyError):
            found = self.encode_distinct(places).cpu().numpy()
        if found is not None:
            norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
            if ((expected * found).sum(1) >= _CLOSE * norms).all():
                return
        raise UserError(
            f"the layers of {encoder.name} give other vectors when they are run apart, so that its last layers alone "
            "cannot be trained: train none or all of it, or use another text_encoder"
        )


def _sentence(features: dict[str, torch.Tensor]) -> torch.Tensor:
    return features["sentence_embedding"].float()


def check_layers(
    encoder: SentenceEncoder, layers: int, key: str, model: SentenceModel | None = None
) -> tuple[nn.Module, str, nn.ModuleList]:
    """Check that a sentence encoder has a list of layers, and enough of them.

    Args:
        encoder: The encoder.
        layers: How many are to be trained.
        key: The setting that says how many, for the message.
        model: The model in which they are looked for; None: the encoder's own.

    Returns:
        The module that holds the list of layers, the list's name in it, and the list.

    Raises:
        UserError: It has none, or fewer.
    """
    found = _layer_list(transformer_of(encoder.model if model is None else model))
    if found is None:
        raise UserError(f"{key} finds no list of layers in {encoder.name}, of which it names the last: train all")
    if layers > len(found[2]):
        raise UserError(f"{key} is {layers}, but {encoder.name} has {len(found[2])} layers: give fewer")
    return found


def transformer_of(model: SentenceModel) -> nn.Module:
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
