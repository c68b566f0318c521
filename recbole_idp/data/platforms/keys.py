"""Options of the task convert for the files of platforms."""

from recbole_idp.config.setting import Affects, Number, setting
from recbole_idp.data.convert.keys_of_logs import LogSettings


class PlatformSettings(LogSettings):
    """Make atomic files of the files of a platform: Steam's, H&M's."""


class RatedSettings(PlatformSettings):
    """Make atomic files of the files of a platform with ratings: MovieLens', Yelp's, Goodreads'."""

    min_rating: Number | None = setting(
        None, "Events with a lower rating are left out; None: none are.", Affects.OUTPUT
    )
