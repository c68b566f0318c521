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
from recbole_idp.nn.encoder.bert4rec import BERT4RecEncoder
from recbole_idp.nn.encoder.bias_free import BiasFreeEncoder
from recbole_idp.nn.encoder.causal import CausalSettings, user_encoder
from recbole_idp.nn.encoder.dilated import DilatedBlock, DilatedEncoder, PostActivationBlock, PreActivationBlock
from recbole_idp.nn.encoder.gru import GRUEncoder
from recbole_idp.nn.encoder.keys import (
    DilatedSettings,
    EncoderSettings,
    GRUSettings,
    RecencySettings,
    TransformerSettings,
)
from recbole_idp.nn.encoder.kinds import sequence_encoder
from recbole_idp.nn.encoder.latest import LatestPositionEncoder
from recbole_idp.nn.encoder.pre_norm import PreNormEncoder
from recbole_idp.nn.encoder.recency import RecencyEncoder
from recbole_idp.nn.encoder.token import TokenEncoder
from recbole_idp.nn.encoder.transformer import TransformerEncoder
from recbole_idp.serving.encoder_sizes import (
    ADAPTERS,
    BLOCKS,
    CAUSAL,
    KINDS,
    RECENCY,
    SIZE_TYPES,
    TEXT,
    check_sizes,
    history_length,
)
from recbole_idp.storage.schema import check_schema


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
            items: Item numbers, padded with 0 on the right; L is at most its
                :func:`~recbole_idp.serving.encoder_sizes.history_length`; int64, shape [B, L].
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
    check_sizes(sizes, state)
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
    check_schema(sizes, {key: SIZE_TYPES.get(key, int) for key in KINDS["Fused"]}, "encoder")
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


def _sequence(sizes: Mapping[str, Any]) -> TransformerEncoder | PreNormEncoder:
    settings = EncoderSettings.of({**sizes, "encoder": sizes["kind"].removesuffix("Adapted")})
    return sequence_encoder(settings, sizes["MAX_ITEM_LIST_LENGTH"])


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
    build: Callable[[Mapping[str, Any]], TransformerEncoder | PreNormEncoder],
) -> Callable[[Mapping[str, Any]], nn.Module]:
    """Return a builder of the same encoder with the adapters that the sizes name."""

    def adapted(sizes: Mapping[str, Any]) -> nn.Module:
        encoder = build(sizes)
        form = Adapter4RecSettings.of({key: sizes[key] for key in ADAPTERS}).user_form()
        adapt_sequence_encoder(cast("TransformerEncoder", encoder), form)
        return encoder

    return adapted


def _latest(sizes: Mapping[str, Any]) -> LatestPositionEncoder:
    return LatestPositionEncoder(_transformer(sizes), sizes["MAX_ITEM_LIST_LENGTH"])


def _recency(sizes: Mapping[str, Any]) -> RecencyEncoder:
    return RecencyEncoder(RecencySettings(**{key: sizes[key] for key in RECENCY}))


def _recformer(sizes: Mapping[str, Any]) -> TextSequenceEncoder:
    own = {key: sizes[key] for key in ("hidden_size", "n_layers", "n_heads", "inner_size", *TEXT)}
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
    return TransformerSettings(**{key: sizes[key] for key in ("hidden_size", *BLOCKS)})


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    **dict.fromkeys(CAUSAL, _sequence),
    **dict.fromkeys((f"{kind}Token" for kind in CAUSAL), _with_token),
    **dict.fromkeys((f"{kind}Patched" for kind in CAUSAL), _with_patches),
    **dict.fromkeys(("SASRecAdapted", "BSARecAdapted"), _with_adapters(_sequence)),
    "BiasFree": _bias_free,
    "BiasFreeAdapted": _with_adapters(_bias_free),
    "LatestSASRec": _latest,
    "BERT4Rec": _bert4rec,
    "GRU4Rec": _gru4rec,
    "NextItNet": _nextitnet,
    "NextItNetToken": _with_token,
    "NextItNetPatched": _with_patches,
    "ConureToken": _conure,
    "DACDR": _dacdr,
    "Recformer": _recformer,
    "TransRec": _transrec,
    "Recency": _recency,
    "PRECISE": _precise,
}
