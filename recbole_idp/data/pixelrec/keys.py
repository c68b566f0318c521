"""Options of the task convert for PixelRec's files."""

from recbole_idp.data.convert.keys_of_logs import LogSettings


class PixelRecSettings(LogSettings):
    """Make atomic files of one of PixelRec's datasets."""
