"""Options of the task generate."""

from recbole_idp.config.setting import Affects, Count, Number, Seed, Settings, Share, setting


class GenerateSettings(Settings):
    """Make a target platform of any size, and a source platform beside it."""

    name: str = setting("Made", "Name of the dataset; its source is called NAME-source.", Affects.OUTPUT)
    output: str = setting("dataset/", "Folder for the datasets' folders.", Affects.OUTPUT)
    users: Count = setting(10_000, "Users of the target.", Affects.OUTPUT)
    items: Count = setting(5_000, "Items of the target.", Affects.OUTPUT)
    events: Count = setting(100_000, "Events of the target.", Affects.OUTPUT)
    source_users: Count | None = setting(None, "Users of the source; None: as many as the target has.", Affects.OUTPUT)
    source_items: Count | None = setting(None, "Items of the source; None: as many as the target has.", Affects.OUTPUT)
    source_events: Count | None = setting(None, "Events of the source; None: there is no source.", Affects.OUTPUT)
    twins: Share = setting(
        0.5,
        "Share of the target's items that the source has as well, in other words of the same meaning.",
        Affects.OUTPUT,
    )
    zipf: Number = setting(1.0, "Exponent of popularity, 0 to 3.", Affects.OUTPUT)
    seed: Seed = setting(2020, "Seed of all that is made.", Affects.OUTPUT)
