"""Damage to JSON files and to files of tensors that any reader of such a file must refuse."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from attacks.kit import Yard

Damage = Callable[[bytes], bytes]


def json_damages(yard: Yard) -> dict[str, Damage]:
    """Return damage to a JSON file, by name."""
    return {
        "empty": lambda content: b"",
        "no JSON": lambda content: b"{'a': __import__('os').system('true')}",
        "cut in half": lambda content: content[: len(content) // 2],
        "nested 20,000 deep as lists": lambda content: b"[" * 20_000 + b"]" * 20_000,
        "nested 100,000 deep as objects": lambda content: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "a number": lambda content: b"7",
        "a text": lambda content: b'"' + b"a" * 1000 + b'"',
        "numbers": lambda content: b"[1, 2, 3]",
        "not UTF-8": lambda content: b'{"a": "\xff\xfe"}',
        "a number of a million digits": lambda content: b'{"format": ' + b"9" * 1_000_000 + b"}",
        "a pickle": lambda content: yard.pickle(),
        "NUL bytes": lambda content: bytes(len(content)),
    }


def _file(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def _zip(yard: Yard) -> bytes:
    """Return what torch.save writes: a pickle in a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", yard.pickle())
    return buffer.getvalue()


def tensor_damages(yard: Yard) -> dict[str, Damage]:
    """Return damage to a safetensors file, by name."""
    one = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    huge = {"a": {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 1 << 62]}}
    wrapping = {"a": {"dtype": "F32", "shape": [1 << 33, 1 << 33], "data_offsets": [0, 4]}}
    return {
        "empty": lambda content: b"",
        "a pickle": lambda content: yard.pickle(),
        "a pickle in a zip": lambda content: _zip(yard),
        "cut in half": lambda content: content[: len(content) // 2],
        "a header of 2^63 bytes": lambda content: struct.pack("<Q", 1 << 63) + content[8:],
        "a header of 99 MB that is not there": lambda content: struct.pack("<Q", 99_000_000) + content[8:],
        "a header that is no JSON": lambda content: _file(b"{'a': 1}", bytes(4)),
        "a header that is a list": lambda content: _file(b"[1, 2]", bytes(4)),
        "a header nested 20,000 deep": lambda content: _file(b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
        "tensors of 2^60 numbers": lambda content: _file(json.dumps(huge).encode(), bytes(4)),
        "a size that wraps": lambda content: _file(json.dumps(wrapping).encode(), bytes(4)),
        "tensors that overlap": lambda content: _file(json.dumps({"a": one, "b": one}).encode(), bytes(4)),
        "bytes that belong to no tensor": lambda content: content + bytes(64),
        "another tensor alone": lambda content: _file(json.dumps({"a": one}).encode(), bytes(4)),
        "no tensor": lambda content: _file(b"{}"),
    }


def rewritten_tensors(path: Path, change: Callable) -> None:
    """Write a safetensors file anew with each tensor changed."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file({name: change(value) for name, value in load_file(path).items()}, path, metadata=metadata)


def value_damages() -> dict[str, Callable]:
    """Return changes of tensors that no reader may accept, by name."""
    import torch
    from safetensors.torch import save

    def spoilt(value: float) -> Callable:
        def change(tensor: torch.Tensor) -> torch.Tensor:
            changed = tensor.clone()
            if changed.is_floating_point() and changed.numel():
                changed.view(-1)[-1] = value
            return changed

        return change

    found = {
        "a NaN": spoilt(float("nan")),
        "an infinite number": spoilt(float("inf")),
        "other shapes": lambda tensor: torch.zeros((3, 2, 1), dtype=tensor.dtype),
    }
    try:
        save({"one": torch.zeros(1, dtype=torch.complex64)})
    except KeyError:
        # The oldest safetensors that are allowed write no such type.
        return found
    return {**found, "other types": lambda tensor: tensor.to(torch.complex64)}
