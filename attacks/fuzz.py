"""Fuzz a reader: mutate sound inputs, and look for anything but a value or a refusal in one line.

``python -m attacks.fuzz READER --inputs=100000 --seed=1``; ``python -m attacks.fuzz all`` tries all readers.
"""

import argparse
import json
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from attacks.logs import FORMATS, USER_LINES, LogFormat
from recbole_idp.errors import UserError

_WORDS = (
    b"", b"\x00", b"\xff", b"\n", b"\t", b"\r", b'"', b"'", b"[", b"]", b"{", b"}", b":", b",", b"null", b"NaN", b"-1",
    b"0", b"1e999", b"true", b"\x1b[2J", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"18446744073709551616", b"F32", b"<<: *a",
    b"&a", b"*a", b"!!python/name:os.system", b"../", b"[" * 50, b"9" * 400, b"\xe2\x80\xae", b"float", b"token",
    b"\t\t", b"\n\n",
)  # fmt: skip


_TENREC = b"""user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age
1,10023,1,0,0,0,1,2,1,3
1,555,1,0,1,0,1,1,1,3
2,98,0,0,0,0,\\N,0,2,5
"""
_PROFILES = b"user_id:token\tage:token\n" + b"".join(b"u%d\t%d\n" % (user, user % 2) for user in range(8))
SEEDS = Path(__file__).parent / "seeds"


class Reader(NamedTuple):
    """A reader of strangers' files.

    Attributes:
        seeds: Sound inputs.
        read: Reads an input from a file of these bytes.
        refusals: Errors by which it refuses, besides UserError.
    """

    seeds: list[bytes]
    read: Callable[[Path], object]
    refusals: tuple[type[Exception], ...] = ()


def mutated(draw: random.Random, seeds: list[bytes]) -> bytes:
    """Return a random mutation of a seed."""
    content = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        place = draw.randrange(len(content) + 1)
        end = min(len(content), place + draw.choice((0, 1, 1, 4, 16, 64)))
        kind = draw.randrange(6)
        if kind == 0 and content:
            content[place % len(content)] ^= 1 << draw.randrange(8)
        elif kind == 1:
            content[place:end] = draw.choice(_WORDS)
        elif kind == 2:
            del content[place:end]
        elif kind == 3:
            content[place:place] = content[place:end] * draw.choice((1, 2, 20))
        elif kind == 4:
            other = draw.choice(seeds)
            start = draw.randrange(len(other) + 1)
            content[place:end] = other[start : start + draw.choice((1, 8, 64))]
        else:
            content[place:place] = draw.randbytes(draw.choice((1, 2, 8)))
    return bytes(content)


def fuzz(reader: Reader, inputs: int, seed: int, folder: Path) -> tuple[int, list[tuple[bytes, str]]]:
    """Fuzz a reader.

    Args:
        reader: The reader.
        inputs: How many inputs are tried.
        seed: Seed of the mutations.
        folder: An empty folder, best in memory.

    Returns:
        How many inputs were refused, and those that ended otherwise with how, ten at most.
    """
    draw, path, refused = random.Random(seed), folder / "input", 0
    wrong: list[tuple[bytes, str]] = []
    for _ in range(inputs):
        content = mutated(draw, reader.seeds)
        path.write_bytes(content)
        started = time.process_time()
        try:
            reader.read(path)
        except UserError as error:
            refused += 1
            if not str(error).isprintable():
                wrong.append((content, f"a line that is not printable: {str(error)[:200]!r}"))
        except reader.refusals:
            refused += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            wrong.append((content, f"{type(error).__name__}: {str(error)[:300]}"))
        if time.process_time() - started > 10:
            wrong.append((content, "took more than 10 s"))
        if len(wrong) >= 10:
            break
    return refused, wrong


