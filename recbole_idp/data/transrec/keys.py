"""Options of the task convert for TransRec's files."""

from recbole_idp.data.convert.keys_of_logs import LogSettings


class TransRecSettings(LogSettings):
    """Make atomic files of sequences of articles and videos."""
