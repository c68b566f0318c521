"""Settings of a leaderboard: several names in model or dataset."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Distinct, Natural, Settings, setting


class SweepSettings(Settings):
    """The key of a sweep."""

    key: str | None = setting(None, "Key whose values are compared.", Affects.OUTPUT)
    values: list | None = setting(None, "Its values, such as 1,3,10, or [[Beauty], [Beauty, Toys]].", Affects.OUTPUT)


class BoardSettings(Settings):
    """How a leaderboard's jobs are run. A job's numbers do not depend on them."""

    jobs: Count = setting(1, "Trainings at a time; the processor's threads are divided between them.", Affects.NOTHING)
    tune: Natural = setting(
        0, "Trials of Optuna for each row that has a space, chosen on validation; 0: none.", Affects.OUTPUT
    )
    tune_pruner: Literal["median", "none"] = setting(
        "median",
        "median: a trial ends early where its validation is below the median of those before; none: all are trained.",
        Affects.OUTPUT,
    )
    tune_spaces: str | None = setting(
        None, "YAML file of spaces, which take the place of those in properties/tuning.yaml.", Affects.OUTPUT
    )
    model_options: dict = setting(
        {},
        "Options of one row alone, e.g. {UniSRec: {pretrain_epochs: 3}}; with model, a row of any name.",
        Affects.OUTPUT,
    )
    text_encoders: Distinct[str] | None = setting(
        None,
        "Text encoders to compare: each model that reads texts has a row with each, and zero-shot where it can.",
        Affects.OUTPUT,
    )
    sweep: dict | None = setting(
        None,
        "A key and its values, e.g. {top_m: [1, 3, 10]}: each model that has it gets a row with each, and a curve.",
        Affects.OUTPUT,
    )
    baseline: str | None = setting(
        None, "Model that others are compared with; None: the baseline best on validation.", Affects.OUTPUT
    )
