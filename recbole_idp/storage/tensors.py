"""Read files of tensors that anybody may have written, and prepare writing them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recbole_idp.terminal.printable import printable

if TYPE_CHECKING:
    import torch


# Twice the buffer with which safetensors writes files.
_BUFFER_BYTES = 2 << 20


def reserve_buffer() -> None:
    """Check that safetensors can allocate its buffer; call it before a file is written.

    Raises:
        MemoryError: It cannot. The library itself would end the process without a word.
    """
    bytearray(_BUFFER_BYTES)


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file, and check that its numbers are numbers.

    Args:
        path: The file.

    Returns:
        The tensors by name.

    Raises:
        ValueError: The file is missing, is no safetensors file, or holds NaN or infinite values. The text is one line.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    check_finite(tensors)
    return tensors


def check_finite(tensors: dict[str, torch.Tensor]) -> None:
    """Check that tensors hold no NaN and nothing infinite.

    Args:
        tensors: Tensors by name.

    Raises:
        ValueError: One does.
    """
    for name, tensor in tensors.items():
        if tensor.is_complex():
            raise ValueError(f"{printable(name)[:80]} has complex numbers")
        if not tensor.is_floating_point():
            continue
        # Types of eight bits have no test of their own.
        values = tensor.float() if tensor.element_size() == 1 else tensor
        if not values.isfinite().all():
            raise ValueError(f"{printable(name)[:80]} has values that are not numbers")