def _tensor_file(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def readers() -> dict[str, Reader]:
    """Return all readers by name."""
    from recbole_idp.config.layers import read_file
    from recbole_idp.content.text.layout import PartError, listed_parts
    from recbole_idp.data.amazon.reviews import read_reviews, review_layout
    from recbole_idp.data.atomic import read_atomic
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.convert.lines import RawFile
    from recbole_idp.data.item_text import read_item_texts
    from recbole_idp.data.peterrec.lines import has_targets, read_lines
    from recbole_idp.data.tenrec.table import read_layout, read_rows
    from recbole_idp.data.user_profiles import read_profiles
    from recbole_idp.report.board.file import read_board
    from recbole_idp.report.board.text import board_text
    from recbole_idp.report.result import markdown_table, read_result
    from recbole_idp.serving.users_file import UsersFile
    from recbole_idp.storage.checkpoint import FORMAT, VERSION, load_checkpoint
    from recbole_idp.storage.files import fingerprint
    from recbole_idp.storage.sealed import read_sealed
    from recbole_idp.storage.tensors import read_tensors

    tensors = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}
    facts = {"format": FORMAT, "version": VERSION, "description": {"epoch": 1}, "param_groups": [{"params": [0]}]}
    header = json.dumps(facts)
    named = {**tensors, "__metadata__": {"a": "b"}}
    model = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    state = {**model, "data_offsets": [8, 16]}
    checkpoint = {"__metadata__": {"recbole_idp": header}, "model/w": model, "optimizer/0/exp_avg": state}
    rows = "".join(f"u{row}\ti{row % 3}\t{row}.5\n" for row in range(6))
    items = 'item_id:token\ttitle:token_seq\tprice:float\ni1\tRed pen\t1\ni2\t\xc4rmel "x"\t\n'
    review = {"reviewerID": "u", "asin": "i", "overall": 5.0, "unixReviewTime": 1388534400, "helpful": [0, 1]}
    new = {"user_id": "u", "parent_asin": "i", "rating": 4.0, "timestamp": 1388534400000}
    settings = "epochs: 3\ntopk: [5, 10]\na: &a {x: 1e-3}\nb:\n  <<: *a\n  y: 'text'\neval_args: {split: {LS: test}}\n"

    def reviews(path: Path) -> None:
        file = RawFile(path)
        read_reviews([file], review_layout(file))

    def tenrec(path: Path) -> None:
        for _ in read_rows(read_layout(path, "click")):
            pass

    def sequences(path: Path) -> None:
        for _ in read_lines(path, has_targets(path)):
            pass

    def profiles(path: Path) -> None:
        path.replace(path.with_name("shop.user"))
        read_profiles(DatasetLocation("shop", path.parent, "shop", "fuzzed"), "age")

    def bundle(path: Path) -> None:
        # With the right checksum, so that the check behind it is reached.
        place = path.parent / "bundle.json"
        try:
            value = json.loads(path.read_bytes())
            value.pop("checksum", None)
            value["checksum"] = fingerprint(value)
            place.write_text(json.dumps(value), encoding="utf-8", errors="surrogatepass")
        except (ValueError, AttributeError, TypeError, RecursionError):
            place.write_bytes(path.read_bytes())
        _bundle_card(read_sealed(path.parent, _bundle_format()))

    def modules(path: Path) -> None:
        path.replace(path.with_name("modules.json"))
        listed_parts(path.parent)

    def log(form: LogFormat) -> Reader:
        def read(path: Path) -> None:
            with tempfile.TemporaryDirectory(dir=path.parent) as place:
                form.convert(path, Path(place))

        return Reader([form.events, USER_LINES], read)

    def items_of_log(form: LogFormat) -> Reader:
        def read(path: Path) -> None:
            with tempfile.TemporaryDirectory(dir=path.parent) as place:
                sound = Path(place) / "events"
                sound.write_bytes(form.events)
                form.convert(sound, Path(place), items=path)

        return Reader([form.items], read)

    lines = [(json.dumps(record) + "\n").encode() for record in (review, new)]
    lines += [b"u,i,5.0,1388534400\n", (repr(review) + "\n").encode()]
    result, board = _results()
    return {
        "atomic": Reader([f"user_id:token\titem_id:token\ttimestamp:float\n{rows}".encode()], read_atomic),
        "items": Reader([items.encode()], read_item_texts),
        "yaml": Reader([settings.encode(), b"a: 1\nb: [x, {y: z}]\n"], read_file),
        "tensors": Reader([_tensor_file(found, bytes(16)) for found in (tensors, named)], read_tensors, (ValueError,)),
        "checkpoint": Reader([_tensor_file(checkpoint, bytes(16))], load_checkpoint),
        "bundle": Reader([_description()], bundle),
        "modules": Reader([_modules()], modules, (PartError,)),
        "result": Reader([result], lambda path: markdown_table(read_result(path))),
        "board": Reader([board], lambda path: board_text(read_board(path))),
        "reviews": Reader([line * 3 for line in lines], reviews),
        "tenrec": Reader([_TENREC], tenrec),
        "sequences": Reader([b"0,0,15,208,77\n0,5,15,92,4\n" * 2, b"0,0,15,208,,77\n0,92,4,,15,8\n"], sequences),
        "profiles": Reader(
            [b"user_id:token\tage:token\n" + b"".join(b"u%d\t%d\n" % (n, n % 2) for n in range(8))], profiles
        ),
        **{name: log(form) for name, form in FORMATS.items()},
        **{f"{name}_items": items_of_log(form) for name, form in FORMATS.items()},
        "users": Reader(
            [b"u1\ti1 i2\nu2\ti3\n", b"user_id:token\titem_id:token\ttimestamp:float\nu\ti\t1\nu\tj\t0\n"],
            lambda path: list(UsersFile(path)),
        ),
    }


