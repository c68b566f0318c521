"""Save checkpoints as one safetensors file: tensors, and the rest as JSON in its header. Nothing is unpickled."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from recbole_idp.errors import UserError
from recbole_idp.storage.files import json_value, replacing
from recbole_idp.storage.plain import plain
from recbole_idp.storage.schema import ObjectOf, OptionalKey, check_schema
from recbole_idp.storage.tensors import check_finite, reserve_buffer

if TYPE_CHECKING:
    import torch
    from torch import nn

FORMAT = "recbole_idp checkpoint"
VERSION = 1
OPTIMIZER = "optimizer/"
MODEL = "model/"
_SCHEMA = {"description": ObjectOf(), "param_groups": OptionalKey([{"params": [int]}])}


def save_checkpoint(
    path: str | Path, model: nn.Module, description: Mapping[str, Any], optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Write a model to a file, and the state of its optimizer if one is given.

    The file is written whole or not at all.

    Args:
        path: The file.
        model: Its ``state_dict`` is written.
        description: JSON-serialisable facts: configuration, epoch, score.
        optimizer: Its state is written too, so that training can be resumed.

    Raises:
        UserError: The file cannot be written.
    """
    # The file takes no memory twice; some models hold a tensor by two names, or a part of another.
    seen: set[int] = set()
    tensors = {}
    for name, value in model.state_dict().items():
        value = value.detach().cpu().contiguous()
        place = value.untyped_storage().data_ptr()
        tensors[MODEL + name] = value.clone() if place in seen else value
        seen.add(place)
    header = {"format": FORMAT, "version": VERSION, "description": description}
    if optimizer is not None:
        state = optimizer.state_dict()
        header["param_groups"] = state["param_groups"]
        for number, values in state["state"].items():
            for name, value in values.items():
                tensors[f"{OPTIMIZER}{number}/{name}"] = value.detach().cpu().contiguous()
    with replacing(path) as temporary:
        reserve_buffer()
        save_file(tensors, temporary, metadata={"recbole_idp": json.dumps(header, default=plain)})


def load_checkpoint(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, Any] | None]:
    """Read a checkpoint.

    Args:
        path: A file that :func:`save_checkpoint` wrote.

    Returns:
        The state of the model, the description, and the state of the optimizer, None where it was not saved.

    Raises:
        UserError: The file is missing, is damaged, or is not a checkpoint of this version.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}: give the .safetensors file that training wrote under saved/")
    try:
        with safe_open(path, framework="pt") as file:
            header = json_value((file.metadata() or {}).get("recbole_idp", "{}"))
            if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("version") != VERSION:
                raise UserError(f"{path} is not a checkpoint of this version of recbole_idp: train again to write one")
            check_schema(header, _SCHEMA)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        check_finite({name: tensor for name, tensor in tensors.items() if name.startswith(MODEL)})
    except (SafetensorError, ValueError, OSError) as error:
        raise UserError(f"{path} is not a readable checkpoint ({error}): delete it and train again") from error
    model = {name[len(MODEL) :]: value for name, value in tensors.items() if name.startswith(MODEL)}
    if "param_groups" not in header:
        return model, header["description"], None
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(OPTIMIZER):
            number, _, key = name[len(OPTIMIZER) :].partition("/")
            if not re.fullmatch("[0-9]{1,9}", number) or not key:
                raise UserError(f"{path} is not a readable checkpoint ({name} is unknown): delete it and train again")
            state.setdefault(int(number), {})[key] = value
    return model, header["description"], {"state": state, "param_groups": header["param_groups"]}
