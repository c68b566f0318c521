"""Adapters in text encoders of BERT's kind, whose parts are found by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from recbole_idp.errors import UserError
from recbole_idp.nn.adapters.bottleneck import PfeifferNorm
from recbole_idp.nn.adapters.k_adapter import KAdapters
from recbole_idp.nn.adapters.lora import LoRALinear
from recbole_idp.nn.adapters.sockets import Socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recbole_idp.nn.adapters.forms import AdapterForm

_PARTS, _CHANGED = {"dense", "LayerNorm", "dropout"}, {"query", "value"}


class SublayerOutput(nn.Module):
    """The end of a sublayer of BERT, with a socket: LN(x + socket(dropout(dense(v)), x)).

    Its own weights have the names that they have without the socket.

    Args:
        output: The module whose place it takes.
    """

    dense: nn.Module
    dropout: nn.Module
    LayerNorm: nn.LayerNorm

    def __init__(self, output: nn.Module) -> None:
        super().__init__()
        for name in _PARTS:
            setattr(self, name, getattr(output, name))
        self.socket = Socket()

    def forward(self, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
        """Return the sublayer's new states; all of shape [B, L, D]."""
        output = self.dropout(self.dense(hidden_states))
        return self.LayerNorm(input_tensor + self.socket(output, input_tensor))


def adapt_layers(layers: nn.Module, form: AdapterForm, name: str) -> nn.Module:
    """Graft adapters into the layers of a text encoder, but for K-adapter and soft prompts, which lie beside them.

    Args:
        layers: The layers, or the whole encoder.
        form: The adapters.
        name: The encoder's name, for the message.

    Returns:
        What all adapters share, which lies beside the layers: a list of layers would run it as one of them.

    Raises:
        UserError: The layers are not of BERT's kind.
    """
    shared = nn.Module()
    if form.kind == "lora":
        found = [(module, part) for module, names in _parents(layers) for part in names if part in _CHANGED]
        if not found:
            raise _unknown(name)
        for module, part in found:
            setattr(module, part, LoRALinear(getattr(module, part), form.rank))
        return shared
    ends = [(module, part) for module, names in _parents(layers) for part in names if _is_end(getattr(module, part))]
    # A layer is listed before its attention, and with it the end of its feed-forward layer.
    order = {id(module): place for place, module in enumerate(layers.modules())}
    ends.sort(key=lambda end: order[id(getattr(*end))])
    if not ends or len(ends) % 2:
        raise _unknown(name)
    outputs: list[SublayerOutput] = []
    for module, part in ends:
        outputs.append(SublayerOutput(getattr(module, part)))
        setattr(module, part, outputs[-1])
    pairs = [outputs[place : place + 2] for place in range(0, len(outputs), 2)]
    if form.kind == "pfeiffer":
        for _, last in pairs:
            last.LayerNorm = PfeifferNorm(last.LayerNorm, form.inner)
        return shared
    kind, where = form.socket()
    make = form.maker(outputs[0].LayerNorm.normalized_shape[0], shared)
    for pair in pairs:
        for output in pair[where]:
            output.socket = kind(make())
    return shared


class KAdapterBeside(nn.Module):
    """K-adapter beside a text encoder: it reads the outputs of some layers, and changes the states of all tokens.

    Args:
        layers: The layers that it reads, in their order.
        width: Width of the states.
        inner: Width of the small blocks.
    """

    def __init__(self, layers: Sequence[nn.Module], width: int, inner: int) -> None:
        super().__init__()
        self.adapter = KAdapters(width, inner, len(layers), causal=False)
        self._outputs: dict[int, torch.Tensor] = {}
        for place, layer in enumerate(layers):
            layer.register_forward_hook(self._reader(place))

    def _reader(self, place: int) -> Any:
        def read(layer: nn.Module, given: Any, output: Any) -> None:
            """Keep what a layer returns: its states, or a tuple that begins with them."""
            self._outputs[place] = output if torch.is_tensor(output) else output[0]

        return read

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace ``token_embeddings`` [B, L, D]; ``attention_mask`` [B, L] is 0 at padding."""
        states = [self._outputs.pop(place) for place in sorted(self._outputs)]
        found = self.adapter(states, features["token_embeddings"], features["attention_mask"] == 0)
        return {**features, "token_embeddings": found}


class SoftPrompt(nn.Module):
    """Learned vectors before the words of each text, which all words attend to; pooling does not read them.

    The authors' code overwrites the first words instead, and with 30 vectors on 30 words all of them.

    Args:
        transformer: The part that maps ``input_ids`` and ``attention_mask`` to ``token_embeddings``.
        words: Its table of word vectors; the first of them are where the vectors start.
        count: Number of vectors n.
        padding: The token that pads texts, which the vectors must not be taken for.
    """

    def __init__(self, transformer: nn.Module, words: nn.Embedding, count: int, padding: int) -> None:
        super().__init__()
        self.adapter = nn.Parameter(words.weight.detach()[:count].clone())
        self._stand_in = int(padding == 0)
        transformer.register_forward_pre_hook(self._lengthen)
        words.register_forward_hook(self._prepend)
        transformer.register_forward_hook(self._shorten)

    def _lengthen(self, transformer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        ids, mask = given[0]["input_ids"], given[0]["attention_mask"]
        shape = (len(ids), len(self.adapter))
        longer = {
            "input_ids": torch.cat([ids.new_full(shape, self._stand_in), ids], 1),
            "attention_mask": torch.cat([mask.new_ones(shape), mask], 1),
        }
        return ({**given[0], **longer},)

    def _prepend(self, words: nn.Module, given: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        prompt = self.adapter.expand(len(output), *self.adapter.shape)
        return torch.cat([prompt.to(output.dtype), output[:, len(self.adapter) :]], 1)

    def _shorten(
        self, transformer: nn.Module, given: tuple[Any, ...], output: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        count = len(self.adapter)
        names = ("input_ids", "attention_mask", "token_embeddings")
        return {**output, **{name: output[name][:, count:] for name in names}}


def _parents(layers: nn.Module) -> Iterator[tuple[nn.Module, list[str]]]:
    """Yield all modules and the names of their parts, before any of them is replaced."""
    yield from [(module, [name for name, _ in module.named_children()]) for module in layers.modules()]


def _is_end(module: nn.Module) -> bool:
    """Return whether a module is the end of a sublayer: a dense layer, dropout and a norm, and nothing else."""
    return {name for name, _ in module.named_children()} == _PARTS


def _unknown(name: str) -> UserError:
    return UserError(
        f"adapters do not find attention and feed-forward outputs in the layers of {name}: use a text encoder of "
        "BERT's kind, such as BERT, RoBERTa or MiniLM, or --transfer=fine_tune"
    )
