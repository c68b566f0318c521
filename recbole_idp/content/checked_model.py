"""Models of transformers, read from JSON and safetensors that anybody may have written: no code is run or fetched."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.content.text.layout import CONFIG, WEIGHTS, PartError, json_object
from recbole_idp.storage.tensors import read_tensors
from recbole_idp.terminal.printable import printable

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

SHARDS = "model.safetensors.index.json"

# Keys by which a config.json would have code fetched or other packages called.
_CODE = (
    "auto_map", "custom_pipelines", "quantization", "attn_implementation", "attn_impl", "experts_implementation",
    "kernel", "adapter", "peft", "trust_remote_code", "base_model_name",
)  # fmt: skip
UNUSED = {
    "_name_or_path", "_commit_hash", "architectures", "dtype", "torch_dtype", "transformers_version", "use_cache",
    "num_labels", "id2label", "label2id", "return_dict", "output_attentions", "output_hidden_states", "torchscript",
    "pruned_heads", "problem_type", "finetuning_task", "task_specific_params", "model_type", "is_local",
    "is_encoder_decoder", "tie_word_embeddings",
}  # fmt: skip
"""Keys that do not change a vector, or are set here; the number of labels makes a list as long as it says."""

_MOST_LAYERS, _MOST_GROUPS, _LARGEST = 512, 8, 1 << 31


def checked_config(kind: Any, values: Mapping[str, Any], n_tensors: int) -> PretrainedConfig:
    """Return the configuration of a model.

    Args:
        kind: Its class in transformers.
        values: What its config.json says.
        n_tensors: How many tensors its weights have.

    Raises:
        PartError: It names code, or has a size that its weights cannot have.
    """
    _check_values(values, n_tensors)
    return kind.config_class(**{key: value for key, value in values.items() if key not in UNUSED})


def model_of(kind: Any, config: PretrainedConfig, tensors: dict[str, torch.Tensor]) -> tuple[PreTrainedModel, set[str]]:
    """Return a model with given weights.

    Args:
        kind: Its class in transformers.
        config: Its configuration.
        tensors: Its weights by name.

    Returns:
        The model, and the names of weights that it lacks, all of which belong to a pooler.

    Raises:
        PartError: The weights do not fit the configuration.
    """
    with torch.device("meta"):
        # A copy: a model may write into its configuration.
        sizes = kind(copy.deepcopy(config))
    described = sum(tensor.numel() for tensor in (*sizes.parameters(), *sizes.buffers()))
    stored = sum(tensor.numel() for tensor in tensors.values())
    if described > 2 * stored + _LARGEST // 1024:
        raise PartError(f"{CONFIG} describes {described:,} numbers, and the weights have {stored:,}")
    # Values by name alone: no file is looked for, and none of the folder is opened by the library.
    model, report = kind.from_pretrained(None, config=config, state_dict=tensors, output_loading_info=True)
    missing = [name for name in report["missing_keys"] if "pooler" not in name]
    if missing:
        raise PartError(f"the weights lack {printable(sorted(missing)[0])[:80]}")
    return model, set(report["missing_keys"])


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a folder, of one file or of those that an index lists, as float32.

    Args:
        folder: The folder.

    Raises:
        PartError: They cannot be read.
    """
    names = [WEIGHTS]
    if not (folder / WEIGHTS).is_file() and (folder / SHARDS).is_file():
        listed = json_object(folder / SHARDS).get("weight_map")
        names = sorted({str(name) for name in listed.values()}) if isinstance(listed, dict) else []
        if any("/" in name or "\\" in name or not name.endswith(".safetensors") for name in names):
            raise PartError(f"{SHARDS} names files other than weights in its folder")
    tensors: dict[str, torch.Tensor] = {}
    try:
        for name in names:
            tensors.update(read_tensors(folder / name))
    except ValueError as error:
        raise PartError(f"{name} cannot be read ({error})") from error
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def _check_values(values: Mapping[str, Any], n_tensors: int) -> None:
    """Check that a configuration names no code and has no size that its weights cannot have."""
    for key, value in values.items():
        if any(part in key for part in _CODE) and value is not None:
            raise PartError(f"{CONFIG} has {printable(key)[:40]}, which would run code of its own or of other packages")
        if key in UNUSED:
            continue
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        most = min(_MOST_LAYERS, n_tensors) if "layers" in key else _MOST_GROUPS if "group" in key else _LARGEST
        if any(type(number) in (int, float) and not -_LARGEST <= number <= most for number in inner):
            said = f"{printable(key)[:40]}={printable(value)[:40]}"
            raise PartError(f"{CONFIG} has {said}, which the weights do not have")
