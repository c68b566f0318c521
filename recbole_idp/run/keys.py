"""Settings of a run: where things lie, what is compared, what is shown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import annotated_types

from recbole_idp import registry
from recbole_idp.config.setting import Affects, Count, Distinct, Layers, PositiveShare, Seed, Settings, setting
from recbole_idp.data.keys import pretrained_on
from recbole_idp.errors import UserError

AUTO = "auto"
"""The variant whose start validation chooses."""

Row = Literal["scratch", "text_pca", "random_match", "zero_shot", "fine_tune", "new_encoder", "auto"]
"""What is compared: what the model starts from, or the choice of it."""
Start = Literal["scratch", "text_pca", "random_match", "fine_tune", "new_encoder"]
Few = Annotated[int, annotated_types.Ge(1), annotated_types.Le(8)]


def sources_of_run(values: Mapping[str, Any]) -> list[str]:
    """Return the source domains that a run pre-trains on; none where no variant starts from them.

    Args:
        values: Value of every key, with ``model``.
    """
    starts = starts_of(values.get("variants") or [], values["auto_starts"])
    if starts and set(starts) <= set(registry.variants_alone(values["model"])):
        return []
    return pretrained_on(values)


def starts_of(variants: Iterable[str], auto_starts: Sequence[str]) -> list[str]:
    """Return the variants that are trained, those that ``auto`` tries included.

    Args:
        variants: The variants of a run.
        auto_starts: What ``auto`` tries.
    """
    return list(dict.fromkeys(start for name in variants for start in (auto_starts if name == AUTO else [name])))


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
        None, "Folder of a bundle, or hf://user/name; None: pre-train, or use the bundle made before.", Affects.NOTHING
    )


class ComparisonSettings(Settings):
    """What a run compares. Each trial is one of several, and does not depend on the others."""

    seeds: Distinct[Seed] | None = setting(None, "Seeds to train every variant with; None: seed alone.", Affects.OUTPUT)
    few_shot: Distinct[PositiveShare] | None = setting(
        None, "Shares of the target's users to train on, each in turn.", Affects.OUTPUT
    )
    variants: Distinct[Row] = setting(
        ["scratch", "text_pca", "random_match", "zero_shot", "fine_tune"],
        "Variants to train and evaluate, side by side; auto chooses its start on validation.",
        Affects.OUTPUT,
    )
    compare_join: bool = setting(
        True,
        "Whether each variant is trained without the target in shared_users as well, where it is there.",
        Affects.OUTPUT,
    )


class AutoSettings(Settings):
    """What the variant ``auto`` tries: successive halving over starts, then an average of the best."""

    auto_starts: Distinct[Start] = setting(
        ["scratch", "text_pca", "fine_tune", "new_encoder"], "Starts that the variant auto tries.", Affects.TRAINING
    )
    auto_rungs: Distinct[Count] = setting(
        [5, 15], "Epochs after each of which auto keeps the better half of the starts.", Affects.TRAINING
    )
    auto_members: Few = setting(2, "Starts that auto trains to the end, at least.", Affects.TRAINING)
    auto_seeds: Few = setting(1, "Seeds with which auto trains each of these.", Affects.TRAINING)
    auto_average: bool = setting(
        True, "Whether auto may average scores of several models, with weights by validation.", Affects.TRAINING
    )

    @classmethod
    def check_together(cls, values: dict[str, Any]) -> None:
        """Check that rungs rise, and that models to average are few and rank items."""
        if values["auto_rungs"] != sorted(values["auto_rungs"]):
            raise UserError(f"auto_rungs has to rise, and is {values['auto_rungs']}")
        kept, members = len(values["auto_starts"]), values["auto_members"]
        for _ in values["auto_rungs"]:
            if kept > members:
                kept = better_half(kept, members)
        if (trained := kept * values["auto_seeds"]) > _MOST:
            raise UserError(
                f"auto averages {_MOST} models at most, and it would train {kept} starts with {values['auto_seeds']} "
                f"seeds to the end, {trained} models: give more auto_rungs, or less of auto_members or auto_seeds"
            )
        if AUTO not in (values["variants"] or []):
            return
        mode = values["eval_args"]["mode"]
        if any(part != "full" for part in (mode.values() if isinstance(mode, dict) else (mode,))):
            raise UserError(f"{AUTO} ranks all items, and the mode of eval_args is {mode}: take mode full")


def better_half(count: int, members: int) -> int:
    """Return how many of some starts a rung keeps: the half, and ``members`` at least."""
    return max(members, -(-count // 2))


_MOST = 8


class InspectionSettings(Settings):
    """What the task inspect shows."""

    inspect_items: list[str] | None = setting(None, "Item ids of the target; None: a sample.", Affects.OUTPUT)
    inspect_sample: Count = setting(20, "Items of the sample.", Affects.OUTPUT)
    inspect_kept_out: str | None = setting(
        None,
        "A source domain: CDIM is trained without it, and its matches are held against the truth.",
        Affects.OUTPUT,
    )


class MachineSettings(Settings):
    """The machine's part in a run."""

    threads: Layers | None = setting(
        None, "Threads for torch and faiss; None: as many as there are processors.", Affects.TRAINING
    )
    engine: Literal["local", "ray"] = setting(
        "local",
        "Where jobs of a leaderboard and processes of nproc run: local: this machine; ray: the cluster of RAY_ADDRESS.",
        Affects.NOTHING,
    )


class TrackingSettings(Settings):
    """Where finished runs are reported."""

    track: Literal["mlflow", "wandb"] | None = setting(
        None, "mlflow or wandb: parameters, metrics and files of each finished run go there.", Affects.NOTHING
    )


class TrialSettings(Settings):
    """The trial of a leaderboard that tunes."""

    tune_trial: str | None = setting(
        None, "Study and trial that validation is reported to; a leaderboard with tune sets it.", Affects.NOTHING
    )


class RunSettings(
    PlaceSettings,
    ComparisonSettings,
    AutoSettings,
    InspectionSettings,
    MachineSettings,
    TrackingSettings,
    TrialSettings,
):
    """All of them."""