def _bundle_format() -> object:
    from recbole_idp.models.idp.bundle import Bundle

    return Bundle.folder_format


def _bundle_card(description: dict) -> None:
    """Read of a description what the package reads once it was checked."""
    [domain["name"] for domain in description["domains"]]
    description["encoder"]["hidden_size"] + 1


def _description() -> bytes:
    """Return the description of a bundle."""
    value = {
        "format": "recbole_idp bundle",
        "version": 2,
        "fingerprint": "0123",
        "domains": [{"name": "pens", "users": 3, "items": 2, "interactions": 9}],
        "encoder": {"kind": "sasrec", "hidden_size": 16},
        "valid": {"ndcg@10": 0.5},
        "cdim": {"matcher": "head"},
        "sha256": {"encoder.safetensors": "0", "items.safetensors": "0", "items.tsv": "0"},
    }
    return json.dumps(value).encode()


def _modules() -> bytes:
    """Return the list of parts of a sentence encoder."""
    names = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
    listed = [
        {"idx": 0, "name": "0", "path": path, "type": f"sentence_transformers.models.{name}"} for name, path in names
    ]
    return json.dumps(listed).encode()


def _results() -> tuple[bytes, bytes]:
    """Return a small result and a small leaderboard."""
    from tests.support.boards import leaderboard

    board = leaderboard(models={"Pop": (0.1, 1.0), "IDP": (0.2, 2.0)}, datasets=("Office",))
    return (SEEDS / "result.json").read_bytes(), json.dumps(board).encode()


def main(argv: list[str]) -> int:
    """Fuzz readers, print the counts, and return 1 where an input was neither read nor refused."""
    parser = argparse.ArgumentParser(prog="python -m attacks.fuzz", description=__doc__)
    parser.add_argument("reader", help="one of the readers, or all")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    found, bad = readers(), 0
    memory = Path("/dev/shm")
    for name in found if options.reader == "all" else [options.reader]:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            refused, wrong = fuzz(found[name], options.inputs, options.seed, Path(folder))
        seconds = time.perf_counter() - started
        print(
            f"{name}: {options.inputs:,} inputs, {refused:,} refused, {len(wrong)} crashes, {seconds:.0f} s", flush=True
        )
        for content, how in wrong:
            print(f"  {how}\n    {content[:600]!r}")
        bad += len(wrong)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
