"""The transformer of a sentence encoder, read from JSON and safetensors alone.

config.json -> one of :data:`ARCHITECTURES`, sizes that the weights have -> model <- tensors
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from recbole_idp.content.text.layout import CONFIG, WEIGHTS, PartError, json_object
from recbole_idp.storage.tensors import read_tensors
from recbole_idp.terminal.printable import printable

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

SETTINGS = "sentence_bert_config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_SETTINGS = "tokenizer_config.json"
SHARDS = "model.safetensors.index.json"

ARCHITECTURES = {
    "albert": "AlbertModel",
    "bert": "BertModel",
    "camembert": "CamembertModel",
    "deberta": "DebertaModel",
    "deberta-v2": "DebertaV2Model",
    "distilbert": "DistilBertModel",
    "electra": "ElectraModel",
    "ernie": "ErnieModel",
    "eurobert": "EuroBertModel",
    "gemma": "GemmaModel",
    "gemma2": "Gemma2Model",
    "gemma3_text": "Gemma3TextModel",
    "gpt2": "GPT2Model",
    "gpt_neo": "GPTNeoModel",
    "gpt_neox": "GPTNeoXModel",
    "llama": "LlamaModel",
    "longformer": "LongformerModel",
    "mistral": "MistralModel",
    "modernbert": "ModernBertModel",
    "mpnet": "MPNetModel",
    "mt5": "MT5EncoderModel",
    "nomic_bert": "NomicBertModel",
    "opt": "OPTModel",
    "phi3": "Phi3Model",
    "qwen2": "Qwen2Model",
    "qwen3": "Qwen3Model",
    "rembert": "RemBertModel",
    "roberta": "RobertaModel",
    "roformer": "RoFormerModel",
    "t5": "T5EncoderModel",
    "umt5": "UMT5EncoderModel",
    "xlm-roberta": "XLMRobertaModel",
    "xlm-roberta-xl": "XLMRobertaXLModel",
}
"""The class of transformers for each ``model_type`` of a config.json that is accepted."""

# Keys by which a config.json would have code fetched or other packages called.
_CODE = (
    "auto_map", "custom_pipelines", "quantization", "attn_implementation", "attn_impl", "experts_implementation",
    "kernel", "adapter", "peft", "trust_remote_code", "base_model_name",
)  # fmt: skip
# What does not change a vector, or is set here; the number of labels makes a list as long as it says.
_UNUSED = {
    "_name_or_path", "_commit_hash", "architectures", "dtype", "torch_dtype", "transformers_version", "use_cache",
    "num_labels", "id2label", "label2id", "return_dict", "output_attentions", "output_hidden_states", "torchscript",
    "pruned_heads", "problem_type", "finetuning_task", "task_specific_params", "model_type", "is_local",
    "is_encoder_decoder", "tie_word_embeddings",
}  # fmt: skip
_SETTINGS = {"max_seq_length", "do_lower_case", "transformer_task", "modality_config", "module_output_name"}
_STATES = {"method": "forward", "method_output_name": "last_hidden_state"}
_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_MOST_LAYERS, _MOST_GROUPS, _LARGEST = 512, 8, 1 << 31
_LONGEST = 1 << 20
_MOST_TOKENIZER_BYTES = 1 << 26


class Transformer(nn.Module):
    """A transformer over tokens.

    Args:
        model: A model of transformers.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def config(self) -> dict[str, Any]:
        """Return what its vectors depend on besides weights and tokens, and what :func:`read_transformer` reads."""
        kept = {key: value for key, value in self.model.config.to_dict().items() if key not in _UNUSED}
        return {"model_type": self.model.config.model_type, **json.loads(json.dumps(kept))}

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Add ``token_embeddings`` [B, L, D] to ``input_ids`` and ``attention_mask`` [B, L]."""
        states = self.model(input_ids=features["input_ids"], attention_mask=features["attention_mask"])[0]
        return {**features, "token_embeddings": states}


def read_transformer(folder: Path) -> Transformer:
    """Read a transformer.

    Args:
        folder: Its folder.

    Returns:
        The transformer, with weights of float32.

    Raises:
        PartError: It is none of :data:`ARCHITECTURES`, names code, or its files do not fit each other.
    """
    tensors = _weights(folder)
    kind, config = _config(json_object(folder / CONFIG), len(tensors))
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
    for name, tensor in model.named_parameters():
        if name in report["missing_keys"]:
            # Nothing reads the pooler: its vectors are made by the next part.
            nn.init.zeros_(tensor)
    return Transformer(model.float())


def read_tokenizer(folder: Path, config: PretrainedConfig) -> tuple[PreTrainedTokenizerFast, int]:
    """Read the tokenizer that a saved encoder has, from its JSON alone.

    Args:
        folder: The folder of the transformer.
        config: The configuration of the transformer.

    Returns:
        The tokenizer, and the most tokens of a text.

    Raises:
        PartError: The files are damaged.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    path = folder / TOKENIZER
    if not path.is_file() or path.stat().st_size > _MOST_TOKENIZER_BYTES:
        raise PartError(f"{TOKENIZER} is missing or too large")
    settings = json_object(folder / TOKENIZER_SETTINGS, _MOST_TOKENIZER_BYTES)
    special = {key: _token_text(settings[key]) for key in _SPECIAL if settings.get(key) is not None}
    sides = {key: settings[key] for key in ("truncation_side",) if settings.get(key) in ("left", "right")}
    # What the file says of padding and cutting is for other callers, and may be of any size.
    content = json_object(path, _MOST_TOKENIZER_BYTES)
    content.update(truncation=None, padding=None)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(content)), **special, **sides)
    return tokenizer, _longest(folder, config, settings.get("model_max_length"))


