"""Settings of RecBole's own YAML files whose type, limits or effect do not follow from the default.

RecBole's other keys come from its YAML files: each has the type of its default, and affects every number.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator

from recbole_idp.config.forms import (
    check_clipping,
    check_field_intervals,
    check_intervals,
    read_escapes,
    refuse_pickles,
)
from recbole_idp.config.setting import Affects, Count, Natural, Number, PositiveShare, Seed, Settings, Share, setting

_BOTH = Affects.PRETRAINING | Affects.TRAINING

Intervals = Annotated[str, AfterValidator(check_intervals)]
FieldIntervals = Annotated[dict, AfterValidator(check_field_intervals)]
Separator = Annotated[str, AfterValidator(read_escapes)]
NoPickle = Annotated[bool, AfterValidator(refuse_pickles)]
NoPicklePath = Annotated[str, AfterValidator(refuse_pickles)]


class RecBoleMachineSettings(Settings):
    """Settings of the machine, and of what is shown."""

    model: str = setting("IDP", "The model's name.")
    dataset: str = setting("ml-100k-target", "The dataset's name.")
    gpu_id: str | int = setting("0", "GPUs that RecBole may see.", Affects.NOTHING)
    worker: Natural = setting(0, "Processes that read data.", Affects.NOTHING)
    use_gpu: bool = setting(True, "Whether to compute on a GPU where there is one.", Affects.TRAINING)
    seed: Seed = setting(2020, "Seed of random numbers.", _BOTH)
    state: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = setting(
        "INFO", "Level of the log.", Affects.NOTHING
    )
    show_progress: bool = setting(True, "Whether to show progress bars.", Affects.NOTHING)
    log_wandb: bool = setting(False, "Whether to log to Weights & Biases.", Affects.NOTHING)
    wandb_project: str = setting("recbole", "Its project.", Affects.NOTHING)
    save_dataset: NoPickle = setting(False, "Not supported: it would write a pickle.", Affects.NOTHING)
    save_dataloaders: NoPickle = setting(False, "Not supported: it would write a pickle.", Affects.NOTHING)
    dataset_save_path: NoPicklePath | None = setting(None, "Not supported: it would open a pickle.", Affects.NOTHING)
    dataloaders_save_path: NoPicklePath | None = setting(
        None, "Not supported: it would open a pickle.", Affects.NOTHING
    )
    nproc: Count = setting(
        1,
        "Processes that share a training: each takes a batch at each step, and their gradients are averaged.",
        Affects.PRETRAINING | Affects.TRAINING,
        implied=1,
    )
    world_size: int = setting(-1, "Processes of all machines.", Affects.NOTHING)
    ip: str = setting("localhost", "Address of the first machine.", Affects.NOTHING)
    port: str = setting("5678", "Port of the first machine.", Affects.NOTHING)
    offset: int = setting(0, "Number of this machine's first process.", Affects.NOTHING)
    local_rank: int = setting(0, "Number of this process on its machine.", Affects.NOTHING)


class RecBoleTrainingSettings(Settings):
    """Training on the target; pre-training has keys of its own for most of these."""

    epochs: Count = setting(300, "Epochs on the target, at most.", Affects.TRAINING)
    train_batch_size: Count = setting(2048, "Training rows, or targets, a batch.", Affects.TRAINING)
    learner: Literal["adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam"] = setting("adam", "Optimiser.", _BOTH)
    learning_rate: Number = setting(0.001, "Learning rate on the target.", Affects.TRAINING)
    eval_step: Count = setting(1, "Epochs between two validations.", _BOTH)
    stopping_step: Count = setting(
        10, "Validations without a better one before training on the target stops.", Affects.TRAINING
    )
    clip_grad_norm: Annotated[dict, AfterValidator(check_clipping)] | None = setting(
        None, "Arguments of clip_grad_norm_, such as {max_norm: 5}; None: no clipping.", _BOTH
    )
    weight_decay: Number = setting(0.0, "Weight decay.", _BOTH)
    initializer_range: Number | None = setting(None, "Standard deviation of the initial weights.", _BOTH)
    transform: str | None = setting(None, "RecBole's transformation of batches.", Affects.TRAINING)
    mask_ratio: PositiveShare | None = setting(None, "Chance of an event to be masked.", _BOTH)
    ft_ratio: Share | None = setting(None, "Share of the rows whose last event alone is masked.", _BOTH)
    reg_weight: float | None = setting(None, "Weight of a regularisation.", _BOTH)
    eta: float | None = setting(None, "A weight of RecBole's losses.", _BOTH)


class RecBoleEvaluationSettings(Settings):
    """Evaluation."""

    eval_batch_size: Count = setting(4096, "Rows, or scores, a batch of evaluation.", Affects.NOTHING)
    loss_decimal_place: Natural = setting(4, "Decimals of the loss in the log.")
    metric_decimal_place: Natural = setting(4, "Decimals of the metrics.")
    tail_ratio: float | int | None = setting(None, "Share of the items that count as tail.", Affects.EVALUATION)


class RecBoleDataSettings(Settings):
    """Columns and filters of atomic files."""

    field_separator: Separator = setting("\t", "Character between two columns of atomic files.")
    encoding: str | None = setting(None, "Encoding of atomic files; None: UTF-8.")
    seq_len: dict | None = setting(None, "Lengths to which columns of sequences are cut.")
    threshold: dict | None = setting(None, "Columns of which labels are made.")
    unload_col: dict | None = setting(None, "Columns that are not read.")
    unused_col: dict | None = setting(None, "Columns that are read for filters alone.")
    additional_feat_suffix: list[str] | None = setting(None, "Endings of further files.")
    rm_dup_inter: Literal["first", "last"] | None = setting(None, "Which of equal interactions is kept; None: all.")
    val_interval: FieldIntervals | None = setting(None, "Values that rows must have, by column.")
    user_inter_num_interval: Intervals | None = setting(None, "How many events a user must have.")
    item_inter_num_interval: Intervals | None = setting(None, "How many events an item must have.")
    alias_of_user_id: list[str] | None = setting(None, "Columns that hold user ids as well.")
    alias_of_item_id: list[str] | None = setting(None, "Columns that hold item ids as well.")
    alias_of_entity_id: list | None = setting(None, "Columns that hold entity ids as well.")
    alias_of_relation_id: list | None = setting(None, "Columns that hold relation ids as well.")
    preload_weight: dict | None = setting(None, "Columns of pre-trained vectors, by their ids' column.")
    normalize_field: list[str] | None = setting(None, "Columns that are brought to 0 to 1.")
    normalize_all: bool | None = setting(None, "Whether all columns of numbers are.")
    discretization: dict | None = setting(None, "How columns of numbers become buckets.")
    numerical_features: list[str] = setting([], "Columns of numbers that models read as such.")
    benchmark_filename: list[str] | None = setting(None, "Files of a fixed split, by the middle of their names.")


class RecBoleSettings(RecBoleMachineSettings, RecBoleTrainingSettings, RecBoleEvaluationSettings, RecBoleDataSettings):
    """All declared settings of RecBole."""
