"""Settings of content encoders that are trained."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Number, Positive, Settings, setting

_BOTH = Affects.PRETRAINING | Affects.TRAINING

TrainedParts = Literal["none", "last_n", "all"]


class TrainedEncoderSettings(Settings):
    """Which parts of a content encoder are trained together with the recommender, and how."""

    train_encoder: TrainedParts = setting(
        "none", "default: none, last_n layers or all of the content encoder; paper: all.", _BOTH
    )
    trained_layers: Count = setting(2, "paper: layers that train_encoder: last_n trains.", Affects.TRAINING)
    encoder_learning_rate: Positive = setting(
        5e-5, "paper: learning rate of the content encoder, apart from learning_rate.", _BOTH
    )
    encoder_weight_decay: Number = setting(0.0, "default: weight decay of the content encoder; paper: 0.01.", _BOTH)
    encoder_precision: Literal["float32", "bfloat16"] = setting(
        "float32", "Precision of the content encoder's products: bfloat16 takes half of the memory.", _BOTH
    )
    memory_limit_mb: Count | None = setting(
        None,
        "Memory in MiB that a training step of the content encoder may take; None: what is available.",
        Affects.NOTHING,
    )
    gradient_checkpointing: bool = setting(
        False,
        "Compute the content encoder's states again in the backward pass, which takes less memory.",
        Affects.NOTHING,
    )

    @property
    def depth(self) -> int | None:
        """How many of the last layers are trained, where not none are; None: all parts."""
        return self.trained_layers if self.train_encoder == "last_n" else None