def load_tokenizer(folder: Path, config: PretrainedConfig) -> tuple[PreTrainedTokenizerFast, int]:
    """Read the tokenizer of an encoder that the user has chosen, in any form that transformers makes a fast one of.

    Args:
        folder: The folder of the transformer.
        config: The configuration of the transformer.

    Returns:
        As :func:`read_tokenizer`.

    Raises:
        PartError: There is no such tokenizer, or it names code.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    settings = json_object(folder / TOKENIZER_SETTINGS, _MOST_TOKENIZER_BYTES)
    named = settings.get("tokenizer_class")
    if "auto_map" in settings or not (named is None or (isinstance(named, str) and "Tokenizer" in named)):
        raise PartError(f"{TOKENIZER_SETTINGS} names code of its own, which is not run")
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise PartError(f"it has no {TOKENIZER}, and none can be made of its files")
    return tokenizer, _longest(folder, config, settings.get("model_max_length"))


def written_transformer(folder: Path, transformer: Transformer, tokenizer: PreTrainedTokenizerFast, limit: int) -> None:
    """Write what :func:`read_transformer` and :func:`read_tokenizer` read, in the layout of sentence-transformers.

    Args:
        folder: An existing folder.
        transformer: The transformer.
        tokenizer: Its tokenizer.
        limit: The most tokens of a text.
    """
    from safetensors.torch import save_file

    config = {"architectures": [type(transformer.model).__name__], **transformer.config()}
    special = {key: str(value) for key in _SPECIAL if (value := getattr(tokenizer, key, None)) is not None}
    settings = {
        **special,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": limit,
        "truncation_side": tokenizer.truncation_side,
    }
    for name, value in (
        (CONFIG, config),
        (SETTINGS, {"max_seq_length": limit, "do_lower_case": False}),
        (TOKENIZER_SETTINGS, settings),
    ):
        (folder / name).write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / TOKENIZER).write_text(json.dumps(tokenizer_content(tokenizer), ensure_ascii=False), encoding="utf-8")
    # Tensors that share memory are stored once each.
    tensors = {name: value.detach().cpu().clone() for name, value in transformer.model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def tokenizer_content(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Return what determines the tokens of a text, without the state that the last call left behind."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    for state in ("truncation", "padding"):
        content.pop(state, None)
    return content


def lower_case(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Make a tokenizer ignore case where the settings of its folder say so."""
    from tokenizers.normalizers import Lowercase, Sequence

    if not _settings(folder).get("do_lower_case"):
        return
    normalizer = tokenizer.backend_tokenizer.normalizer
    if '"Lowercase"' not in json.dumps(tokenizer_content(tokenizer).get("normalizer")):
        steps = [Lowercase()] if normalizer is None else [Lowercase(), normalizer]
        tokenizer.backend_tokenizer.normalizer = Sequence(steps)


