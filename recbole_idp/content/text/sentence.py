"""Text encoders with transformer weights, loaded and pooled by sentence-transformers."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.content.text.interface import TextEncoder
from recbole_idp.content.text.locate import check_folder
from recbole_idp.content.text.stored import read_settings, write_settings
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

    from recbole_idp.content.text.tokens import TokenTable

POOLINGS = ("cls", "mean", "max")


class SentenceEncoder(TextEncoder):
    """A text encoder that is a transformer with pooling.

    texts, longest first -> batches of like length -> tokens -> transformer -> pooling (-> unit length) -> vectors
    """

    has_tokens = True

    def __init__(
        self, model: SentenceTransformer, name: str, pooling: str | None, max_tokens: int, batch_size: int
    ) -> None:
        """Wrap a loaded model; :func:`load_sentence_encoder` makes one.

        Args:
            model: The model, in evaluation mode, on its device.
            name: The name by which the user chose it.
            pooling: The pooling that the user chose; None for that of the folder.
            max_tokens: Tokens of a text at most; longer texts are cut.
            batch_size: Texts per batch.
        """
        self.name = name
        self.pooling = pooling
        self.max_tokens = max_tokens
        self.batch_size = batch_size
        self._model = model
        self._fingerprint: str | None = None
        # Found by encoding, because the name of the accessor differs between versions of sentence-transformers.
        self.width = int(self._run(["width"]).shape[1])

    @property
    def model(self) -> SentenceTransformer:
        """The model: its parts, in the order in which they run."""
        return self._model

    @property
    def device(self) -> torch.device:
        """The device of the encoder."""
        return self._model.device

    def copy(self) -> SentenceEncoder:
        """Return a copy with weights of its own, for training."""
        copied = copy.copy(self)
        copied._model, copied._fingerprint = copy.deepcopy(self._model), None
        return copied

    def tokens(self, texts: Sequence[str]) -> TokenTable:
        """Return the tokens of texts, as the transformer reads them.

        Args:
            texts: M texts.

        Returns:
            Their tokens, cut at ``max_tokens``.
        """
        tokenizer, prompts = self._model.tokenizer, self._model.prompts
        prompt = prompts.get(self._model.default_prompt_name) or ""  # type: ignore[arg-type]  # None is no key
        prompted = [prompt + text for text in texts]
        found = tokenizer(prompted, truncation=True, max_length=self.max_tokens) if prompted else {"input_ids": []}
        from recbole_idp.content.text.tokens import TokenTable

        return TokenTable(found["input_ids"], tokenizer.pad_token_id or 0)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify the weights, the tokenizer, the parts and their settings."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            for name, tensor in sorted(self._model.state_dict().items()):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
            parts = [[type(part).__name__, getattr(part, "pooling_mode", None)] for part in self._model.children()]
            prompt = self._model.prompts.get(self._model.default_prompt_name)  # type: ignore[arg-type]  # None is no key
            settings = [_tokenizer_content(self._model.tokenizer), parts, self._model.max_seq_length, prompt]
            digest.update(json.dumps(settings, sort_keys=True, default=str).encode("utf-8", "surrogatepass"))
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    def encode_distinct(self, texts: list[str], advance: Callable[[int], object]) -> np.ndarray:
        """Encode texts; see :meth:`TextEncoder.encode_distinct`."""
        vectors = np.empty((len(texts), self.width), dtype=np.float32)
        # Longest first, so that too little memory shows at once and the remaining time is never underestimated.
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            vectors[rows] = self._run([texts[row] for row in rows])
            advance(len(rows))
        return vectors

    def save(self, folder: str | Path) -> None:
        """Write a folder in the layout of sentence-transformers; see :meth:`TextEncoder.save`."""
        settings = {"name": self.name, "pooling": self.pooling, "max_tokens": self.max_tokens}
        with write_settings(folder, "sentence", settings) as folder, _quiet():
            self._model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)

    def _run(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of one batch, computed in inference mode."""
        return self._model.encode(texts, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True)


