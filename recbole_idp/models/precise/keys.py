"""Settings of PRECISE (arXiv 2412.06308).

Universal training reads the target's events that may be trained on: what decides on them affects it.
"""

from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import AfterValidator

from recbole_idp.config.forms import check_eval_args
from recbole_idp.config.recbole_keys import FieldIntervals
from recbole_idp.config.setting import (
    Affects,
    Count,
    Distinct,
    Dropout,
    Natural,
    Number,
    PositiveShare,
    Seed,
    Settings,
    setting,
)
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.train.keys import TargetLossSettings

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class FusionSettings(Settings):
    """Embedding fusion."""

    fusion: Literal["experts", "experts_softmax", "mean", "concat", "attention", "id_only", "text_only"] = setting(
        "experts",
        "paper: experts; others: experts_softmax, mean, concat, attention, id_only, text_only.",
        _BOTH,
    )
    n_experts: Count = setting(8, "paper: experts, each with its own attention over an item's tokens.", _BOTH)
    top_experts: Count = setting(2, "paper: experts that an item keeps.", _BOTH)
    balance_weight: Number = setting(0.0, "default: weight of a loss that evens the use of the experts.", _BOTH)
    semantic_size: Count = setting(
        32, "default: width of the semantic vector; the ID has the rest of hidden_size.", _BOTH
    )
    token_count: Count = setting(8, "default: token vectors of an item, each the mean of a stretch of its text.", _BOTH)
    token_width: Count = setting(
        32, "default: principal components of the text encoder's states that a token keeps.", _BOTH
    )


class UniversalSettings(Settings):
    """Universal training: its data and its loop."""

    source_domains: list[str] = setting(
        [], "default: domains other than the target's own; shared_users may name it, too.", Affects.PRETRAINING
    )
    targeted_interval: FieldIntervals | None = setting(
        {"rating": "[4,inf)"}, "default: events of the task; columns that are not there do nothing.", _BOTH
    )
    pretrain_epochs: Count = setting(12, "default: epochs at most.", Affects.PRETRAINING)
    pretrain_epoch_steps: Count = setting(
        100,
        "default: an epoch passes over small data as often as fits in this many steps.",
        Affects.PRETRAINING,
    )
    frozen_share: Dropout = setting(
        0.5,
        "default: share of them, the first ones, that leave token vectors as they are.",
        Affects.PRETRAINING,
    )
    pretrain_valid_users: Natural = setting(
        2000,
        "default: users of the target, at most, whose validated events tell the best epoch.",
        Affects.PRETRAINING,
    )
    pretrain_batch_size: Count = setting(
        4096, "default: events a batch, each the others' negative, items counted once.", Affects.PRETRAINING
    )
    popularity_correction: bool = setting(
        False, "paper: false; true lessens the scores of frequent negatives.", Affects.PRETRAINING
    )
    # The target's held-out events are no part of the universal data.
    eval_args: Annotated[dict, AfterValidator(check_eval_args)] = setting(
        {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "split, group_by, order and mode; keys left out keep these values.",
    )
    train_users_share: PositiveShare = setting(
        1.0, "Few-shot: train on this share of the target's users, evaluate on all.", _BOTH
    )
    train_users_seed: Seed = setting(
        2020, "Decides which users these are; those of a smaller share are among them.", _BOTH
    )
    text_fields: list[str] | None = setting(None, "Text columns of the target's .item file; None: all of them.", _BOTH)


class TargetedSettings(Settings):
    """Targeted training."""

    targeted_length: Count = setting(
        20, "default: n, the latest events, whose states are put side by side.", Affects.TRAINING
    )
    targeted_rows: Count = setting(
        8, "default: events of a user that an epoch draws as targets, at most.", Affects.TRAINING
    )
    targeted_contrast: Literal["users", "items", "both", "softmax"] = setting(
        "softmax",
        "paper: users, by BPR, the item being fixed; items, the user being fixed; both; "
        "softmax: for the user all items, estimated from the batch's.",
        Affects.TRAINING,
    )
    user_head: Literal["mlp", "residual"] = setting(
        "residual", "paper: mlp; residual adds the last state.", Affects.TRAINING
    )
    head_size: Count = setting(256, "default: width between the MLP's two layers.", Affects.TRAINING)
    train_batch_size: Count = setting(1024, "default: rows a batch, each the others' negative.", Affects.TRAINING)
    learning_rate: Number = setting(
        0.0001, "default: small, as universal training has brought the weights near.", Affects.TRAINING
    )


class WarmUpSettings(Settings):
    """Periodic warm-up, which the task warm-up studies: the data are replayed slice by slice."""

    warm_up_period: Distinct[Natural] = setting(
        [0, 1, 2],
        "default: slices after which targeted training restarts; 0: never.",
        Affects.OUTPUT,
    )
    warm_up_start: Dropout = setting(
        0.2, "default: share of the target's events before the first slice.", Affects.STUDY
    )
    warm_up_slices: Annotated[int, Ge(2)] = setting(
        6, "default: slices, each tested on, then trained on, the last one tested on only.", Affects.STUDY
    )
    warm_up_new_slices: Count | None = setting(
        None, "default: latest slices whose items count as new; None: all since the first part.", Affects.STUDY
    )
    warm_up_test_events: Count | None = setting(
        20000, "default: events of a slice that are ranked, and all with new items; None: all.", Affects.STUDY
    )
    warm_up_universal_epochs: Count = setting(
        2, "default: epochs on each slice; on the first part there are pretrain_epochs.", Affects.STUDY
    )
    warm_up_targeted_epochs: Count = setting(
        10, "default: epochs of targeted training from a universal model.", Affects.STUDY
    )
    warm_up_slice_epochs: Count = setting(
        2, "default: epochs of targeted training on each further slice.", Affects.STUDY
    )
    warm_up_replay: Count | None = setting(
        None, "default: latest slices that a new start reads; None: all so far.", Affects.STUDY
    )


class PRECISESettings(
    TransformerSettings, FusionSettings, UniversalSettings, TargetedSettings, WarmUpSettings, TargetLossSettings
):
    """Both stages."""

    hidden_size: Count = setting(64, "default: width of item vectors and Transformer.", _BOTH)
    hidden_dropout_prob: Dropout = setting(0.3, "default: dropout on embeddings and layer outputs.", _BOTH)
    attn_dropout_prob: Dropout = setting(0.3, "default: dropout on attention weights.", _BOTH)
    keep_users: bool = setting(True, "default: a run leaves the vectors of users with those of items.", Affects.OUTPUT)
    exclude_history: bool = setting(
        True, "default: items of the history get the lowest score, as none was their negative."
    )


class PRECISETTSettings(PRECISESettings):
    """Targeted training alone."""

    source_domains: list[str] = setting([], "default: none is looked at.", Affects.PRETRAINING)
    learning_rate: Number = setting(
        0.001, "default: larger than that of PRECISE, as the weights are random at first.", Affects.TRAINING
    )


class PRECISEUTSettings(PRECISESettings):
    """Universal training alone."""

    source_domains: list[str] = setting(
        [], "default: domains other than the target's own, as for PRECISE.", Affects.PRETRAINING
    )