def _settings(folder: Path) -> dict[str, Any]:
    """Return the settings by which sentence-transformers runs a transformer, checked."""
    settings = json_object(folder / SETTINGS)
    for key, value in settings.items():
        if key not in _SETTINGS and value:
            raise PartError(f"{SETTINGS} has {printable(key)[:40]}, which is not known")
    limit = settings.get("max_seq_length")
    modality = settings.get("modality_config") or {"text": _STATES}
    if not (limit is None or (type(limit) is int and 1 <= limit <= _LONGEST)):
        raise PartError(f"{SETTINGS} has a max_seq_length that is no number of tokens")
    texts = modality.get("text") if isinstance(modality, dict) else None
    named = settings.get("module_output_name", "token_embeddings")
    if settings.get("transformer_task", "feature-extraction") != "feature-extraction" or texts != _STATES:
        raise PartError(f"{SETTINGS} names other states than those of the last layer")
    if named != "token_embeddings" or type(settings.get("do_lower_case", False)) is not bool:
        raise PartError(f"{SETTINGS} has values that are not known")
    return settings


def _longest(folder: Path, config: PretrainedConfig, said: Any) -> int:
    """Return the most tokens of a text: what the settings say, or else the tokenizer and the positions."""
    if (limit := _settings(folder).get("max_seq_length")) is not None:
        return cast("int", limit)
    positions = getattr(config, "max_position_embeddings", None)
    limits = [value for value in (said, positions) if type(value) is int and 1 <= value <= _LONGEST]
    return min(limits, default=_LONGEST)


def _config(values: Mapping[str, Any], n_tensors: int) -> tuple[Any, PretrainedConfig]:
    """Return the class of a model and its configuration, from a checked config.json."""
    import transformers

    name = values.get("model_type")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise PartError(f"model_type {printable(name)[:40]} of {CONFIG} is none of {', '.join(ARCHITECTURES)}")
    kind = getattr(transformers, ARCHITECTURES[name], None)
    if kind is None:
        raise PartError(f"model_type {name} needs a newer release of transformers")
    _check_values(values, n_tensors)
    config = kind.config_class(**{key: value for key, value in values.items() if key not in _UNUSED})
    config.use_cache = False
    return kind, config


def _check_values(values: Mapping[str, Any], n_tensors: int) -> None:
    """Check that a configuration names no code and has no size that its weights cannot have."""
    for key, value in values.items():
        if any(part in key for part in _CODE) and value is not None:
            raise PartError(f"{CONFIG} has {printable(key)[:40]}, which would run code of its own or of other packages")
        if key in _UNUSED:
            continue
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        most = min(_MOST_LAYERS, n_tensors) if "layers" in key else _MOST_GROUPS if "group" in key else _LARGEST
        if any(type(number) in (int, float) and not -_LARGEST <= number <= most for number in inner):
            said = f"{printable(key)[:40]}={printable(value)[:40]}"
            raise PartError(f"{CONFIG} has {said}, which the weights do not have")


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a folder, of one file or of those that an index lists."""
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


def _token_text(token: Any) -> str:
    """Return the text of a special token, which may be stored with how it is stripped."""
    text = token.get("content") if isinstance(token, dict) else token
    if not isinstance(text, str) or len(text) > 1000:
        raise PartError(f"{TOKENIZER_SETTINGS} has a special token that is no text")
    return text
