"""Settings of training, on the target and on the source domains."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Natural, Number, Seed, Settings, Share, restated, setting
from recbole_idp.nn.precision import Precision

Variant = Literal["scratch", "text_pca", "random_match", "zero_shot", "fine_tune", "new_encoder"]
"""What the model of the target starts from."""

Rows = Literal["position", "prefix"]
Loss = Literal["CE", "BPR", "BCE", "gBCE"]

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class LossSettings(Settings):
    """Training rows and loss."""

    training_rows: Rows = setting(
        "position", "position: a loss at every position of a row; prefix: RecBole's rows and loss.", _BOTH
    )
    loss_type: Loss = setting("CE", "CE, BPR, BCE or gBCE.", _BOTH)
    epoch_steps: Count = setting(
        20,
        "An epoch passes over a small target as often as fits in this many steps; 1: once.",
        Affects.TRAINING,
    )
    train_negatives: Natural = setting(
        0, "0: full softmax; else shared negatives a batch, with log-Q correction; gBCE: 0: 256.", Affects.TRAINING
    )
    negative_smoothing: Number = setting(
        0.75, "Shared negatives are drawn by frequency to this power; 0: uniformly.", _BOTH
    )
    gbce_t: Share = setting(
        0.75, "gBCE: 0: as BCE; 1: scores are calibrated; 0.75 is the paper's.", _BOTH, of=("loss_type", "gBCE")
    )


class TargetLossSettings(LossSettings):
    """The same for models whose pre-training has batches and a loss of its own."""

    training_rows: Rows = restated(LossSettings, "training_rows", Affects.TRAINING)
    loss_type: Loss = restated(LossSettings, "loss_type", Affects.TRAINING)
    negative_smoothing: Number = restated(LossSettings, "negative_smoothing", Affects.TRAINING)
    gbce_t: Share = restated(LossSettings, "gbce_t", Affects.TRAINING)


class PretrainingSettings(Settings):
    """Training on the source domains."""

    pretrain_model: str | None = setting(
        None, "Model that is pre-trained, with its own defaults; None: the model itself.", Affects.PRETRAINING
    )
    pretrain_seed: Seed | None = setting(
        None, "Seed of pre-training, the same for all seeds of a run; None: seed.", Affects.PRETRAINING
    )
    pretrain_epochs: Count = setting(50, "Epochs over the source domains, at most.", Affects.PRETRAINING)
    pretrain_stopping_step: Count = setting(
        3, "Epochs without a better validation before pre-training stops.", Affects.PRETRAINING
    )
    pretrain_learning_rate: Number = setting(0.001, "Learning rate on the source domains.", Affects.PRETRAINING)
    pretrain_batch_size: Count = setting(4096, "Training targets a batch on the source domains.", Affects.PRETRAINING)
    pretrain_negatives: Natural = setting(
        1024, "Shared negatives a batch on the source domains; 0: full softmax.", Affects.PRETRAINING
    )
    pretrain_valid_users: Natural = setting(
        2000, "Source users whose last event is held out for validation.", Affects.PRETRAINING
    )


class RecBoleLoopSettings(Settings):
    """The training loop of RecBole's own models."""

    exact_recbole: bool = setting(
        False, "Train and evaluate one of RecBole's own models by RecBole's own loop.", Affects.TRAINING
    )


class PrecisionSettings(Settings):
    """The precision of training."""

    precision: Precision = setting(
        "float32",
        "Precision of a training's products: bfloat16 is faster on accelerators; weights and evaluation are float32.",
        _BOTH,
        implied="float32",
    )


class TrainingSettings(LossSettings, PretrainingSettings, PrecisionSettings, RecBoleLoopSettings):
    """All settings of training."""
