"""Settings of Conure (SIGIR 2021)."""

from typing import Annotated, Literal

import annotated_types

from recbole_idp.config.setting import Affects, Count, Distinct, setting
from recbole_idp.nn.encoder.causal import CausalSettings
from recbole_idp.train.keys import TargetLossSettings

_BOTH = Affects.PRETRAINING | Affects.TRAINING

Learning = Literal["scratch", "learn", "stored"]
PartOfOne = Annotated[float, annotated_types.Gt(0), annotated_types.Lt(1)]


class ConureSettings(CausalSettings, TargetLossSettings):
    """Conure on dilated convolutions, or on SASRec's blocks."""

    pruned: PartOfOne = setting(
        0.7, "paper: share of the free weights that a task gives back; 0.5 from the seventh task on.", _BOTH
    )
    kept_rule: Literal["exact", "reference"] = setting(
        "exact", "default: exactly the share is kept; reference: one more, and ties, as in the paper's code.", _BOTH
    )
    retrain_epochs: Count = setting(30, "default: epochs after pruning, at most.", _BOTH)
    training_rows: Literal["prefix"] = setting("prefix", "paper: prefix, one target for each row.", Affects.TRAINING)
    transfer: Learning = setting(
        "learn",
        "paper: learn, the folder's next task; stored, a task as the folder has it; control: scratch, alone.",
        Affects.TRAINING,
    )
    variants: Distinct[Learning] = setting(
        ["scratch", "learn"], "Variants to train and evaluate, side by side.", Affects.OUTPUT
    )
    tasks: list[dict] | None = setting(
        None,
        "Tasks to learn in one command, one after the other: of each its own keys, such as {predicts: cold_item}.",
        Affects.OUTPUT,
    )
    task_name: str | None = setting(
        None, "Name of the task in the folder; None: dataset, what is predicted, and its column.", Affects.OUTPUT
    )