def load_sentence_encoder(
    folder: str | Path,
    name: str,
    pooling: str | None = None,
    max_tokens: int = 128,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
) -> SentenceEncoder:
    """Check a folder, and load the transformer in it.

    Args:
        folder: A folder in the layout of Hugging Face or sentence-transformers.
        name: The name by which the user chose it. SimCSE models are recognised by it, because their folders do not say
            that they pool the first token.
        pooling: ``cls``, ``mean`` or ``max``. None takes that of the folder or, if it has none, ``cls`` for SimCSE and
            ``mean`` for other transformers.
        max_tokens: Tokens of a text at most, within the limit of the model; longer texts are cut.
        batch_size: Texts per batch.
        device: Device of the encoder.

    Returns:
        The encoder, in float32.

    Raises:
        UserError: A setting is not valid, or the folder cannot be loaded.
    """
    if pooling is not None and pooling not in POOLINGS:
        raise UserError(f"text encoder pooling {pooling!r} is not known: choose one of {', '.join(POOLINGS)}")
    for setting, value in (("max_tokens", max_tokens), ("batch_size", batch_size)):
        if value < 1:
            raise UserError(f"text encoder {setting} is {value}: give a number of at least 1")
    check_folder(folder)
    with _quiet():
        from sentence_transformers import SentenceTransformer

        try:
            model = SentenceTransformer(
                str(folder),
                device=str(device),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:  # a dozen libraries take part, each with errors of its own
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise UserError(f"text encoder {name}: cannot load {folder} ({reason}); use another or lsa") from error
    model = model.float().eval()
    if model.tokenizer.pad_token is None:
        # Decoders often have none; any token will do, because padding is never read.
        model.tokenizer.pad_token = model.tokenizer.eos_token or model.tokenizer.unk_token
    _set_pooling(model, folder, name, pooling)
    model.max_seq_length = min(max_tokens, model.max_seq_length or max_tokens)
    return SentenceEncoder(model, name, pooling, int(model.max_seq_length), batch_size)


def open_sentence_encoder(folder: str | Path, batch_size: int, device: str | torch.device) -> SentenceEncoder:
    """Open a saved :class:`SentenceEncoder`; see :func:`recbole_idp.content.text.encoder.open_text_encoder`."""
    settings = read_settings(folder)
    return load_sentence_encoder(
        folder, settings["name"], settings["pooling"], settings["max_tokens"], batch_size, device
    )


def _set_pooling(model: SentenceTransformer, folder: str | Path, name: str, pooling: str | None) -> None:
    """Replace the pooling step by the one that the user chose, or by ``cls`` for a SimCSE folder that names none."""
    if pooling is None and "simcse" in str(name).lower() and not (Path(folder) / "modules.json").is_file():
        pooling = "cls"
    if pooling is None:
        return
    for position, part in enumerate(model.children()):
        if type(part).__name__ == "Pooling":
            # The class is taken from the part, because its module has another name in each version of the library.
            width = model[0].get_word_embedding_dimension()  # type: ignore[operator]  # a method of its transformer
            model[position] = type(part)(width, pooling_mode=pooling)
            return
    raise UserError(f"text encoder {name}: it has no pooling step, so pooling={pooling} cannot be set; leave it out")


def _tokenizer_content(tokenizer: Any) -> Any:
    """Return what determines the tokens of a text, without the state that the last call left behind."""
    if not tokenizer.is_fast:
        return sorted(tokenizer.get_vocab().items())
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    for state in ("truncation", "padding"):
        content.pop(state, None)
    return content


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the libraries' advice, warnings and progress bars while a model is loaded or saved."""
    loggers = [logging.getLogger(name) for name in ("sentence_transformers", "transformers", "huggingface_hub")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging as transformers_logging

        levels = [logger.level for logger in loggers]
        had_bar = transformers_logging.is_progress_bar_enabled()
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            transformers_logging.disable_progress_bar()
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if had_bar:
                transformers_logging.enable_progress_bar()
