"""The transformer of a sentence encoder, read from JSON and safetensors alone.

config.json -> one of :data:`ARCHITECTURES`, sizes that the weights have -> model <- tensors
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from recbole_idp.content.checked_model import UNUSED, checked_config, model_of, read_weights
from recbole_idp.content.text.layout import CONFIG, WEIGHTS, PartError, json_object
from recbole_idp.storage.tensors import reserve_buffer
from recbole_idp.terminal.printable import printable

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

SETTINGS = "sentence_bert_config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_SETTINGS = "tokenizer_config.json"

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

_SETTINGS = {"max_seq_length", "do_lower_case", "transformer_task", "modality_config", "module_output_name"}
_STATES = {"method": "forward", "method_output_name": "last_hidden_state"}
_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
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
        kept = {key: value for key, value in self.model.config.to_dict().items() if key not in UNUSED}
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
    tensors = read_weights(folder)
    kind, config = _config(json_object(folder / CONFIG), len(tensors))
    model, missing = model_of(kind, config, tensors)
    for name, tensor in model.named_parameters():
        if name in missing:
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
    reserve_buffer()
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
    config = checked_config(kind, values, n_tensors)
    config.use_cache = False
    return kind, config


def _token_text(token: Any) -> str:
    """Return the text of a special token, which may be stored with how it is stripped."""
    text = token.get("content") if isinstance(token, dict) else token
    if not isinstance(text, str) or len(text) > 1000:
        raise PartError(f"{TOKENIZER_SETTINGS} has a special token that is no text")
    return text
