"""Hostile text encoders: parts that name code, settings that reach for other packages, sizes that nothing bears out."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attacks.damage import json_damages, rewritten_tensors, tensor_damages, value_damages
from attacks.kit import Attack, Yard, reseal_encoder
from attacks.samples import Samples

_ST = "sentence_transformers.models."
_PARTS: dict[str, Any] = {
    "a callable of the system": {"type": "os.system", "path": "1_x"},
    "a callable of Python": {"type": "builtins.exec", "path": "1_x"},
    "a module beside it": {"type": "evil.Transformer", "path": "1_x"},
    "a function of sentence-transformers": {"type": "sentence_transformers.util.http_get", "path": "1_x"},
    "a function with a known name": {"type": "sentence_transformers.util.Pooling", "path": "1_Pooling"},
    "a part with a longer name": {"type": _ST + "Pooling.load", "path": "1_Pooling"},
    "a part with a line break": {"type": _ST + "Pooling\nos.system", "path": "1_Pooling"},
    "an escape sequence": {"type": "\x1b[2J\x1b]0;owned\x07", "path": "1_x"},
    "a part that reads pickles": {"type": _ST + "LSTM", "path": "1_x"},
    "words that are pickled": {"type": _ST + "WordEmbeddings", "path": "1_x"},
    "a router": {"type": "sentence_transformers.base.modules.router.Router", "path": "1_x"},
    "a second transformer": {"type": _ST + "Transformer", "path": "1_x"},
    "a folder above": {"type": _ST + "Normalize", "path": "../other"},
    "a folder of the system": {"type": _ST + "Normalize", "path": "/etc"},
    "a folder in a folder": {"type": _ST + "Normalize", "path": "a/b"},
    "a hidden folder": {"type": _ST + "Normalize", "path": ".hidden"},
    "a folder that is a number": {"type": _ST + "Normalize", "path": 7},
    "a type that is a list": {"type": ["os.system"], "path": "1_x"},
    "no type": {"path": "1_x"},
    "no path": {"type": _ST + "Normalize"},
    "a projection without weights": {"type": _ST + "Dense", "path": "2_Dense"},
}
_CONFIG: dict[str, dict[str, Any]] = {
    "code of its own": {"auto_map": {"AutoModel": "evil--evil.Model"}},
    "code of its own beside it": {"auto_map": {"AutoConfig": "configuration_evil.EvilConfig"}},
    "kernels of a hub": {"attn_implementation": "kernels-community/evil"},
    "kernels of a hub, inside": {"_attn_implementation": "kernels-community/evil"},
    "kernels of a hub, inner name": {"_attn_implementation_internal": "flash_attention_2"},
    "quantization by another package": {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
    "pipelines of its own": {"custom_pipelines": {"evil": {"impl": "evil.Pipeline"}}},
    "an adapter": {"adapter_config": {"peft_type": "LORA"}},
    "another base model": {"base_model_name_or_path": "/etc"},
    "an unknown architecture": {"model_type": "evil"},
    "an architecture that loads others": {"model_type": "timm_wrapper"},
    "an architecture of two": {"model_type": "encoder-decoder"},
    "an architecture that is a path": {"model_type": "../../evil"},
    "an architecture that is a list": {"model_type": ["bert"]},
    "no architecture": {"model_type": None},
    "another architecture": {"model_type": "roberta", "hidden_size": 32},
    "a billion layers": {"num_hidden_layers": 1_000_000_000},
    "more layers than weights": {"num_hidden_layers": 500},
    "a width of a billion": {"hidden_size": 1_000_000_000},
    "a width of 2^70": {"hidden_size": 1 << 70},
    "a negative width": {"hidden_size": -8},
    "a width of nothing": {"hidden_size": 0},
    "a width that is a text": {"hidden_size": "wide"},
    "an inner width of a billion": {"intermediate_size": 1_000_000_000},
    "a billion words": {"vocab_size": 1_000_000_000},
    "fewer words than tokens": {"vocab_size": 3},
    "a billion positions": {"max_position_embeddings": 1_000_000_000},
    "no heads": {"num_attention_heads": 0},
    "heads that do not divide": {"num_attention_heads": 3},
    "an activation of the system": {"hidden_act": "os.system"},
    "an activation that is an object": {"hidden_act": {"a": 1}},
}
_SETTINGS: dict[str, Any] = {
    "arguments of the model": {"model_args": {"trust_remote_code": True}},
    "arguments of the configuration": {"config_args": {"trust_remote_code": True}},
    "arguments of the tokenizer": {"tokenizer_args": {"trust_remote_code": True}},
    "kernels": {"attn_implementation": "kernels-community/evil"},
    "another task": {"transformer_task": "text-generation"},
    "another method": {"modality_config": {"text": {"method": "save_pretrained", "method_output_name": None}}},
    "another output": {"module_output_name": "sentence_embedding"},
    "another backend": {"backend": "openvino"},
    "no tokens": {"max_seq_length": 0},
    "2^70 tokens": {"max_seq_length": 1 << 70},
    "tokens that are a text": {"max_seq_length": "512"},
    "case that is a text": {"do_lower_case": "os.system"},
}
_TOKENIZER: dict[str, dict[str, Any]] = {
    "a special token that is a number": {"pad_token": 7},
    "a special token that is a list": {"cls_token": ["[CLS]"]},
    "a special token of a megabyte": {"sep_token": "a" * 1_000_000},
}
_POOLING: dict[str, Any] = {
    "an unknown mode": {"pooling_mode": "median"},
    "a mode that is code": {"pooling_mode": "__import__('os').system('true')"},
    "modes that are numbers": {"pooling_mode": [1, 2]},
    "modes that are lists": {"pooling_mode": [["mean"]]},
    "a thousand modes": {"pooling_mode": ["mean"] * 1000},
    "no modes": {"pooling_mode": []},
    "another key": {"pooling_function": "os.system"},
    "a prompt that is left out": {"include_prompt": False},
    "a flag that is a text": {"pooling_mode_mean_tokens": "yes"},
}
_DENSE: dict[str, dict[str, Any]] = {
    "a function of the system": {"activation_function": "os.system"},
    "a function of torch": {"activation_function": "torch.load"},
    "a function of a hub": {"activation_function": "torch.hub.load"},
    "a class that takes a file": {"activation_function": "torch.jit.load"},
    "a function that is a list": {"activation_function": ["torch.nn.Tanh"]},
    "a width of a billion": {"in_features": 1_000_000_000},
    "a width that is not its weights'": {"out_features": 7},
    "a width that is a flag": {"out_features": True},
    "another input": {"module_input_name": "token_embeddings"},
    "a residual": {"use_residual": True},
    "another key": {"init_weight": "evil.bin"},
}


def attacks(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield attacks on saved text encoders, and on folders that a user names as one."""
    from recbole_idp.content.text.encoder import load_text_encoder, open_text_encoder

    def tried(name: str, step: Callable[[Path], object], sample: Path = samples.encoder, /, **settings: Any) -> Attack:
        folder = yard.copy(sample)
        step(folder)
        if sample != samples.chosen:
            reseal_encoder(folder, **settings)
        open_it = load_text_encoder if sample == samples.chosen else open_text_encoder
        return Attack(name, lambda: open_it(folder))

    for name, part in _PARTS.items():
        yield tried(f"saved encoder: modules.json: {name}", _adding(part))
        yield tried(f"chosen encoder: modules.json: {name}", _adding(part), samples.chosen)
    for name, listed in (("no part", []), ("a thousand parts", [{"type": _ST + "Normalize", "path": "1_x"}] * 1000)):
        yield tried(f"saved encoder: modules.json: {name}", _object("modules.json", listed, replace=True))
    for name, values in _CONFIG.items():
        yield tried(f"saved encoder: config.json: {name}", _object("config.json", values))
        yield tried(f"chosen encoder: config.json: {name}", _object("config.json", values), samples.chosen)
    for name, values in _SETTINGS.items():
        yield tried(f"saved encoder: settings: {name}", _object("sentence_bert_config.json", values))
    for name, values in _TOKENIZER.items():
        yield tried(f"saved encoder: tokenizer_config.json: {name}", _object("tokenizer_config.json", values))
    for name, values in _POOLING.items():
        yield tried(f"saved encoder: pooling: {name}", _object("1_Pooling/config.json", values))
    for name, values in _DENSE.items():
        yield tried(f"saved encoder: projection: {name}", _projecting(values))
    for sample, kind in ((samples.encoder, "saved encoder"), (samples.lsa, "saved lsa")):
        for path in sorted(sample.rglob("*.json")):
            place = path.relative_to(sample).as_posix()
            for name, damage in json_damages(yard).items():
                folder = yard.copy(sample)
                (folder / place).write_bytes(damage(path.read_bytes()))
                if not place.startswith("recbole"):
                    reseal_encoder(folder)
                yield Attack(f"{kind}: {place}: {name}", lambda folder=folder: open_text_encoder(folder))
        for path in sorted(sample.glob("*.safetensors")):
            for name, damage in tensor_damages(yard).items():
                yield tried(f"{kind}: weights: {name}", _damaged(path.name, damage), sample)
            for name, change in value_damages().items():
                step = lambda folder, path=path, change=change: rewritten_tensors(folder / path.name, change)  # noqa: E731
                yield tried(f"{kind}: weights: {name}", step, sample)
    files = {
        "a pickle": ("pytorch_model.bin", yard.pickle()),
        "a pickle of a tokenizer": ("tokenizer.pkl", yard.pickle()),
        "an adapter": ("adapter_config.json", b'{"peft_type": "LORA", "base_model_name_or_path": "/etc"}'),
        "adapter weights": ("adapter_model.safetensors", b""),
        "a program": ("modeling_evil.py", b"raise SystemExit('executed')"),
        "weights elsewhere": ("model.safetensors.index.json", b'{"weight_map": {"a": "../../secret"}}'),
        "a chat template": ("chat_template.jinja", b"{{ cycler.__init__.__globals__.os.system('true') }}"),
        "other settings": ("generation_config.json", b"{}"),
        "more settings": ("quantization_config.json", b"{}"),
        "a template of settings": ("preprocessor_config.json", b"{}"),
    }
    for name, (file, content) in files.items():
        yield tried(f"saved encoder: holds {name}", lambda folder, f=file, c=content: (folder / f).write_bytes(c))
        yield tried(
            f"saved lsa: holds {name}", lambda folder, f=file, c=content: (folder / f).write_bytes(c), samples.lsa
        )
    settings = {
        "a pooling that is not known": {"pooling": "median"},
        "a pooling that is a list": {"pooling": ["cls"]},
        "no tokens": {"max_tokens": 0},
        "tokens that are a text": {"max_tokens": "9"},
        "another key": {"trust_remote_code": True},
        "a name that is a list": {"name": []},
    }
    for name, values in settings.items():
        yield tried(f"saved encoder: its settings: {name}", lambda folder: None, **values)
    for name, values in (
        ("a fingerprint that is a path", {"fingerprint": "../../../tmp/x"}),
        ("a width of a billion", {"width": 1_000_000_000}),
        ("a negative width", {"width": -1}),
    ):
        yield tried(f"saved lsa: its settings: {name}", lambda folder: None, samples.lsa, **values)
    yield tried("chosen encoder: only a pickle", _only_pickle(yard), samples.chosen)
    yield tried(
        "chosen encoder: a tokenizer with code",
        _object("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}),
        samples.chosen,
    )
    yield tried(
        "chosen encoder: a tokenizer that is none",
        _object("tokenizer_config.json", {"tokenizer_class": "Pipeline"}),
        samples.chosen,
    )
    yield tried(
        "chosen encoder: shards elsewhere", _shards({"weight_map": {"a": "../../x.safetensors"}}), samples.chosen
    )
    yield tried("chosen encoder: shards that are a list", _shards({"weight_map": ["a"]}), samples.chosen)


def _object(file: str, values: Any, replace: bool = False) -> Callable[[Path], object]:
    """Return a step that changes values of a JSON file, or replaces all of it."""

    def step(folder: Path) -> None:
        path = folder / file
        value = values if replace else {**json.loads(path.read_text(encoding="utf-8")), **values}
        path.write_text(json.dumps(value), encoding="utf-8")

    return step


def _adding(part: Any) -> Callable[[Path], object]:
    """Return a step that adds a part to an encoder."""

    def step(folder: Path) -> None:
        path = folder / "modules.json"
        first = [{"type": _ST + "Transformer", "path": ""}, {"type": _ST + "Pooling", "path": "1_Pooling"}]
        listed = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else first
        (folder / "1_Pooling").mkdir(exist_ok=True)
        path.write_text(json.dumps([*listed, part]), encoding="utf-8")

    return step


def _projecting(values: dict[str, Any]) -> Callable[[Path], object]:
    """Return a step that adds a projection with some parameters, and weights."""

    def step(folder: Path) -> None:
        import torch
        from safetensors.torch import save_file

        _adding({"idx": 2, "name": "2", "path": "2_Dense", "type": _ST + "Dense"})(folder)
        (folder / "2_Dense").mkdir()
        config = {"in_features": 16, "out_features": 16, "bias": True, **values}
        config.setdefault("activation_function", "torch.nn.modules.activation.Tanh")
        (folder / "2_Dense" / "config.json").write_text(json.dumps(config), encoding="utf-8")
        weights = {"linear.weight": torch.eye(16), "linear.bias": torch.zeros(16)}
        save_file(weights, folder / "2_Dense" / "model.safetensors")

    return step


def _damaged(file: str, damage: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Return a step that damages a file."""
    return lambda folder: (folder / file).write_bytes(damage((folder / file).read_bytes()))


def _only_pickle(yard: Yard) -> Callable[[Path], object]:
    """Return a step that leaves an encoder with pickled weights alone."""

    def step(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "pytorch_model.bin").write_bytes(yard.pickle())

    return step


def _shards(index: Any) -> Callable[[Path], object]:
    """Return a step that replaces the weights by an index of files."""

    def step(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "x.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")

    return step
