"""Options of the task convert for Adressa's files."""

from recbole_idp.data.convert.keys_of_logs import LogSettings


class AdressaSettings(LogSettings):
    """Make atomic files of Adressa's logs: a file, or a folder of one file a day."""
