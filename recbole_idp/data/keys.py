"""Settings of the data: source domains, and the target's events."""

from recbole_idp.config.setting import Affects, Count, PositiveShare, Seed, Settings, setting

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class SourceSettings(Settings):
    """The source domains."""

    source_domains: list[str] = setting(
        ["Health", "Clothing", "Beauty", "Toys"], "Datasets to pre-train on, together.", Affects.PRETRAINING
    )
    shared_users: list[list[str]] = setting([], "Domains whose user ids mean the same people.", Affects.PRETRAINING)


class EventSettings(Settings):
    """The events that a model reads."""

    load_col: dict | None = setting(
        {"inter": ["user_id", "item_id", "timestamp"]}, "Columns to read from each atomic file."
    )
    MAX_ITEM_LIST_LENGTH: Count = setting(50, "Latest events of a user that a model sees.")
    train_users_share: PositiveShare = setting(
        1.0, "Few-shot: train on this share of the target's users, evaluate on all.", Affects.TRAINING
    )
    train_users_seed: Seed = setting(
        2020, "Decides which users these are; those of a smaller share are among them.", Affects.TRAINING
    )
    train_neg_sample_args: dict | None = setting(
        None, "RecBole's negative sampling, for its own models; ours samples by itself.", Affects.TRAINING
    )


class DataSettings(SourceSettings, EventSettings):
    """All settings of the data."""
