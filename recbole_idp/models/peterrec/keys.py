"""Settings of PeterRec (SIGIR 2020)."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Distinct, Number, setting
from recbole_idp.nn.adapters.sockets import Insertion
from recbole_idp.nn.encoder.causal import CausalSettings
from recbole_idp.train.keys import TargetLossSettings

_BOTH = Affects.PRETRAINING | Affects.TRAINING

Tuning = Literal["scratch", "head", "full", "patches"]


class PeterRecSettings(CausalSettings, TargetLossSettings):
    """PeterRec on dilated convolutions, or on SASRec's blocks."""

    training_rows: Literal["prefix"] = setting("prefix", "paper: prefix, one target for each user.", Affects.TRAINING)
    transfer: Tuning = setting(
        "patches",
        "paper: patches; full, all parameters; head, the table alone; control: scratch.",
        Affects.TRAINING,
    )
    variants: Distinct[Tuning] = setting(
        ["scratch", "head", "full", "patches"], "Variants to train and evaluate, side by side.", Affects.OUTPUT
    )
    insertion: Insertion = setting(
        "serial",
        "paper: serial or parallel; serial_one: one patch a block; parallel_reference: as in its code.",
        Affects.TRAINING,
    )
    cardinality: Count = setting(1, "paper: branches of a patch.", Affects.TRAINING)
    table_penalty: Number = setting(
        0.0, "default: weight of half the squared norm of the table; paper's code: 0.02.", Affects.TRAINING
    )
