"""A sentence encoder as a chain of torch modules: read from a folder, and written to one.

The folder has the layout of sentence-transformers. It is read as data: a name in it chooses from tables of known
architectures and parts, weights are safetensors, and the tokenizer is tokenizer.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from recbole_idp.content.text.layout import CONFIG, MODULES, TRANSFORMER, WEIGHTS, WITH_WEIGHTS, PartError, listed_parts
from recbole_idp.content.text.parts import Pooling, build_part
from recbole_idp.content.text.stored import SETTINGS_FILE
from recbole_idp.content.text.transformer import (
    SETTINGS,
    TOKENIZER,
    TOKENIZER_SETTINGS,
    Transformer,
    load_tokenizer,
    lower_case,
    read_tokenizer,
    read_transformer,
    written_transformer,
)
from recbole_idp.storage.files import parse_json
from recbole_idp.storage.tensors import reserve_buffer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

PROMPTS = "config_sentence_transformers.json"
_LONGEST_PROMPT = 10_000
_TYPE = "sentence_transformers.models."


class SentenceModel(nn.Sequential):
    """Transformer, pooling and further parts; each adds to the dictionary that the one before has returned.

    ``input_ids``, ``attention_mask`` [B, L] -> ``token_embeddings`` [B, L, D] -> ``sentence_embedding`` [B, W]

    Args:
        parts: The parts, the transformer first.
        tokenizer: The tokenizer.
        max_seq_length: The most tokens of a text.
        prompt: What is put before each text; None: nothing.
    """

    def __init__(
        self, parts: list[nn.Module], tokenizer: PreTrainedTokenizerFast, max_seq_length: int, prompt: str | None
    ) -> None:
        super().__init__(*parts)
        self.tokenizer, self.max_seq_length, self.prompt = tokenizer, max_seq_length, prompt

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    def configs(self) -> list[dict[str, Any]]:
        """Return what the vectors depend on besides weights and tokens: the configuration of each part."""
        return [{"part": type(part).__name__, **cast("Any", part).config()} for part in self.children()]


def read_saved(folder: Path) -> SentenceModel:
    """Read a folder that :func:`write_model` or sentence-transformers wrote; nothing but the expected files is there.

    Args:
        folder: The folder, whose files were checked against their list.

    Returns:
        The encoder, of float32, in evaluation mode.

    Raises:
        PartError: A file does not belong to it, or a part is not known or damaged.
    """
    expected = expected_files(listed_parts(folder))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if others := sorted(found - expected):
        raise PartError(f"{others[0]} is no file of a saved encoder")
    return _read(folder, read_tokenizer)


def read_chosen(folder: Path) -> SentenceModel:
    """Read a folder that the user has chosen, which may hold more than is read.

    Args:
        folder: The folder, in the layout of Hugging Face or sentence-transformers.

    Returns:
        As :func:`read_saved`.

    Raises:
        PartError: A part is not known or damaged.
    """
    return _read(folder, load_tokenizer)


def write_model(folder: Path, model: SentenceModel) -> None:
    """Write an encoder in the layout of sentence-transformers.

    Args:
        folder: An existing folder.
        model: The encoder.
    """
    from safetensors.torch import save_file

    listing = []
    for number, part in enumerate(model.children()):
        name = type(part).__name__
        path = "" if name == TRANSFORMER else f"{number}_{name}"
        listing.append({"idx": number, "name": str(number), "path": path, "type": _TYPE + name})
        if name == TRANSFORMER:
            written_transformer(folder, cast("Transformer", part), model.tokenizer, model.max_seq_length)
            continue
        (folder / path).mkdir()
        config = dict(cast("Any", part).config())
        if name == "Pooling":
            # sentence-transformers asks for it.
            config["word_embedding_dimension"] = _width(model)
        (folder / path / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        if name in WITH_WEIGHTS:
            weights = {key: value.detach().cpu().contiguous() for key, value in part.state_dict().items()}
            reserve_buffer()
            save_file(weights, folder / path / WEIGHTS)
    prompts = {} if model.prompt is None else {"default": model.prompt}
    about = {"prompts": prompts, "default_prompt_name": "default" if prompts else None}
    for name, value in ((MODULES, listing), (PROMPTS, about)):
        (folder / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def expected_files(parts: list[tuple[str, str]]) -> set[str]:
    """Return the files that a saved encoder may have.

    Args:
        parts: Name and subfolder of each part.

    Returns:
        POSIX paths in the folder.
    """
    names = {MODULES, PROMPTS, SETTINGS_FILE}
    for name, path in parts:
        own = {CONFIG} | ({WEIGHTS} if name in WITH_WEIGHTS else set())
        if name == TRANSFORMER:
            own |= {SETTINGS, TOKENIZER, TOKENIZER_SETTINGS, "special_tokens_map.json", "vocab.txt"}
        names |= {f"{path}/{file}" if path else file for file in own}
    return names


def _read(folder: Path, read: Callable[[Path, Any], tuple[PreTrainedTokenizerFast, int]]) -> SentenceModel:
    """Read an encoder, with its tokenizer in the given way."""
    listed = listed_parts(folder)
    transformer = read_transformer(folder / listed[0][1])
    tokenizer, limit = read(folder / listed[0][1], transformer.model.config)
    lower_case(folder / listed[0][1], tokenizer)
    embeddings = cast(nn.Embedding, transformer.model.get_input_embeddings())
    known, size = embeddings.weight.shape[0], max(tokenizer.get_vocab().values())
    if size >= known:
        raise PartError(f"{TOKENIZER} has token {size}, and the weights have {known:,} tokens")
    if tokenizer.pad_token is None:
        # Decoders often have none; any token will do, because padding is never read.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    parts = [build_part(name, folder / path) for name, path in listed[1:]]
    if not (folder / MODULES).is_file():
        parts = [Pooling(["mean"])]
    model = SentenceModel([transformer, *parts], tokenizer, limit, _prompt(folder))
    return model.float().eval()


def _prompt(folder: Path) -> str | None:
    """Return what is put before each text."""
    path = folder / PROMPTS
    if not path.is_file():
        return None
    try:
        about = parse_json(path)
        name = about.get("default_prompt_name")
        prompt = None if name is None else about["prompts"][name]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PartError(f"{PROMPTS} is damaged") from error
    if prompt is not None and (not isinstance(prompt, str) or len(prompt) > _LONGEST_PROMPT):
        raise PartError(f"{PROMPTS} has a prompt that is no text, or too long")
    return prompt


def _width(model: SentenceModel) -> int:
    """Return the width of the transformer's states."""
    return int(cast("Transformer", model[0]).model.config.hidden_size)
