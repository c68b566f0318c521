"""Options of the task convert for tables of any columns."""

from recbole_idp.config.setting import Affects, Number, setting
from recbole_idp.data.convert.keys_of_logs import LogSettings


class PlainCsvSettings(LogSettings):
    """Make atomic files of tables, whatever their columns are called."""

    columns: str | None = setting(
        None,
        "Columns of the events, user=NAME,item=NAME, and time=NAME and rating=NAME where there are any; numbers from 1 "
        "without a first line of names.",
        Affects.OUTPUT,
    )
    item_columns: str | None = setting(
        None,
        "Columns of the file of items: item=NAME, and those of texts, title=NAME,brand=NAME; names may be your own. "
        "Without them --items names a folder of titles: files ID.txt, the first line the title.",
        Affects.OUTPUT,
    )
    separator: str | None = setting(
        None, "What stands between two fields, tab for a tabulator; None: found by the first line.", Affects.OUTPUT
    )
    header: bool = setting(True, "Whether the first lines name the columns.", Affects.OUTPUT)
    min_rating: Number | None = setting(
        None, "Events with a lower rating are left out; None: none are.", Affects.OUTPUT
    )
