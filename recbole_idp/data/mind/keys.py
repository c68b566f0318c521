"""Options of the task convert for MIND's files."""

from typing import Literal

from recbole_idp.config.setting import Affects, setting
from recbole_idp.data.convert.keys_of_logs import LogSettings


class MindSettings(LogSettings):
    """Make atomic files of MIND's behaviors.tsv and news.tsv."""

    history: Literal["keep", "drop"] = setting(
        "keep",
        "keep: a user's earlier clicks, which have no times, come first, and timestamps are places; drop: clicks of "
        "impressions alone, with their times.",
        Affects.OUTPUT,
    )
