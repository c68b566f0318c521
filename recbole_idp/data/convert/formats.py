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
}
"""Name of each format -> the format."""
