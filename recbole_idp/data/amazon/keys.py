"""Options of the task convert for reviews and metadata."""

from recbole_idp.config.setting import Affects, Count, Settings, setting


class AmazonSettings(Settings):
    """Make atomic files of raw reviews and metadata."""

    reviews: str | None = setting(
        None,
        "File of reviews or ratings: Amazon's of any release, CSV, TSV or JSON lines; .gz as well.",
        Affects.OUTPUT,
    )
    metadata: str | None = setting(None, "File of the items' texts, in any of these forms.", Affects.OUTPUT)
    k_core: Count | None = setting(None, "Events that every user and item has, at least.", Affects.OUTPUT)
    min_length: Count | None = setting(None, "Events that every user has, at least.", Affects.OUTPUT)
