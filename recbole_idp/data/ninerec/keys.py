"""Options of the task convert for NineRec's files."""

from typing import Literal

from recbole_idp.config.setting import Affects, Distinct, setting
from recbole_idp.data.convert.keys_of_logs import LogSettings

Column = Literal["user", "item", "timestamp"]


class NineRecSettings(LogSettings):
    """Make atomic files of one of NineRec's datasets."""

    columns: Distinct[Column] | None = setting(
        None,
        "Order of the columns of DS_pair.csv; None: found by ids, of which users begin with u.",
        Affects.OUTPUT,
    )
