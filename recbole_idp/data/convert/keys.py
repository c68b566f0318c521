"""Options of the task convert that every format has."""

from typing import Literal

from recbole_idp.config.setting import Affects, Settings, setting
from recbole_idp.data.convert.formats import FORMATS


class ConvertSettings(Settings):
    """Make atomic files of files in another format."""

    format: Literal[tuple(FORMATS)] = setting(  # type: ignore[valid-type]  # the table names the formats
        "amazon", f"What the files are: {', '.join(FORMATS)}.", Affects.OUTPUT
    )
    name: str | None = setting(None, "Name of the dataset.", Affects.OUTPUT)
    output: str | None = setting("dataset/", "Folder for the dataset's folder.", Affects.OUTPUT)
