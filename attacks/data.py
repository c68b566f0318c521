"""Hostile datasets, archives, raw reviews, configurations and files of users."""

import gzip
import io
import itertools
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from attacks.kit import Attack, Yard
from attacks.samples import Samples

_HEADER = b"user_id:token\titem_id:token\ttimestamp:float\n"
_REVIEW = {"reviewerID": "u", "asin": "i", "overall": 5.0, "unixReviewTime": 1, "reviewText": "x"}


def attacks(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield attacks on what users bring."""
    yield from _atomic(yard)
    yield from _configurations(yard)
    yield from _archives(yard)
    yield from _reviews(yard)
    yield from _tenrec(yard)
    yield from _sequences(yard)
    yield from _logs(yard)
    yield from _profiles(yard)
    yield from _users(yard)


def _atomic(yard: Yard) -> Iterator[Attack]:
    """Yield atomic files."""
    from recbole_idp.data.atomic import read_atomic
    from recbole_idp.data.item_text import read_item_texts

    row = b"u1\ti1\t1\n"
    contents = {
        "empty": b"",
        "spaces": b" \n \n",
        "a header alone": _HEADER,
        "no types": b"user_id\titem_id\n" + row,
        "unknown types": b"user_id:pickle\titem_id:token\ttimestamp:float\n" + row,
        "a column twice": b"user_id:token\tuser_id:token\ttimestamp:float\n" + row,
        "escape sequences in the header": b"\x1b]0;owned\x07\titem_id:token\ttimestamp:float\n" + row,
        "escape sequences for a number": _HEADER + b"u1\ti1\t\x1b[2J\n",
        "a field less": _HEADER + b"u1\ti1\n",
        "a field more": _HEADER + b"u1\ti1\t1\t2\n",
        "100,000 fields": _HEADER + b"a\t" * 100_000 + b"\n",
        "NUL bytes": _HEADER + b"u\x001\ti1\t1\n",
        "a pickle": yard.pickle(),
        "a gzip": gzip.compress(_HEADER + row),
        "not UTF-8": _HEADER + b"\xff\xfe\ti1\t1\n",
        "an empty id": _HEADER + b"\ti1\t1\n",
        "a time that is NaN": _HEADER + b"u1\ti1\tnan\n",
        "a time that is infinite": _HEADER + b"u1\ti1\tinf\n",
        "a time of 400 digits": _HEADER + b"u1\ti1\t" + b"9" * 400 + b"\n",
        "a time that is code": _HEADER + b"u1\ti1\t__import__('os')\n",
        "carriage returns alone": _HEADER.replace(b"\n", b"\r") + row.replace(b"\n", b"\r"),
        "HTML": b"<html><script>alert(1)</script></html>\n<p>\n",
    }
    for name, content in contents.items():
        path = yard.new("shop.inter")
        path.write_bytes(content)
        yield Attack(f"atomic file: {name}", lambda path=path: read_atomic(path))
    yield Attack("atomic file: a folder", lambda: read_atomic(yard.root))
    for name, content in (
        ("an item twice", b"item_id:token\ttitle:token_seq\ni1\ta\ni1\tb\n"),
        ("no text", b"item_id:token\tprice:float\ni1\t1\n"),
        ("no ids", b"title:token_seq\na\n"),
    ):
        path = yard.new("shop.item")
        path.write_bytes(content)
        yield Attack(f"items: {name}", lambda path=path: read_item_texts(path))


def _configurations(yard: Yard) -> Iterator[Attack]:
    """Yield YAML files."""
    from recbole_idp.config.layers import read_file

    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    letters = "abcdefghij"
    laughs += "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in itertools.pairwise(letters))
    merges = "a: &a {x: 1}\n"
    merges += "".join(
        f"{new}: &{new}\n  <<: [{', '.join([f'*{old}'] * 9)}]\n  k{new}: 1\n"
        for old, new in itertools.pairwise(letters)
    )
    contents = {
        "a Python object": "epochs: !!python/object/apply:os.system ['true']\n",
        "a Python name": "epochs: !!python/name:os.system\n",
        "a new Python object": "epochs: !!python/object/new:subprocess.Popen [['true']]\n",
        "an unknown tag": "epochs: !evil 1\n",
        "a billion laughs": laughs,
        "maps merged into each other": merges,
        "many maps merged": "a: &a {x: 1}\nb:\n  <<: [" + ", ".join(["*a"] * 1000) + "]\n",
        "a value in itself": "a: &a [*a]\n",
        "an alias of nothing": "a: *b\n",
        "nested 5,000 deep": "a: " + "[" * 5000 + "]" * 5000 + "\n",
        "a key twice": "epochs: 1\nepochs: 2\n",
        "a key that is a list": "? [a]\n: 1\n",
        "a list": "- a\n",
        "a text": "hello\n",
        "a number as key": "7: 1\n",
        "a tab": "a:\n\t- b\n",
        "an escape sequence": "\x1b[2J: 1\n",
        "two documents": "a: 1\n---\nb: 2\n",
        "two megabytes": "a: 1\n" + "# " + "x" * 2_000_000 + "\n",
        "a number of 5,000 digits": "a: " + "9" * 5000 + "\n",
    }
    for name, text in contents.items():
        path = yard.new("mine.yaml")
        path.write_text(text, encoding="utf-8")
        yield Attack(f"configuration: {name}", lambda path=path: read_file(path))
    for name, content in (("not UTF-8", b"a: \xff\n"), ("a pickle", yard.pickle())):
        path = yard.new("mine.yaml")
        path.write_bytes(content)
        yield Attack(f"configuration: {name}", lambda path=path: read_file(path))
    yield Attack("configuration: zeros without end", lambda: read_file("/dev/zero"))


def _zip(members: dict[str, bytes], **info: int) -> bytes:
    """Return a zip of some files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            for key, value in info.items():
                setattr(member, key, value)
            archive.writestr(member, content)
    return buffer.getvalue()


def _archives(yard: Yard) -> Iterator[Attack]:
    """Yield archives that a server sends instead of a dataset."""
    from recbole_idp.data.download import download

    rows = {"x.inter": _HEADER + b"u1\ti1\t1\n"}
    contents = {
        "no archive": b"<html>not found</html>",
        "empty": b"",
        "a tar": b"x.inter" + bytes(505),
        "a gzip": gzip.compress(b"x"),
        "a path above": _zip({**rows, "../../evil.inter": b"x"}),
        "a path of the system": _zip({**rows, "/tmp/evil.inter": b"x"}),
        "a path of Windows": _zip({**rows, "C:\\evil.inter": b"x"}),
        "a path above, as Windows writes it": _zip({**rows, "..\\evil.inter": b"x"}),
        "a link": _zip({"x.inter": b"/etc/hostname"}, external_attr=0o120777 << 16),
        "a bomb": _zip({"x.inter": bytes(100_000_000)}),
        "a bomb beside data": _zip({**rows, "y.txt": bytes(100_000_000)}),
        "20,000 files": _zip({f"{number}.inter": b"" for number in range(20_000)}),
        "no data": _zip({"evil.py": b"raise SystemExit('executed')"}),
        "two data sets": _zip({"a/x.inter": b"x", "b/x.inter": b"y"}),
        "cut in half": _zip(rows)[:60],
        "wrong checksums": _zip({"x.inter": b"hello hello hello"}, CRC=7)[:-30] + bytes(30),
    }
    for name, content in contents.items():
        path = yard.new("archive.zip")
        path.write_bytes(content)
        folder = path.parent / "data" / "x"
        yield Attack(f"archive: {name}", lambda path=path, folder=folder: download(path.as_uri(), "x", folder))


def _reviews(yard: Yard) -> Iterator[Attack]:
    """Yield raw files for the task convert."""
    from recbole_idp.data.amazon.convert import convert_amazon

    line = json.dumps(_REVIEW).encode() + b"\n"
    long = json.dumps({**_REVIEW, "reviewText": "x" * (1 << 23)}).encode() + b"\n"
    contents: dict[str, Callable[[], bytes]] = {
        "empty": lambda: b"",
        "a bomb of one line": lambda: gzip.compress(bytes(100_000_000)),
        "a bomb of empty lines": lambda: gzip.compress(b"\n" * 100_000_000),
        "a bomb of reviews": lambda: gzip.compress(line * 400_000),
        "a line of eight megabytes": lambda: line * 200 + long,
        "a damaged archive": lambda: gzip.compress(line * 1000)[:-20],
        "an archive of noise": lambda: b"\x1f\x8b" + bytes(range(256)),
        "code": lambda: b"__import__('os').system('true')\n" * 100,
        "lines nested deep": lambda: b"[" * 50_000 + b"\n",
        "a pickle": yard.pickle,
        "noise": lambda: bytes(range(1, 256)) * 50,
        "reviews of nobody": lambda: b"{}\n" * 100,
        "times that are NaN": lambda: json.dumps({**_REVIEW, "unixReviewTime": float("nan")}).encode() + b"\n",
        "times that are huge": lambda: json.dumps({**_REVIEW, "unixReviewTime": 10**400}).encode() + b"\n",
        "ratings that are lists": lambda: json.dumps({**_REVIEW, "overall": [5]}).encode() + b"\n",
        "users that are objects": lambda: json.dumps({**_REVIEW, "reviewerID": {"a": 1}}).encode() + b"\n",
    }
    for name, content in contents.items():
        path = yard.new("reviews")
        path.write_bytes(content())
        yield Attack(f"reviews: {name}", lambda path=path: convert_amazon(path, None, "x", path.parent / "data"))
    for name in ("../x", "/tmp/x", "a/b", "..", "", "\x1b[2J", "x\n"):
        path = yard.new("reviews")
        path.write_bytes(line)
        yield Attack(
            f"reviews: a data set named {name!r}",
            lambda path=path, name=name: convert_amazon(path, None, name, path.parent / "data"),
        )


def _tenrec(yard: Yard) -> Iterator[Attack]:
    """Yield csv files for ``convert --format=tenrec``."""
    from recbole_idp.data.tenrec.convert import convert_tenrec

    header, row = b"user_id,item_id,click,gender,age\n", b"1,2,1,1,3\n"
    contents: dict[str, Callable[[], bytes]] = {
        "empty": lambda: b"",
        "a header alone": lambda: header,
        "no header": lambda: row * 3,
        "escape sequences in the header": lambda: b"\x1b]0;owned\x07," + header.replace(b"click", b"\x1b[2J"),
        "a column twice": lambda: header.replace(b"age", b"user_id") + row,
        "100,000 columns": lambda: b"a," * 100_000 + b"\n",
        "a field less": lambda: header + row + b"1,2,1,1\n",
        "a field more": lambda: header + row + b"1,2,1,1,3,4\n",
        "quotation marks": lambda: header + b'"1,2,1,1,3\n' + row * 5,
        "NUL bytes": lambda: header + b"1,\x002,1,1,3\n",
        "a pickle": yard.pickle,
        "noise": lambda: bytes(range(1, 256)) * 50,
        "not UTF-8": lambda: header + b"1,\xff,1,1,3\n",
        "an id of 400 digits": lambda: header + b"9" * 400 + b",2,1,1,3\n",
        "an id of 65 bits": lambda: header + b"36893488147419103232,2,1,1,3\n",
        "an id that is code": lambda: header + b"__import__('os'),2,1,1,3\n",
        "an age that is NaN's brother": lambda: header + b"1,2,1,1,1e999\n",
        "a click that is a number": lambda: header + b"1,2,5,1,3\n",
        "a line of eight megabytes": lambda: header + row + b"1" * (1 << 23) + b",2,1,1,3\n",
        "a bomb of one line": lambda: gzip.compress(header + bytes(100_000_000)),
        "a bomb of empty lines": lambda: gzip.compress(header + b"\n" * 100_000_000),
        "a bomb of rows": lambda: gzip.compress(header + row * 10_000_000),
        "ten million empty lines": lambda: header + b"\n" * 10_000_000 + b"x",
        "a damaged archive": lambda: gzip.compress(header + row * 1000)[:-20],
    }
    for name, content in contents.items():
        path = yard.new("tenrec.csv")
        path.write_bytes(content())
        yield Attack(f"Tenrec: {name}", lambda path=path: convert_tenrec(path, "x", path.parent / "data"))


def _sequences(yard: Yard) -> Iterator[Attack]:
    """Yield text files for ``convert --format=peterrec`` and ``--format=conure``."""
    from recbole_idp.data.peterrec.convert import convert_conure, convert_peterrec

    line = b"0,0,15,208,77,,12\n"
    contents: dict[str, Callable[[], bytes]] = {
        "empty": lambda: b"",
        "zeros alone": lambda: b"0,0,0\n" * 5,
        "code": lambda: b"{'1': __import__('os')}\n" * 5,
        "a pickle": yard.pickle,
        "noise": lambda: bytes(range(1, 256)) * 50,
        "not UTF-8": lambda: line + b"1,\xff,,1\n",
        "an id of 400 digits": lambda: line + b"9" * 400 + b",,1\n",
        "a line without targets": lambda: line + b"1,2,3\n",
        "a line with targets twice": lambda: line + b"1,2,,3,,4\n",
        "commas alone": lambda: line + b"," * 1000 + b"\n",
        "an escape sequence": lambda: line + b"1,\x1b[2J,,1\n",
        "a line of eight megabytes": lambda: line + b"1," * (1 << 22) + b",1\n",
        "a bomb of lines": lambda: gzip.compress(line * 5_000_000),
        "a damaged archive": lambda: gzip.compress(line * 1000)[:-20],
    }
    for name, content in contents.items():
        path = yard.new("sequences")
        path.write_bytes(content())
        yield Attack(f"sequences: {name}", lambda path=path: convert_peterrec(path, "x", path.parent / "data"))
    for name in ("../x", "/tmp/x", "", "\x1b[2J", "x\n"):
        path = yard.new("sequences")
        path.write_bytes(line)
        yield Attack(
            f"sequences: a target named {name!r}",
            lambda path=path, name=name: convert_conure("x", path.parent / "data", targets={name: str(path)}),
        )
        yield Attack(
            f"sequences: a column named {name!r}",
            lambda path=path, name=name: convert_conure("x", path.parent / "data", labels={name: str(path)}),
        )


def _logs(yard: Yard) -> Iterator[Attack]:
    """Yield files of events, of items and of covers for NineRec, PixelRec, MIND, Adressa and TransRec."""
    from attacks.logs import FORMATS

    for name, form in FORMATS.items():
        good, line = form.events, form.events.splitlines(keepends=True)[-1]
        contents: dict[str, Callable[[], bytes]] = {
            "empty": lambda: b"",
            "a pickle": yard.pickle,
            "an array of objects": lambda: b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'shape': (1,)}\n" + yard.pickle(),
            "noise": lambda: bytes(range(1, 256)) * 50,
            "a zip": lambda: _zip({"events": b"x"}),
            "escape sequences for ids": lambda good=good: re.sub(rb"\w+", b"\x1b[2J", good),
            "empty ids": lambda good=good: re.sub(rb"\w+", b"", good),
            "a line of eight megabytes": lambda good=good: good + b"x " * (1 << 22) + b"\n",
            "a bomb of lines": lambda good=good, line=line: gzip.compress(good + line * 2_000_000),
            "a bomb of empty lines": lambda good=good: gzip.compress(good + b"\n" * 100_000_000),
            "a damaged archive": lambda good=good: gzip.compress(good * 1000)[:-20],
        }
        for what, content in contents.items():
            path = yard.new("events")
            path.write_bytes(content())
            yield Attack(f"{name}: {what}", lambda form=form, path=path: form.convert(path, path.parent))
        path = yard.new("events")
        path.write_bytes(good)
        yield Attack(
            f"{name}: a data set above", lambda form=form, path=path: form.convert(path, path.parent, name="../x")
        )
        for what, content in (("empty", b""), ("a pickle", yard.pickle()), ("noise", bytes(range(1, 256)) * 50)):
            texts = yard.new("items")
            texts.write_bytes(content)
            yield Attack(
                f"{name}: items: {what}",
                lambda form=form, path=path, texts=texts: form.convert(path, texts.parent, items=texts),
            )
        folder = yard.new("covers")
        folder.mkdir()
        (folder / f"{form.item}.jpg").symlink_to("/etc/hostname")
        yield Attack(
            f"{name}: a cover that is a link",
            lambda form=form, path=path, folder=folder: form.convert(path, folder.parent, covers=folder),
        )


