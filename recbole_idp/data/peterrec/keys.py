"""Options of the task convert for the text files of PeterRec and Conure."""

from typing import Literal

from recbole_idp.config.setting import Affects, Settings, setting

Identity = Literal["line", "history"]
_WHO = "Who is one user: each line, or all lines with the same source history."


class PeterRecSettings(Settings):
    """Make atomic files of one text file, for pre-training or for fine-tuning."""

    file: str | None = setting(
        None, "File of source ids a line, or of source ids, two commas and target ids; .gz as well.", Affects.OUTPUT
    )
    labels: str | None = setting(
        None, "The targets are no items but classes: the column of the .user file that they become.", Affects.OUTPUT
    )
    users: Identity = setting("line", _WHO, Affects.OUTPUT)


class ConureSettings(Settings):
    """Make atomic files of the files of several tasks on one source vocabulary."""

    pretraining: str | None = setting(None, "File of source ids, a user a line.", Affects.OUTPUT)
    targets: dict | None = setting(
        None, "Files whose targets are items: name of the target -> its file.", Affects.OUTPUT
    )
    labels: dict | None = setting(
        None, "Files whose targets are classes: column of the .user file -> its file.", Affects.OUTPUT
    )
    users: Identity = setting("history", _WHO, Affects.OUTPUT)
