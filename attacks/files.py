"""Hostile checkpoints, results, leaderboards, ranks, journals and caches."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from attacks.damage import json_damages, rewritten_tensors, tensor_damages, value_damages
from attacks.kit import Attack, Yard
from attacks.samples import Samples
from recbole_idp.errors import UserError


def attacks(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield attacks on single files."""
    yield from _checkpoints(samples, yard)
    yield from _reports(samples, yard)
    yield from _ranks(samples, yard)
    yield from _cache(samples, yard)


def _checkpoints(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield checkpoints that are damaged, or have another header."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    from recbole_idp.storage.checkpoint import load_checkpoint

    path = samples.checkpoint
    for name, damage in tensor_damages(yard).items():
        copied = yard.copy(path)
        copied.write_bytes(damage(path.read_bytes()))
        yield Attack(f"checkpoint: {name}", lambda copied=copied: load_checkpoint(copied))
    for name, change in value_damages().items():
        if name.startswith("other"):
            # The model that takes the weights decides on these.
            continue
        copied = yard.copy(path)
        rewritten_tensors(copied, change)
        yield Attack(f"checkpoint: {name}", lambda copied=copied: load_checkpoint(copied))
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["recbole_idp"])
    headers = {
        "facts that are a list": "[]",
        "facts that are a number": "3",
        "facts that are null": "null",
        "facts nested 20,000 deep": "[" * 20_000 + "]" * 20_000,
        "facts that are no JSON": "os.system('true')",
        "another format": json.dumps({**header, "format": "evil"}),
        "a version that is a list": json.dumps({**header, "version": [1]}),
        "no description": json.dumps({key: value for key, value in header.items() if key != "description"}),
        "a description that is a text": json.dumps({**header, "description": "x"}),
        "groups that are a number": json.dumps({**header, "param_groups": 3}),
        "groups that are texts": json.dumps({**header, "param_groups": ["x"]}),
        "groups without parameters": json.dumps({**header, "param_groups": [{}]}),
    }
    for name, text in headers.items():
        copied = yard.copy(path)
        save_file(load_file(path), copied, metadata={"recbole_idp": text})
        yield Attack(f"checkpoint: {name}", lambda copied=copied: load_checkpoint(copied))
    for name, key in (("a state of no number", "optimizer/x/exp_avg"), ("a state without a name", "optimizer/3")):
        copied = yard.copy(path)
        state = load_file(path)
        groups = {**header, "param_groups": [{"params": [0]}]}
        save_file(
            {**state, key: next(iter(state.values())).clone()}, copied, metadata={"recbole_idp": json.dumps(groups)}
        )
        yield Attack(f"checkpoint: {name}", lambda copied=copied: load_checkpoint(copied))
    yield Attack("checkpoint: a folder", lambda: load_checkpoint(yard.root))


