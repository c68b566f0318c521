"""Settings of a run: where things lie, what is compared, what is shown."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Distinct, Layers, PositiveShare, Seed, Settings, setting
from recbole_idp.train.keys import Variant


class PlaceSettings(Settings):
    """Where things lie. Content counts, places do not."""

    data_path: str = setting("dataset/", "Folder with one folder of RecBole atomic files per dataset.", Affects.NOTHING)
    result_dir: str = setting("results/", "Folder for the JSON file that every run leaves.", Affects.NOTHING)
    checkpoint_dir: str = setting("saved", "Folder for bundles and checkpoints.", Affects.NOTHING)
    cache_path: str | None = setting(
        None, "Folder of cached text vectors and search indexes; None: cache/ in checkpoint_dir.", Affects.NOTHING
    )
    keep_trained: bool = setting(
        True, "Whether a run leaves its best model as a folder that needs no data to be used.", Affects.OUTPUT
    )
    keep_users: bool = setting(
        False, "Whether that folder also has the vectors and the items of the target's users.", Affects.OUTPUT
    )
    trained_dir: str | None = setting(
        None, "That folder; None: trained-<model>-<dataset>-… in checkpoint_dir.", Affects.OUTPUT
    )
    pretrained: str | None = setting(
        None, "Folder of a bundle; None: pre-train, or use the bundle made before.", Affects.NOTHING
    )


class ComparisonSettings(Settings):
    """What a run compares. Each trial is one of several, and does not depend on the others."""

    seeds: Distinct[Seed] | None = setting(None, "Seeds to train every variant with; None: seed alone.", Affects.OUTPUT)
    few_shot: Distinct[PositiveShare] | None = setting(
        None, "Shares of the target's users to train on, each in turn.", Affects.OUTPUT
    )
    variants: Distinct[Variant] = setting(
        ["scratch", "text_pca", "random_match", "zero_shot", "fine_tune"],
        "Variants to train and evaluate, side by side.",
        Affects.OUTPUT,
    )
    compare_join: bool = setting(
        True,
        "Whether each variant is trained without the target in shared_users as well, where it is there.",
        Affects.OUTPUT,
    )


class InspectionSettings(Settings):
    """What the task inspect shows."""

    inspect_items: list[str] | None = setting(None, "Item ids of the target; None: a sample.", Affects.OUTPUT)
    inspect_sample: Count = setting(20, "Items of the sample.", Affects.OUTPUT)


class MachineSettings(Settings):
    """The machine's part in a run."""

    threads: Layers | None = setting(
        None, "Threads for torch and faiss; None: as many as there are processors.", Affects.TRAINING
    )


class TrackingSettings(Settings):
    """Where finished runs are reported."""

    track: Literal["mlflow", "wandb"] | None = setting(
        None, "mlflow or wandb: parameters, metrics and files of each finished run go there.", Affects.NOTHING
    )


class RunSettings(PlaceSettings, ComparisonSettings, InspectionSettings, MachineSettings, TrackingSettings):
    """All of them."""