def _profiles(yard: Yard) -> Iterator[Attack]:
    """Yield ``.user`` files."""
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.user_profiles import read_profiles

    header, rows = b"user_id:token\tage:token\n", b"".join(b"u%d\t%d\n" % (n, n % 2) for n in range(8))
    contents = {
        "empty": b"",
        "a header alone": header,
        "no types": header.replace(b":token", b"") + rows,
        "a column twice": header.replace(b"user_id", b"age") + rows,
        "another column": header.replace(b"age", b"job") + rows,
        "a user twice": header + rows * 2,
        "an empty id": header + rows + b"\t1\n",
        "a class of one user": header + rows + b"u9\t\x1b[2J\n",
        "one class": header + rows.replace(b"\t1", b"\t0"),
        "texts": header.replace(b"age:token", b"age:token_seq") + rows + b"u9\ta long text\n",
        "measures": header.replace(b"age:token", b"age:float") + rows + b"u9\t0.5\n",
        "a measure that is infinite": header.replace(b"age:token", b"age:float") + rows + b"u9\t1e999\n",
        "not UTF-8": header + rows + b"u9\t\xff\n",
        "a field more": header + rows + b"u9\t1\t2\n",
    }
    for name, content in contents.items():
        path = yard.new("shop.user")
        path.write_bytes(content)
        location = DatasetLocation("shop", path.parent, "shop", "an attack")
        yield Attack(f"profiles: {name}", lambda location=location: read_profiles(location, "age"))


def _users(yard: Yard) -> Iterator[Attack]:
    """Yield files of users for the task recommend."""
    from recbole_idp.serving.users_file import UsersFile

    contents = {
        "empty": b"",
        "a field less": b"u1\n",
        "a field more": b"u1\ti1\ti2\n",
        "no user": b"\ti1\n",
        "not UTF-8": b"u1\t\xff\n",
        "a pickle": yard.pickle(),
        "a line of sixteen megabytes": b"u1\t" + b"i " * (1 << 23) + b"\n",
        "times that are NaN": _HEADER + b"u1\ti1\tnan\n",
        "no items": b"user_id:token\ttimestamp:float\nu1\t1\n",
        "a column twice": b"user_id:token\titem_id:token\titem_id:token\nu1\ti\ti\n",
        "a header alone": _HEADER,
        "an empty id": _HEADER + b"\ti1\t1\n",
    }
    for name, content in contents.items():
        path = yard.new("users")
        path.write_bytes(content)
        yield Attack(f"users: {name}", lambda path=path: list(UsersFile(Path(path))))
    yield Attack("users: a folder", lambda: UsersFile(yard.root))
