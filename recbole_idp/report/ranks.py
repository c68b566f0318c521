"""The ranks of all test targets, in a file beside their result: the input of paired tests over users."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from recbole_idp.errors import UserError
from recbole_idp.storage.files import replacing, sha256_of_file
from recbole_idp.storage.tensors import read_tensors, reserve_buffer

SUFFIX = ".ranks.safetensors"
_USERS = "users"


@dataclass(frozen=True)
class Ranks:
    """Ranks of R test targets in T trials.

    Attributes:
        users: User of each target; length R.
        trials: Rank of each target by the trial's name, from 1; int32, shape [R].
    """

    users: list[str]
    trials: dict[str, np.ndarray]


def save_ranks(path: str | Path, ranks: Ranks) -> str:
    """Write ranks, whole or not at all.

    Args:
        path: The file.
        ranks: The ranks.

    Returns:
        The SHA-256 of the file, which :func:`load_ranks` checks.

    Raises:
        UserError: The file cannot be written.
    """
    # No id has a line break: atomic files have one line an event.
    users = np.frombuffer("\n".join(ranks.users).encode(), dtype=np.uint8)
    tensors = {f"ranks/{name}": np.asarray(values, dtype=np.int32) for name, values in ranks.trials.items()}
    with replacing(path) as temporary:
        reserve_buffer()
        save_file({_USERS: users, **tensors}, temporary)
        return sha256_of_file(temporary)


def load_ranks(path: str | Path, sha256: str) -> Ranks:
    """Read ranks.

    Args:
        path: A file that :func:`save_ranks` wrote.
        sha256: The SHA-256 that :func:`save_ranks` returned.

    Returns:
        The ranks.

    Raises:
        UserError: The file is missing, damaged, or has another SHA-256.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is missing: keep it next to its result, or run again")
    try:
        if sha256_of_file(path) != sha256:
            raise UserError(f"{path} is damaged or was changed: copy it again, or run again")
        tensors = {name: tensor.numpy() for name, tensor in read_tensors(path).items()}
        text = tensors.pop(_USERS).tobytes().decode()
        if any(values.dtype != np.int32 or values.ndim != 1 for values in tensors.values()):
            raise ValueError("its ranks are no whole numbers")
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{path} is not readable ({error}): copy it again, or run again") from error
    return Ranks(text.split("\n"), {name.removeprefix("ranks/"): values for name, values in tensors.items()})
