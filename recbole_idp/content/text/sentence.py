"""Text encoders with transformer weights, in the layout of sentence-transformers."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.content.quiet import quiet
from recbole_idp.content.text.interface import TextEncoder
from recbole_idp.content.text.locate import check_folder
from recbole_idp.content.text.stored import read_settings, write_settings
from recbole_idp.errors import UserError
from recbole_idp.storage.files import fingerprint

if TYPE_CHECKING:
    import torch

    from recbole_idp.content.text.sentence_model import SentenceModel
    from recbole_idp.content.text.tokens import TokenTable

POOLINGS = ("cls", "mean", "max")
_TRIED = 128


class SentenceEncoder(TextEncoder):
    """A text encoder that is a transformer with pooling.

    texts, longest first -> batches of like length -> tokens -> transformer -> pooling (-> unit length) -> vectors
    """

    has_tokens = True

    def __init__(self, model: SentenceModel, name: str, pooling: str | None, max_tokens: int, batch_size: int) -> None:
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
        # Found by encoding, as any part may change it.
        self.width = int(self._run(["width"]).shape[1])

    @property
    def model(self) -> SentenceModel:
        """The model: its parts, in the order in which they run."""
        return self._model

    @property
    def state_width(self) -> int:
        """Width of the states of tokens."""
        transformer: Any = self._model[0]
        return int(transformer.model.config.hidden_size)

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
        tokenizer, prompt = self._model.tokenizer, self._model.prompt or ""
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
            settings = [self._tokenizer_content(), parts, self._model.max_seq_length, self._model.prompt]
            digest.update(json.dumps(settings, sort_keys=True, default=str).encode("utf-8", "surrogatepass"))
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    @property
    def cache_key(self) -> str:
        """See :class:`TextEncoder`: the fingerprint, and what the configurations say besides."""
        return fingerprint([self.fingerprint, self._model.configs()])

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
        from recbole_idp.content.text.sentence_model import write_model

        settings = {"name": self.name, "pooling": self.pooling, "max_tokens": self.max_tokens}
        with write_settings(folder, "sentence", settings) as folder:
            write_model(folder, self._model)

    def _tokenizer_content(self) -> Any:
        """Return what determines the tokens of a text."""
        from recbole_idp.content.text.transformer import tokenizer_content

        return tokenizer_content(self._model.tokenizer)

    def _run(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of one batch, computed in inference mode."""
        import torch

        features = self.tokens(texts).batch(np.arange(len(texts)), self.device)
        with torch.inference_mode():
            return self._model(features)["sentence_embedding"].float().cpu().numpy()


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
    from recbole_idp.content.text.sentence_model import read_chosen

    model = _read(read_chosen, Path(folder), name)
    _set_pooling(model, folder, name, pooling)
    return _wrapped(model, Path(folder), (name, pooling, max_tokens, batch_size), device)


def open_sentence_encoder(folder: str | Path, batch_size: int, device: str | torch.device) -> SentenceEncoder:
    """Open a saved :class:`SentenceEncoder`; see :func:`recbole_idp.content.text.encoder.open_text_encoder`."""
    from recbole_idp.content.text.sentence_model import read_saved

    settings = read_settings(folder)
    model = _read(read_saved, Path(folder), settings["name"])
    given = (settings["name"], settings["pooling"], settings["max_tokens"], batch_size)
    return _wrapped(model, Path(folder), given, device)


def _read(read: Callable[[Path], SentenceModel], folder: Path, name: str) -> SentenceModel:
    """Read a folder; whatever the libraries find wrong in it is one line for the user."""
    with quiet(), _one_line(folder, name):
        return read(folder)


def _wrapped(
    model: SentenceModel, folder: Path, given: tuple[str, str | None, int, int], device: str | torch.device
) -> SentenceEncoder:
    """Return an encoder that was tried on a short and on a long text."""
    import torch

    name, pooling, max_tokens, batch_size = given
    with _one_line(folder, name):
        model.max_seq_length = min(max_tokens, model.max_seq_length)
        encoder = SentenceEncoder(model.to(torch.device(device)), name, pooling, model.max_seq_length, batch_size)
        if not np.isfinite(encoder.encode(["width", "width " * min(model.max_seq_length, _TRIED)])).all():
            raise ValueError("its vectors have values that are not numbers")
    return encoder


@contextlib.contextmanager
def _one_line(folder: Path, name: str) -> Iterator[None]:
    """Turn any error of the libraries that take part, each with errors of its own, into a line for the user."""
    try:
        yield
    except BaseException as error:
        # A panic in a library that is written in Rust is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        if isinstance(error, UserError):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        remedy = "make it again, or use another encoder or lsa"
        raise UserError(f"text encoder {name}: cannot load {folder} ({reason}); {remedy}") from error


def _set_pooling(model: SentenceModel, folder: str | Path, name: str, pooling: str | None) -> None:
    """Replace the pooling step by the one that the user chose, or by ``cls`` for a SimCSE folder that names none."""
    if pooling is None and "simcse" in str(name).lower() and not (Path(folder) / "modules.json").is_file():
        pooling = "cls"
    if pooling is None:
        return
    from recbole_idp.content.text.parts import Pooling

    for position, part in enumerate(model.children()):
        if isinstance(part, Pooling):
            model[position] = Pooling([pooling])
            return
    raise UserError(f"text encoder {name}: it has no pooling step, so pooling={pooling} cannot be set: remove it")
