"""Settings of CLUE (ICDM 2021)."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Distinct, Dropout, PositiveShare, setting
from recbole_idp.nn.encoder.keys import EncoderSettings
from recbole_idp.train.keys import TargetLossSettings

Tuning = Literal["scratch", "fine_tune"]

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class CLUESettings(EncoderSettings, TargetLossSettings):
    """CLUE, with the paper's encoder."""

    n_layers: Count = setting(2, "paper: self-attention blocks.", _BOTH)
    n_heads: Count = setting(4, "paper: attention heads per block.", _BOTH)
    hidden_size: Count = setting(64, "paper: d, width of item vectors, encoder and heads.", _BOTH)
    hidden_dropout_prob: Dropout = setting(
        0.5, "paper: dropout on embeddings and layer outputs, which makes the two views differ.", _BOTH
    )
    attn_dropout_prob: Dropout = setting(0.5, "default: dropout on attention weights.", _BOTH)
    view: Literal["dropout", "mask", "crop", "permute"] = setting(
        "dropout",
        "paper: dropout; mask, crop (a stretch is removed), permute change the events too.",
        Affects.PRETRAINING,
    )
    view_share: PositiveShare = setting(
        0.3, "default: share of events that mask, crop or permute change; paper: 0.1 to 0.9.", Affects.PRETRAINING
    )
    pretrain_epochs: Count = setting(20, "default: epochs over the source sequences, all of them.", Affects.PRETRAINING)
    pretrain_batch_size: Count = setting(64, "paper: sequences a batch, two at least.", Affects.PRETRAINING)
    training_rows: Literal["prefix"] = setting(
        "prefix", "paper: prefix, one target for each [UR] token.", Affects.TRAINING
    )
    transfer: Tuning = setting(
        "fine_tune", "paper: fine_tune, all parameters; scratch, nothing taken over (CLUE_zero).", Affects.TRAINING
    )
    variants: Distinct[Tuning] = setting(
        ["scratch", "fine_tune"], "Variants to train and evaluate, side by side.", Affects.OUTPUT
    )


class CLUEZeroSettings(CLUESettings):
    """CLUE_zero."""

    transfer: Literal["scratch"] = setting("scratch", "paper: scratch, nothing taken over.", Affects.TRAINING)
    variants: Distinct[Tuning] = setting(["scratch"], "Variants to train and evaluate, side by side.", Affects.OUTPUT)
