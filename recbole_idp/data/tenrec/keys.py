"""Options of the task convert for Tenrec's files."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Settings, setting

BEHAVIOURS = ("click", "like", "share", "follow", "favorite", "read")


class TenrecSettings(Settings):
    """Make atomic files of one of Tenrec's csv files."""

    file: str | None = setting(None, "The csv file, with its first line; .gz as well.", Affects.OUTPUT)
    behaviour: Literal[BEHAVIOURS] = setting(  # type: ignore[valid-type]
        "click", f"Column of which the rows with 1 are kept: {', '.join(BEHAVIOURS)}.", Affects.OUTPUT
    )
    min_item_events: Count | None = setting(
        None, "Kept rows that an item has, at least; Tenrec's own scripts: 2.", Affects.OUTPUT
    )
    max_item_events: Count | None = setting(
        None, "Kept rows that an item has, at most; Tenrec's own scripts: 200000.", Affects.OUTPUT
    )
