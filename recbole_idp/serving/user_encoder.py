"""User encoders of trained models: the encoders of :mod:`recbole_idp.nn.encoder`, without RecBole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.models.adapter4rec.keys import Adapter4RecSettings
from recbole_idp.models.dacdr.encoders import SharedPrivateEncoder
from recbole_idp.models.dacdr.tower import UserTower
from recbole_idp.models.peterrec.encoder import add_patches
from recbole_idp.models.precise.user_head import HeadedEncoder, UserHead
from recbole_idp.models.recformer.longformer import LongformerSizes
from recbole_idp.models.recformer.sequence_encoder import TextSequenceEncoder
from recbole_idp.models.transrec.user_encoder import BidirectionalEncoder
from recbole_idp.nn.adapters.forms import adapt_sequence_encoder
from recbole_idp.nn.adapters.sockets import INSERTIONS
from recbole_idp.nn.encoder.bert4rec import BERT4RecEncoder
from recbole_idp.nn.encoder.bias_free import BiasFreeEncoder
from recbole_idp.nn.encoder.causal import CausalSettings, user_encoder
from recbole_idp.nn.encoder.dilated import DilatedBlock, DilatedEncoder, PostActivationBlock, PreActivationBlock
from recbole_idp.nn.encoder.gru import GRUEncoder
from recbole_idp.nn.encoder.keys import DilatedSettings, GRUSettings, RecencySettings, TransformerSettings
from recbole_idp.nn.encoder.latest import LatestPositionEncoder
from recbole_idp.nn.encoder.recency import RecencyEncoder
from recbole_idp.nn.encoder.token import TokenEncoder
from recbole_idp.nn.encoder.transformer import TransformerEncoder
from recbole_idp.storage.schema import Nullable, check_schema

_BLOCKS = ("n_layers", "n_heads", "inner_size", "hidden_act", "layer_norm_eps")
_CONVOLUTIONS = ("kernel_size", "dilations", "block_num")
_PATCHES = ("insertion", "cardinality")
_ADAPTERS = ("adapter", "adapter_form", "user_adapter_size", "lora_rank")
_RECENCY = ("recent_events", "recent_decay")
_TEXT = ("attention_window", "max_tokens", "vocabulary")
_EVERY = ("hidden_size", "MAX_ITEM_LIST_LENGTH")
KINDS = {
    "SASRec": (*_EVERY, *_BLOCKS),
    "SASRecAdapted": (*_EVERY, *_BLOCKS, *_ADAPTERS),
    "BiasFree": (*_EVERY, "n_layers", "n_heads"),
    "BiasFreeAdapted": (*_EVERY, "n_layers", "n_heads", *_ADAPTERS),
    "LatestSASRec": (*_EVERY, *_BLOCKS),
    "BERT4Rec": (*_EVERY, *_BLOCKS),
    "GRU4Rec": (*_EVERY, "gru_hidden_size", "gru_layers"),
    "NextItNet": (*_EVERY, *_CONVOLUTIONS),
    "NextItNetToken": (*_EVERY, *_CONVOLUTIONS),
    "NextItNetPatched": (*_EVERY, *_CONVOLUTIONS, *_PATCHES),
    "ConureToken": (*_EVERY, *_CONVOLUTIONS),
    "SASRecToken": (*_EVERY, *_BLOCKS),
    "SASRecPatched": (*_EVERY, *_BLOCKS, *_PATCHES),
    "DACDR": (*_EVERY, *_BLOCKS),
    "TransRec": (*_EVERY, *_BLOCKS),
    "Recency": (*_EVERY, *_RECENCY),
    "Recformer": (*_EVERY, "n_layers", "n_heads", "inner_size", "layer_norm_eps", *_TEXT),
    "PRECISE": (*_EVERY, *_BLOCKS, "targeted_length", "head_size", "user_head"),
    "Fused": (*_EVERY, "parts"),
}
"""Size keys of each kind of encoder."""

_SIZES: dict[str, Any] = {
    "hidden_act": str,
    "layer_norm_eps": float,
    "recent_decay": float,
    "user_head": str,
    "dilations": [int],
    "insertion": set(INSERTIONS),
    "adapter": str,
    "adapter_form": str,
    "parts": [{"encoder": {"kind": str, "hidden_size": int}, "hidden_event": bool, "temperature": Nullable(float)}],
}
# A weight and its axis for each size that decides on how much memory an encoder takes, and how much longer the axis is.
_OF_BLOCKS = {"inner_size": ("blocks.0.inner.weight", 0), "MAX_ITEM_LIST_LENGTH": ("position_embedding.weight", 0)}
# The token has a position of its own.
_OF_TOKEN_BLOCKS = {
    "inner_size": ("encoder.blocks.0.inner.weight", 0),
    "MAX_ITEM_LIST_LENGTH": ("encoder.position_embedding.weight", 0, 1),
}
_OF_TOKEN_CONVOLUTIONS = {"kernel_size": ("encoder.blocks.0.first.weight", 0)}
_WEIGHTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "SASRec": _OF_BLOCKS,
    "SASRecAdapted": _OF_BLOCKS,
    "BiasFree": {"MAX_ITEM_LIST_LENGTH": _OF_BLOCKS["MAX_ITEM_LIST_LENGTH"]},
    "BiasFreeAdapted": {"MAX_ITEM_LIST_LENGTH": _OF_BLOCKS["MAX_ITEM_LIST_LENGTH"]},
    "LatestSASRec": _OF_BLOCKS,
    "BERT4Rec": _OF_BLOCKS,
    "GRU4Rec": {"gru_hidden_size": ("gru.weight_hh_l0", 1)},
    "NextItNet": {"kernel_size": ("blocks.0.first.weight", 0)},
    "NextItNetToken": _OF_TOKEN_CONVOLUTIONS,
    "NextItNetPatched": _OF_TOKEN_CONVOLUTIONS,
    "ConureToken": _OF_TOKEN_CONVOLUTIONS,
    "SASRecToken": _OF_TOKEN_BLOCKS,
    "SASRecPatched": _OF_TOKEN_BLOCKS,
    "TransRec": _OF_BLOCKS,
    "Recency": {},
    "Recformer": {
        "vocabulary": ("longformer.embeddings.word_embeddings.weight", 0),
        "inner_size": ("longformer.encoder.layer.0.intermediate.dense.weight", 0),
        # A position is that of padding, and one is not used; the start token has a position of its own.
        "max_tokens": ("longformer.embeddings.position_embeddings.weight", 0, 2),
        "MAX_ITEM_LIST_LENGTH": ("longformer.embeddings.item_position_embeddings.weight", 0, 1),
    },
    "DACDR": {size: (f"encoder.{name}", axis) for size, (name, axis) in _OF_BLOCKS.items()},
    "PRECISE": {
        **{size: (f"encoder.{name}", axis) for size, (name, axis) in _OF_BLOCKS.items()},
        "head_size": ("head.inner.weight", 0),
    },
}


class UserEncoder(nn.Module):
    """Encoder of histories.

    items [B, L], lengths [B] -> item vectors -> sequence encoder -> state after the last event [B, D]

    Args:
        encoder: The sequence encoder.
        item_vectors: Vector of each input; shape [I, D].
        hidden_event: Whether the state is that of a masked item after the last one, as in BERT4Rec.
        temperature: Normalises states and divides them by it, as in UniSRec; None: they stay as they are.
    """

    item_vectors: torch.Tensor

    def __init__(
        self,
        encoder: nn.Module,
        item_vectors: torch.Tensor,
        hidden_event: bool = False,
        temperature: float | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.hidden_event, self.temperature = encoder, hidden_event, temperature
        self.register_buffer("item_vectors", item_vectors)

    def forward(self, items: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode histories.

        Args:
            items: Item numbers, padded with 0 on the right; L is at most :func:`history_length`; int64, shape [B, L].
            lengths: Events of each history, at least 1; int64, shape [B].

        Returns:
            The state of each history; shape [B, D].
        """
        if self.hidden_event:
            items = functional.pad(items, (0, 1))
            places, last = torch.arange(items.shape[1], device=items.device), lengths
            padding, hidden = places > lengths.unsqueeze(1), places == lengths.unsqueeze(1)
            states = self.encoder(functional.embedding(items, self.item_vectors), padding, hidden)
        else:
            states, last = self.encoder(functional.embedding(items, self.item_vectors), items == 0), lengths - 1
        states = states.gather(1, last.view(-1, 1, 1).expand(-1, 1, states.shape[2])).squeeze(1)
        if self.temperature is None:
            return states
        return functional.normalize(states, dim=1, eps=1e-6) / self.temperature

    def for_export(self) -> UserEncoder:
        """Return what is exported: the encoder itself."""
        return self


