"""Settings of the sequence encoders."""

from typing import Annotated, Literal

import annotated_types

from recbole_idp.config.setting import (
    Affects,
    Count,
    Dropout,
    Layers,
    Number,
    PositiveShare,
    Settings,
    Share,
    setting,
)

_BOTH = Affects.PRETRAINING | Affects.TRAINING

Dilations = Annotated[list[Layers], annotated_types.MinLen(1)]
Activation = Literal["gelu", "relu", "swish", "tanh", "sigmoid"]
EncoderKind = Literal["SASRec", "BSARec", "LiGR", "HSTU"]


class TransformerSettings(Settings):
    """A Transformer, as SASRec and BERT4Rec have it."""

    n_layers: Layers = setting(2, "default: self-attention blocks.", _BOTH)
    n_heads: Count = setting(2, "default: attention heads per block.", _BOTH)
    hidden_size: Count = setting(64, "default: width of item vectors and encoder.", _BOTH)
    inner_size: Count = setting(256, "default: width inside the feed-forward layers.", _BOTH)
    hidden_dropout_prob: Dropout = setting(0.5, "default: dropout on embeddings and layer outputs.", _BOTH)
    attn_dropout_prob: Dropout = setting(0.5, "default: dropout on attention weights.", _BOTH)
    hidden_act: Activation = setting("gelu", "default: activation of the feed-forward layers.", _BOTH)
    layer_norm_eps: Number = setting(1e-12, "default: added to the variance in layer normalisation.", _BOTH)
    initializer_range: Number = setting(0.02, "default: standard deviation of the initial weights.", _BOTH)


class EncoderSettings(TransformerSettings):
    """A causal encoder of one of the kinds that a model takes by its key ``encoder``."""

    encoder: EncoderKind = setting(
        "SASRec", "default: SASRec; BSARec, LiGR, HSTU: other causal blocks.", _BOTH, implied="SASRec"
    )
    bsarec_alpha: Share = setting(
        0.7,
        "paper: share of the filter beside attention; 0.7 on Beauty, elsewhere 0.1 to 0.9.",
        _BOTH,
        of=("encoder", "BSARec"),
    )
    bsarec_c: Count = setting(
        5,
        "paper: frequencies that the filter keeps as low; 5 on Beauty, elsewhere 1 to 9.",
        _BOTH,
        of=("encoder", "BSARec"),
    )


class GRUSettings(Settings):
    """A GRU, as GRU4Rec has it."""

    gru_hidden_size: Count = setting(
        128, "default: width inside the GRU (RecBole: hidden_size; the IDs' width is ours).", _BOTH
    )
    gru_layers: Layers = setting(1, "default: layers of the GRU (RecBole: num_layers).", _BOTH)
    gru_dropout_prob: Dropout = setting(0.3, "default: dropout on the item embeddings (RecBole: dropout_prob).", _BOTH)


class DilatedSettings(Settings):
    """Dilated convolutions, as NextItNet has them."""

    hidden_size: Count = setting(64, "default: width of item vectors and encoder.", _BOTH)
    kernel_size: Layers = setting(3, "paper: events that a convolution looks at.", _BOTH)
    dilations: Dilations = setting([1, 4], "paper: events between them, block after block.", _BOTH)
    block_num: Layers = setting(4, "paper: how often the list of dilations is repeated.", _BOTH)
    initializer_range: Number = setting(0.02, "paper: standard deviation of the initial weights.", _BOTH)


class RecencySettings(Settings):
    """A sum over the latest events."""

    recent_events: Count = setting(3, "default: latest events that are summed.", Affects.EVALUATION)
    recent_decay: PositiveShare = setting(
        0.7, "default: weight of an event beside that of the event after it.", Affects.EVALUATION
    )
