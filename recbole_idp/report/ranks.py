"""The ranks of all test targets, beside the result that they belong to: what paired tests over users are made of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recbole_idp.errors import UserError
from recbole_idp.storage.files import replacing, sha256_of_file

SUFFIX = ".ranks.safetensors"
_USERS = "users"


@dataclass(frozen=True)
class Ranks:
    """Ranks of R test targets in T trials.

    Attributes:
        users (list[str]): Whose target it is; length R.
        trials (dict[str, np.ndarray]): By the trial's name the rank of each target, from 1; int32, shape [R].
    """

    users: list
    trials: dict


def save_ranks(path, ranks):
    """Writes ranks, whole or not at all.

    Args:
        path (str | Path): The file.
        ranks (Ranks): The ranks.

    Returns:
        str: The SHA-256 of the file, by which :func:`load_ranks` knows it.

    Raises:
        UserError: The file cannot be written.
    """
    # No id has a line break: atomic files have one line an event.
    users = np.frombuffer("\n".join(ranks.users).encode(), dtype=np.uint8)
    tensors = {f"ranks/{name}": np.asarray(values, dtype=np.int32) for name, values in ranks.trials.items()}
    with replacing(path) as temporary:
        save_file({_USERS: users, **tensors}, temporary)
        return sha256_of_file(temporary)


def load_ranks(path, sha256):
    """Reads ranks.

    Args:
        path (str | Path): A file that :func:`save_ranks` wrote.
        sha256 (str): What it returned.

    Returns:
        Ranks: The ranks.

    Raises:
        UserError: The file is missing, damaged, or another one.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is missing: keep it beside its result, or run again")
    try:
        if sha256_of_file(path) != sha256:
            raise UserError(f"{path} is damaged or was changed: copy it anew, or run again")
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not readable ({error}): copy it anew, or run again") from error
    text = tensors.pop(_USERS).tobytes().decode()
    return Ranks(text.split("\n"), {name.removeprefix("ranks/"): values for name, values in tensors.items()})
