"""Options of the task convert for files of events, of items and of covers."""

from recbole_idp.config.setting import Affects, Count, Settings, setting


class LogSettings(Settings):
    """What formats of events, items and covers have in common."""

    events: str | None = setting(None, "The file of events; .gz as well.", Affects.OUTPUT)
    items: str | None = setting(None, "The file of the items' texts; .gz as well.", Affects.OUTPUT)
    covers: str | None = setting(
        None, "Folder of the items' pictures, ID.jpg: they become posters/ and the column poster.", Affects.OUTPUT
    )
    k_core: Count | None = setting(None, "Events that every user and item has, at least.", Affects.OUTPUT)
    min_length: Count | None = setting(None, "Events that every user has, at least.", Affects.OUTPUT)
