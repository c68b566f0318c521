"""Settings of the data: source domains, and the target's events."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from recbole_idp import registry
from recbole_idp.config.setting import Affects, Count, PositiveShare, Seed, Settings, setting
from recbole_idp.errors import UserError

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class SourceSettings(Settings):
    """The source domains."""

    source_domains: list[str] = setting(
        ["Health", "Clothing", "Beauty", "Toys"], "Datasets to pre-train on, together.", Affects.PRETRAINING
    )
    source_share: PositiveShare = setting(
        1.0,
        "Share of the users of each source domain that are read; those of a smaller share are among them.",
        Affects.PRETRAINING,
        implied=1.0,
    )
    shared_users: list[list[str]] = setting(
        [], "Domains whose user ids mean the same people; the target may be among them.", _BOTH
    )


class PredictionSettings(Settings):
    """What is predicted on the target."""

    predicts: Literal["next_item", "cold_item", "profile"] = setting(
        "next_item",
        "next_item: an item, from the history; cold_item: an item, from events in other domains alone; profile: a "
        "column of the .user file.",
        Affects.TRAINING,
    )
    profile_field: str | None = setting(None, "The column of the .user file that is predicted.", Affects.TRAINING)


class EventSettings(Settings):
    """The events that a model reads."""

    load_col: dict | None = setting(
        {"inter": ["user_id", "item_id", "timestamp"]}, "Columns to read from each atomic file."
    )
    latest_events: Count | None = setting(
        None, "Latest events of a user that are there at all, after the filters, targets among them; None: all."
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


class DataSettings(SourceSettings, PredictionSettings, EventSettings):
    """All settings of the data."""

    @classmethod
    def check_together(cls, values: dict[str, Any]) -> None:
        """Check that what is predicted is named.

        Raises:
            UserError: ``profile_field`` is missing, or names a column although none is predicted.
        """
        predicts, field = values["predicts"], values["profile_field"]
        if predicts == "profile" and not field:
            raise UserError("predicts: profile needs profile_field, the column of the .user file: --profile_field=age")
        if predicts != "profile" and field:
            raise UserError(f"profile_field names {field}, and predicts is {predicts}: give --predicts=profile as well")
        model, target = values["model"], values["dataset"]
        if predicts not in (known := registry.predicts(model)):
            raise UserError(f"{model} predicts {' or '.join(known)}, and predicts is {predicts}: choose another model")
        others = joined_with(target, values["shared_users"])
        if others and not registry.joins(model):
            raise UserError(
                f"shared_users joins {target} with {', '.join(others)}, and {model} reads the target's own histories: "
                f"remove {target} there, or choose a model that joins users"
            )
        check_cold_items(predicts, target, others)
        if values["benchmark_filename"] and predicts == "profile":
            raise UserError(
                "predicts: profile splits users, and benchmark_filename brings a split: give one of the two"
            )


def check_cold_items(predicts: str | None, target: str, others: Sequence[str]) -> None:
    """Check that cold items have something to be predicted from.

    Args:
        predicts: What is predicted.
        target: Name of the target.
        others: The domains that are joined with it.

    Raises:
        UserError: No domain is joined.
    """
    if predicts == "cold_item" and not others:
        raise UserError(
            f"predicts: cold_item needs the users' events in other domains: join them with the target, such as "
            f'--shared_users="[[{target}, OTHER]]"'
        )


def joined_with(target: str, shared_users: Sequence[Sequence[str]] | None) -> list[str]:
    """Return the other domains whose user ids mean the same people as the target's, in the order of the groups."""
    names = [name for group in shared_users or () if target in group for name in group]
    return list(dict.fromkeys(name for name in names if name != target))


def read_beside(
    model: str, target: str, shared_users: Sequence[Sequence[str]] | None, source_domains: Sequence[str] | None
) -> list[str]:
    """Return the domains whose events a model reads beside the target's while it is trained on the target.

    They are those that are joined with the target, and the source domains of a model that is trained on both.
    """
    sources = source_domains or () if registry.reads_sources(model) else ()
    return list(dict.fromkeys([*joined_with(target, shared_users), *sources]))


def pretrained_on(values: Mapping[str, Any]) -> list[str]:
    """Return the source domains that a model is pre-trained on; none where it transfers nothing, or is given.

    Args:
        values: Value of every key, with ``model``.
    """
    if values["pretrained"] or registry.starts_alone(values["model"], values.get("transfer")):
        return []
    return list(values["source_domains"])


def joined_sources(target: str, shared_users: Sequence[Sequence[str]] | None) -> list[list[str]]:
    """Return the groups of domains whose users are the same, without the target."""
    groups = [[name for name in group if name != target] for group in shared_users or ()]
    return [group for group in groups if len(group) > 1]
