"""Sound files of events and of items in the formats of the task convert, and what converts them."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from recbole_idp import registry
from recbole_idp.data.convert.formats import FORMATS as _FORMATS


class LogFormat(NamedTuple):
    """One format.

    Attributes:
        name: Its name.
        events: A sound file of events.
        items: A sound file of items; empty where events hold the texts.
        item: The id of an item.
    """

    name: str
    events: bytes
    items: bytes
    item: str

    def convert(self, events: Path, folder: Path, name: str = "x", **options: Any) -> object:
        """Convert, as the task does, without its lines; the dataset is made below ``folder``."""
        convert: Callable[..., object] = registry.resolve(_FORMATS[self.name].convert)
        with contextlib.redirect_stdout(io.StringIO()):
            return convert(events, name=name, output=folder / "data", **options)


FORMATS = {
    form.name: form
    for form in (
        LogFormat(
            "ninerec",
            b"v17,u101,1650000001\nv8,u101,1650000400\nv17,u102,1650000350\nv8,u102,1650000990\n",
            b'v17,\xe7\x95\xaa,"Tomato and eggs, in ten minutes"\nv8,,Street dance: "lesson" one\n',
            "v17",
        ),
        LogFormat(
            "pixelrec",
            b"item_id,user_id,timestamp\ni12,u7,1655000001\ni90,u7,1655000093\ni12,u8,1655000120\n",
            b'item_id,view_number,title,tag,description\ni12,1520,My cat,pets,"Soup,\n part 2"\ni90,88,Walk,travel,-\n',
            "i12",
        ),
        LogFormat(
            "mind",
            b"1\tU55\t11/12/2019 8:01:13 AM\tN3 N19\tN88-0 N12-1\n2\tU56\t11/12/2019 8:02:40 PM\t\tN12-0 N5-1\n",
            b"N3\tsports\tchess\tClub wins\tThe team\thttps://a/n3\t[]\t[]\nN5\ta\tb\tSoups\t\thttps://a/n5\t[]\t[]\n",
            "N3",
        ),
        LogFormat(
            "adressa",
            b'{"time":1483225201,"userId":"cx:aa","id":"f0a","title":"Vind","category1":"a|b"}\n'
            b'{"time":1483225260,"userId":"cx:bb","url":"http://adressa.no","id":null}\n'
            b'{"time":1483225300,"userId":"cx:aa","id":"f0b","title":"By","keywords":"a,b"}\n',
            b"f0a\tnew library\nf0b\tstrong wind\n",
            "f0a",
        ),
        LogFormat(
            "transrec", b"2001 2040 871 2003\n55 56 871 2001\n", b"2001 \xe5\xa4\x9c\xe5\xb8\x82\n2040\tA b c\n", "55"
        ),
    )
}
"""Name of each format -> the format. The lines of users are those of NineRec, MIND and Adressa alike."""

USER_LINES = b"u101\tv17 v8 v930\nu102\tv8 v51\n"
