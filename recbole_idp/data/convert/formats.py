"""The table of formats that the task convert reads. What belongs to a format is imported when it is asked for."""

from typing import NamedTuple


class Format(NamedTuple):
    """A format.

    Attributes:
        keys: "module:Class" of the declarations of its own options.
        convert: "module:function" that is given all options but ``format``, and returns a summary with a ``str``.
        needed: Options that must be given.
        usage: Usage of the task, for messages.
    """

    keys: str
    convert: str
    needed: tuple[str, ...]
    usage: str


_DATA = "recbole_idp.data"

FORMATS = {
    "amazon": Format(
        f"{_DATA}.amazon.keys:AmazonSettings",
        f"{_DATA}.amazon.convert:convert_amazon",
        ("reviews", "name", "output"),
        "convert --reviews=FILE --name=NAME [--metadata=FILE --output=DIR]",
    ),
    "tenrec": Format(
        f"{_DATA}.tenrec.keys:TenrecSettings",
        f"{_DATA}.tenrec.convert:convert_tenrec",
        ("file", "name", "output"),
        "convert --format=tenrec --file=FILE.csv --name=NAME [--behaviour=like --output=DIR]",
    ),
    "peterrec": Format(
        f"{_DATA}.peterrec.keys:PeterRecSettings",
        f"{_DATA}.peterrec.convert:convert_peterrec",
        ("file", "name", "output"),
        "convert --format=peterrec --file=FILE --name=NAME [--labels=age --output=DIR]",
    ),
    "conure": Format(
        f"{_DATA}.peterrec.keys:ConureSettings",
        f"{_DATA}.peterrec.convert:convert_conure",
        ("name", "output"),
        'convert --format=conure --pretraining=FILE --targets="{clicks: FILE}" --labels="{age: FILE}" --name=NAME '
        "[--output=DIR]",
    ),
    "ninerec": Format(
        f"{_DATA}.ninerec.keys:NineRecSettings",
        f"{_DATA}.ninerec.convert:convert_ninerec",
        ("events", "name", "output"),
        "convert --format=ninerec --events=FILE --name=NAME [--items=FILE --covers=DIR --output=DIR]",
    ),
    "pixelrec": Format(
        f"{_DATA}.pixelrec.keys:PixelRecSettings",
        f"{_DATA}.pixelrec.convert:convert_pixelrec",
        ("events", "name", "output"),
        "convert --format=pixelrec --events=FILE --name=NAME [--items=FILE --covers=DIR --output=DIR]",
    ),
    "mind": Format(
        f"{_DATA}.mind.keys:MindSettings",
        f"{_DATA}.mind.convert:convert_mind",
        ("events", "name", "output"),
        "convert --format=mind --events=behaviors.tsv --name=NAME [--items=news.tsv --output=DIR]",
    ),
    "adressa": Format(
        f"{_DATA}.adressa.keys:AdressaSettings",
        f"{_DATA}.adressa.convert:convert_adressa",
        ("events", "name", "output"),
        "convert --format=adressa --events=FILE_OR_FOLDER --name=NAME [--items=FILE --output=DIR]",
    ),
    "transrec": Format(
        f"{_DATA}.transrec.keys:TransRecSettings",
        f"{_DATA}.transrec.convert:convert_transrec",
        ("events", "name", "output"),
        "convert --format=transrec --events=FILE --name=NAME [--items=FILE --covers=DIR --output=DIR]",
    ),
    "csv": Format(
        f"{_DATA}.plain_csv.keys:PlainCsvSettings",
        f"{_DATA}.plain_csv.convert:convert_csv",
        ("events", "columns", "name", "output"),
        "convert --format=csv --events=FILE --columns=user=NAME,item=NAME,time=NAME --name=NAME "
        "[--items=FILE --item_columns=item=NAME,title=NAME --output=DIR]",
    ),
    "movielens": Format(
        f"{_DATA}.platforms.keys:RatedSettings",
        f"{_DATA}.platforms.convert:convert_movielens",
        ("events", "name", "output"),
        "convert --format=movielens --events=FILE_OR_FOLDER --name=NAME [--items=FILE --output=DIR]",
    ),
    "yelp": Format(
        f"{_DATA}.platforms.keys:RatedSettings",
        f"{_DATA}.platforms.convert:convert_yelp",
        ("events", "name", "output"),
        "convert --format=yelp --events=FILE_OR_FOLDER --name=NAME [--items=FILE --output=DIR]",
    ),
    "goodreads": Format(
        f"{_DATA}.platforms.keys:RatedSettings",
        f"{_DATA}.platforms.convert:convert_goodreads",
        ("events", "name", "output"),
        "convert --format=goodreads --events=FILE_OR_FOLDER --name=NAME [--items=FILE --output=DIR]",
    ),
    "steam": Format(
        f"{_DATA}.platforms.keys:PlatformSettings",
        f"{_DATA}.platforms.convert:convert_steam",
        ("events", "name", "output"),
        "convert --format=steam --events=FILE_OR_FOLDER --name=NAME [--items=FILE --output=DIR]",
    ),
    "hm": Format(
        f"{_DATA}.platforms.keys:PlatformSettings",
        f"{_DATA}.platforms.convert:convert_hm",
        ("events", "name", "output"),
        "convert --format=hm --events=FILE_OR_FOLDER --name=NAME [--items=FILE --output=DIR]",
    ),
}
"""Name of each format -> the format."""