def _reports(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield results and leaderboards that are damaged, or say impossible things."""
    from recbole_idp.report.board.file import read_board
    from recbole_idp.report.result import read_result

    for kind, path, read in (("result", samples.result, read_result), ("leaderboard", samples.board, read_board)):
        for name, damage in json_damages(yard).items():
            copied = yard.copy(path)
            copied.write_bytes(damage(path.read_bytes()))
            yield Attack(f"{kind}: {name}", lambda copied=copied, read=read: read(copied))
        sound = json.loads(path.read_text(encoding="utf-8"))
        for name, value in _impossible(kind, sound).items():
            copied = yard.copy(path)
            copied.write_text(json.dumps(value), encoding="utf-8")
            yield Attack(f"{kind}: {name}", lambda copied=copied, read=read: read(copied))
        yield Attack(f"{kind}: a folder", lambda read=read: read(yard.root))
        yield Attack(f"{kind}: zeros without end", lambda read=read: read(Path("/dev/zero")))
        large = yard.new("large.json")
        with open(large, "wb") as file:
            file.write(b"[")
            file.truncate(1 << 29)
        yield Attack(f"{kind}: half a gigabyte", lambda read=read, large=large: read(large))


def _impossible(kind: str, sound: dict) -> dict[str, object]:
    """Return values of a file that its reader must refuse, by name."""
    found: dict[str, object] = {
        "another format": {**sound, "format": "evil"},
        "a format that is a list": {**sound, "format": [1]},
        "a format of tomorrow": {**sound, "format": 10**9},
        "seeds that are texts": {**sound, "seeds": ["\x1b[2J"]},
    }
    if kind == "result":
        row, facts = next(iter(sound["variants"].items()))
        found.update(
            {
                "variants that are a list": {**sound, "variants": []},
                "a variant that is a number": {**sound, "variants": {row: 3}},
                "no runs": {**sound, "variants": {row: {**facts, "runs": []}}},
                "a metric that is NaN": {**sound, "variants": {row: {**facts, "test": {"mrr": float("nan")}}}},
                "a metric that is a text": {**sound, "variants": {row: {**facts, "test": {"mrr": "<script>"}}}},
                "a metric that is infinite": {**sound, "variants": {row: {**facts, "test": {"mrr": float("inf")}}}},
                "runs of other metrics": {**sound, "variants": {row: {**facts, "test": {"\x1b]0;x\x07": 1.0}}}},
            }
        )
    else:
        board = sound["boards"][0]
        found.update(
            {
                "boards that are an object": {**sound, "boards": {}},
                "no boards": {**sound, "boards": []},
                "a board twice": {**sound, "boards": [board, board]},
                "rows that are texts": {**sound, "boards": [{**board, "rows": ["x"]}]},
                "a row twice": {**sound, "boards": [{**board, "rows": board["rows"][:1] * 2}]},
                "a comparison with nobody": {**sound, "boards": [{**board, "rows": board["rows"][:1]}]},
                "a metric that nobody has": {**sound, "metric": "evil@10"},
            }
        )
    return found


def _ranks(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield files of ranks that are damaged, named with their right hash; and results that name other files."""
    from recbole_idp.report.ranks import load_ranks
    from recbole_idp.report.result import read_ranks
    from recbole_idp.storage.files import sha256_of_file

    named = json.loads(samples.result.read_text(encoding="utf-8"))["ranks"]
    path = samples.result.with_name(named["file"])
    damages: dict[str, Callable[[Path], object]] = {
        name: lambda copied, damage=damage: copied.write_bytes(damage(path.read_bytes()))
        for name, damage in tensor_damages(yard).items()
    }
    damages["other shapes"] = lambda copied: rewritten_tensors(copied, value_damages()["other shapes"])
    damages["other types"] = lambda copied: rewritten_tensors(copied, value_damages()["other types"])
    for name, damage in damages.items():
        copied = yard.copy(path)
        damage(copied)
        yield Attack(f"ranks: {name}", lambda copied=copied: load_ranks(copied, sha256_of_file(copied)))
    yield Attack("ranks: another hash", lambda: load_ranks(path, "0" * 64))
    for name, said in (
        ("a number", 3),
        ("a file of the system", {"file": "/etc/hostname", "sha256": "0" * 64}),
        ("a file above", {"file": "../x.safetensors", "sha256": "0" * 64}),
        ("a file that is a list", {"file": [], "sha256": "0" * 64}),
    ):
        copied = yard.copy(samples.result)
        copied.write_text(json.dumps({**json.loads(copied.read_text(encoding="utf-8")), "ranks": said}))
        yield Attack(f"ranks: a result names {name}", lambda copied=copied: read_ranks(copied))


def _cache(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield caches with hostile shards: none of their vectors is taken, and the texts are encoded again."""
    from recbole_idp.content.text.cache import encode_cached
    from recbole_idp.content.text.encoder import open_text_encoder

    encoder = open_text_encoder(samples.lsa)
    texts = ["red pen", "wall clock"]
    right = encoder.encode(texts)
    cache = yard.new("cache")
    encode_cached(encoder, texts, cache)
    damages: dict[str, Callable[[Path], object]] = {
        name: lambda path, damage=damage: path.write_bytes(damage(path.read_bytes()))
        for name, damage in tensor_damages(yard).items()
    }
    for name, change in value_damages().items():
        damages[name] = lambda path, change=change: rewritten_tensors(path, change)

    def linked(path: Path) -> None:
        path.rename(path.parent / "other")
        path.symlink_to(path.parent / "other")

    damages["a link"] = linked
    damages["a header of garbage"] = lambda path: path.write_bytes(struct.pack("<Q", 4) + b"\xff\xff\xff\xff")
    for name, damage in damages.items():
        copied = yard.copy(cache)
        damage(next(copied.rglob("shard-*.safetensors")))

        def read(copied: Path = copied) -> None:
            vectors, report = encode_cached(encoder, texts, copied)
            if report.from_cache == 0 and np.array_equal(vectors, right):
                raise UserError("the shard was left out, and its texts were encoded again")

        yield Attack(f"cache: {name}", read)