class TextUserEncoder(nn.Module):
    """Encoder of histories that are read as the texts of their items.

    items [B, L] -> their tokens, newest item first -> encoder of tokens -> state, normalised, / temperature [B, D]

    Args:
        encoder: The encoder, with the tokens of all inputs.
        temperature: Divides the states, which are of length one.
        width: Tokens of a row; None: as many as the longest of like length has.
    """

    def __init__(self, encoder: TextSequenceEncoder, temperature: float, width: int | None = None) -> None:
        super().__init__()
        self.encoder, self.temperature, self.width = encoder, temperature, width

    def forward(self, items: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode histories; arguments as of :class:`UserEncoder`; shape [B, D]."""
        states = self.encoder.encode(items) if self.width is None else self.encoder(items, self.width)
        return functional.normalize(states, dim=1, eps=1e-6) / self.temperature

    def for_export(self) -> TextUserEncoder:
        """Return the encoder with rows of one width, whose operations do not depend on the histories."""
        return TextUserEncoder(self.encoder, self.temperature, self.encoder.items.max_tokens)


class FusedUserEncoder(nn.Module):
    """Encoders of histories whose states stand side by side, so that their products with candidates add up.

    Args:
        parts: The encoders, of the interface of :class:`UserEncoder`.
    """

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, items: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode histories; arguments as of :class:`UserEncoder`; shape [B, D]."""
        return torch.cat([part(items, lengths) for part in self.parts], 1)

    def for_export(self) -> FusedUserEncoder:
        """Return the encoders as they are exported."""
        return FusedUserEncoder([cast("Any", part).for_export() for part in self.parts])


AnyUserEncoder = UserEncoder | TextUserEncoder | FusedUserEncoder


def encoder_sizes(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return kind and sizes of a sequence encoder.

    Args:
        kind: One of :data:`KINDS`.
        values: Value of every key of the model.

    Returns:
        ``kind`` and the keys of its sizes.
    """
    return {"kind": kind, **{key: values.get(key) for key in KINDS[kind]}}


def build_user_encoder(
    description: dict[str, Any], state: dict[str, torch.Tensor], item_vectors: torch.Tensor
) -> AnyUserEncoder:
    """Rebuild the user encoder of a trained model.

    Args:
        description: With ``encoder``, ``hidden_event`` and ``temperature``.
        state: State of the sequence encoder.
        item_vectors: Shape [I, D].

    Returns:
        In evaluation mode.

    Raises:
        ValueError: The sizes are not those of the weights.
        RuntimeError: Likewise.
        KeyError: A size or a weight is missing.
    """
    sizes = description["encoder"]
    if sizes["kind"] == "Fused":
        return _fused(sizes, state, item_vectors)
    _check_sizes(sizes, state)
    with torch.random.fork_rng(devices=[]):
        encoder = _BUILDERS[sizes["kind"]](sizes)
    encoder.load_state_dict(state)
    if sizes["kind"] == "Recformer":
        texts = cast("TextSequenceEncoder", encoder)
        texts.items.check(sizes["vocabulary"], len(item_vectors))
        if description["temperature"] is None:
            raise ValueError("it has no temperature")
        return TextUserEncoder(texts, description["temperature"]).eval()
    return UserEncoder(encoder, item_vectors, description["hidden_event"], description["temperature"]).eval()


def _fused(sizes: Mapping[str, Any], state: Mapping[str, torch.Tensor], item_vectors: torch.Tensor) -> FusedUserEncoder:
    """Rebuild the encoders of models whose scores are added; arguments as of :func:`build_user_encoder`."""
    check_schema(sizes, {key: _SIZES.get(key, int) for key in KINDS["Fused"]}, "encoder")
    widths = [part["encoder"]["hidden_size"] for part in sizes["parts"]]
    if any(width <= 0 for width in widths) or sum(widths) != sizes["hidden_size"]:
        raise ValueError("its parts are not as wide together as the whole")
    if sizes["MAX_ITEM_LIST_LENGTH"] > min(history_length(part) for part in sizes["parts"]):
        raise ValueError("a part of it reads fewer events than the whole")
    parts: list[nn.Module] = []
    for number, (part, vectors) in enumerate(zip(sizes["parts"], item_vectors.split(widths, 1), strict=True)):
        if part["encoder"]["kind"] == "Fused":
            raise ValueError("a part of it is fused itself")
        own = {name.removeprefix(f"{number}."): value for name, value in state.items() if name.startswith(f"{number}.")}
        parts.append(build_user_encoder(part, own, vectors))
    return FusedUserEncoder(parts).eval()


def _sasrec(sizes: Mapping[str, Any]) -> TransformerEncoder:
    return TransformerEncoder(_transformer(sizes), sizes["MAX_ITEM_LIST_LENGTH"])


def _bert4rec(sizes: Mapping[str, Any]) -> BERT4RecEncoder:
    return BERT4RecEncoder(_transformer(sizes), sizes["MAX_ITEM_LIST_LENGTH"])


def _gru4rec(sizes: Mapping[str, Any]) -> GRUEncoder:
    settings = GRUSettings(gru_hidden_size=sizes["gru_hidden_size"], gru_layers=sizes["gru_layers"])
    return GRUEncoder(sizes["hidden_size"], settings)


def _nextitnet(sizes: Mapping[str, Any]) -> DilatedEncoder:
    return DilatedEncoder(DilatedSettings(**{key: sizes[key] for key in DilatedSettings.model_fields if key in sizes}))


def _with_token(sizes: Mapping[str, Any]) -> TokenEncoder:
    return _causal(sizes["kind"].removesuffix("Token"), sizes, PostActivationBlock)


def _conure(sizes: Mapping[str, Any]) -> TokenEncoder:
    return _causal("NextItNet", sizes, PreActivationBlock)


def _with_patches(sizes: Mapping[str, Any]) -> TokenEncoder:
    encoder = _causal(sizes["kind"].removesuffix("Patched"), sizes, PostActivationBlock)
    add_patches(encoder, sizes["hidden_size"], sizes["insertion"], sizes["cardinality"])
    return encoder


def _bias_free(sizes: Mapping[str, Any]) -> BiasFreeEncoder:
    settings = TransformerSettings(**{key: sizes[key] for key in ("hidden_size", "n_layers", "n_heads")})
    return BiasFreeEncoder(settings, sizes["MAX_ITEM_LIST_LENGTH"])


def _with_adapters(
    build: Callable[[Mapping[str, Any]], TransformerEncoder],
) -> Callable[[Mapping[str, Any]], TransformerEncoder]:
    """Return a builder of the same encoder with the adapters that the sizes name."""

    def adapted(sizes: Mapping[str, Any]) -> TransformerEncoder:
        encoder = build(sizes)
        adapt_sequence_encoder(encoder, Adapter4RecSettings.of({key: sizes[key] for key in _ADAPTERS}).user_form())
        return encoder

    return adapted


def _latest(sizes: Mapping[str, Any]) -> LatestPositionEncoder:
    return LatestPositionEncoder(_transformer(sizes), sizes["MAX_ITEM_LIST_LENGTH"])


def _recency(sizes: Mapping[str, Any]) -> RecencyEncoder:
    return RecencyEncoder(RecencySettings(**{key: sizes[key] for key in _RECENCY}))


def _recformer(sizes: Mapping[str, Any]) -> TextSequenceEncoder:
    own = {key: sizes[key] for key in ("hidden_size", "n_layers", "n_heads", "inner_size", *_TEXT)}
    return TextSequenceEncoder(LongformerSizes(**own, max_items=sizes["MAX_ITEM_LIST_LENGTH"]), sizes["layer_norm_eps"])


def _dacdr(sizes: Mapping[str, Any]) -> UserTower:
    encoder = TransformerEncoder(_transformer(sizes), sizes["MAX_ITEM_LIST_LENGTH"])
    return UserTower(encoder, SharedPrivateEncoder(sizes["hidden_size"], 0.0))


def _transrec(sizes: Mapping[str, Any]) -> BidirectionalEncoder:
    return BidirectionalEncoder(_transformer(sizes), sizes["MAX_ITEM_LIST_LENGTH"])


def _precise(sizes: Mapping[str, Any]) -> HeadedEncoder:
    encoder = TransformerEncoder(_transformer(sizes), sizes["MAX_ITEM_LIST_LENGTH"], causal=False)
    head = UserHead(sizes["targeted_length"], sizes["hidden_size"], sizes["head_size"], sizes["user_head"])
    return HeadedEncoder(encoder, head)


def _causal(kind: str, sizes: Mapping[str, Any], block: type[DilatedBlock]) -> TokenEncoder:
    """Return a causal encoder that reads the user at a token."""
    settings = CausalSettings.of({**sizes, "encoder": kind})
    return user_encoder(settings, sizes["MAX_ITEM_LIST_LENGTH"], block)


def _transformer(sizes: Mapping[str, Any]) -> TransformerSettings:
    """Return the settings of a Transformer; its dropout means nothing once it is trained."""
    return TransformerSettings(**{key: sizes[key] for key in ("hidden_size", *_BLOCKS)})


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "SASRec": _sasrec,
    "SASRecAdapted": _with_adapters(_sasrec),
    "BiasFree": _bias_free,
    "BiasFreeAdapted": _with_adapters(_bias_free),
    "LatestSASRec": _latest,
    "BERT4Rec": _bert4rec,
    "GRU4Rec": _gru4rec,
    "NextItNet": _nextitnet,
    "NextItNetToken": _with_token,
    "NextItNetPatched": _with_patches,
    "ConureToken": _conure,
    "SASRecToken": _with_token,
    "SASRecPatched": _with_patches,
    "DACDR": _dacdr,
    "Recformer": _recformer,
    "TransRec": _transrec,
    "Recency": _recency,
    "PRECISE": _precise,
}


def _check_sizes(sizes: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError where sizes are not those of the weights; wrong ones could exhaust memory."""
    check_schema(sizes, {key: _SIZES.get(key, int) for key in KINDS[sizes["kind"]]}, "encoder")
    numbers = [size for value in sizes.values() for size in (value if isinstance(value, list) else [value])]
    if any(size <= 0 for size in numbers if not isinstance(size, str)):
        raise ValueError("a size of its encoder is not positive")
    if sizes["hidden_size"] % sizes.get("n_heads", 1):
        raise ValueError("its heads do not divide its width")
    if _n_layers(sizes) > len(state):
        raise ValueError("it has fewer layers than its description says")
    for key, (name, axis, *more) in _WEIGHTS[sizes["kind"]].items():
        if (found := state[name].shape[axis] - sum(more)) != sizes[key]:
            raise ValueError(f"{key} is {sizes[key]} in its description, and {found} in its weights")
    largest = max((value.numel() for value in state.values()), default=0)
    if any(sizes.get(key, 0) > largest for key in ("user_adapter_size", "lora_rank")):
        raise ValueError("its adapters are larger than its weights")
    if not 0 < sizes.get("targeted_length", 1) <= sizes["MAX_ITEM_LIST_LENGTH"]:
        raise ValueError("its user vectors are made of more events than its encoder has positions for")


def _n_layers(sizes: Mapping[str, Any]) -> int:
    """Return how many layers an encoder of these sizes has."""
    blocks = sizes.get("block_num", 0) * len(sizes.get("dilations", ()))
    return max(sizes.get("n_layers", 0), sizes.get("gru_layers", 0), blocks)


def history_length(description: Mapping[str, Any]) -> int:
    """Return how many of the latest events a user encoder reads; a masked item takes the place of one."""
    sizes = description["encoder"]
    return sizes.get("targeted_length", sizes["MAX_ITEM_LIST_LENGTH"]) - bool(description["hidden_event"])
