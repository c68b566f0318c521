"""Options of the task report."""

from recbole_idp.config.setting import Affects, Settings, setting


class ReportSettings(Settings):
    """Draw a leaderboard again."""

    result: str | None = setting(None, "JSON file of a leaderboard.", Affects.OUTPUT)
    output: str | None = setting(None, "Folder for what is drawn; None: the file's own.", Affects.OUTPUT)
