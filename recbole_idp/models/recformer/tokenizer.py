"""Tokens of attributes: those of a text encoder's tokenizer, or hashed words where the text encoder has none."""

from __future__ import annotations

import json
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from recbole_idp.errors import UserError
from recbole_idp.storage.files import fingerprint

if TYPE_CHECKING:
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.text.sentence import SentenceEncoder

_HASHES, _SPECIAL = 8192, ("[PAD]", "[START]", "[MASK]")
_WORD = re.compile(r"\w+|[^\w\s]")
_LARGEST = 1 << 24


class Pieces(NamedTuple):
    """The tokens of a text.

    Attributes:
        ids: Token ids.
        words: Number of the word that each token is part of.
    """

    ids: list[int]
    words: list[int]


class Tokenizer(ABC):
    """Turns texts into token ids.

    Attributes:
        size: Number of tokens.
        start: The token that a sequence begins with.
        padding: The token of padding.
        mask: The token that hides another one.
    """

    size: int
    start: int
    padding: int
    mask: int

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[Pieces]:
        """Return the tokens of texts, without special ones."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """Return what :func:`tokenizer_of` makes it of; JSON-serialisable."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with the tokens of a text."""
        return fingerprint(self.content())

    def text(self) -> str:
        """Return the content as JSON."""
        return json.dumps(self.content(), ensure_ascii=False, sort_keys=True)


class HashedWords(Tokenizer):
    """Words and punctuation marks, in lower case, by a hash of each: no vocabulary, and nothing to learn."""

    def __init__(self) -> None:
        self.padding, self.start, self.mask = range(len(_SPECIAL))
        self.size = len(_SPECIAL) + _HASHES

    def encode(self, texts: Sequence[str]) -> list[Pieces]:
        """See :class:`Tokenizer`."""
        words = [_WORD.findall(text.lower()) for text in texts]
        return [Pieces([self._number(word) for word in row], list(range(len(row)))) for row in words]

    def content(self) -> dict[str, Any]:
        """See :class:`Tokenizer`."""
        return {"kind": "hashed_words", "hashes": _HASHES}

    def _number(self, word: str) -> int:
        return len(_SPECIAL) + zlib.crc32(word.encode("utf-8", "surrogatepass")) % _HASHES


class SubwordTokenizer(Tokenizer):
    """A tokenizer of the library tokenizers, with the tokens that a transformer has for start, padding and mask.

    Args:
        tokens: Content of its tokenizer.json.
        size: Number of tokens.
        special: Ids of ``start``, ``padding`` and ``mask``.

    Raises:
        ValueError: The content is no tokenizer, or an id is out of range.
    """

    def __init__(self, tokens: dict[str, Any], size: int, special: dict[str, int]) -> None:
        from tokenizers import Tokenizer as Backend

        try:
            self._backend = Backend.from_str(json.dumps({**tokens, "truncation": None, "padding": None}))
        except BaseException as error:
            # A panic in a library that is written in Rust is no Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise ValueError(f"it is no tokenizer ({error})") from error
        self._tokens, self.size = tokens, size
        self.start, self.padding, self.mask = (special[name] for name in ("start", "padding", "mask"))
        highest = max(self._backend.get_vocab().values(), default=0)
        if not all(0 <= token < size for token in (self.start, self.padding, self.mask, highest)) or size > _LARGEST:
            raise ValueError("its tokens are more than its size says")

    @classmethod
    def of(cls, encoder: SentenceEncoder) -> SubwordTokenizer:
        """Take the tokenizer of a sentence encoder.

        Raises:
            UserError: It has no mask token, or none to begin a sequence with.
        """
        from recbole_idp.content.text.transformer import tokenizer_content

        found = encoder.model.tokenizer
        start = found.cls_token_id if found.cls_token_id is not None else found.bos_token_id
        special = {"start": start, "padding": found.pad_token_id, "mask": found.mask_token_id}
        if missing := [name for name, token in special.items() if token is None]:
            raise UserError(
                f"the tokenizer of {encoder.name} has no token for {missing[0]}, which Recformer needs: use another "
                "text_encoder, of the kind of BERT, RoBERTa or Longformer"
            )
        size = cast("Any", encoder.model[0]).model.get_input_embeddings().weight.shape[0]
        return cls(tokenizer_content(found), int(size), cast("dict[str, int]", special))

    def encode(self, texts: Sequence[str]) -> list[Pieces]:
        """See :class:`Tokenizer`."""
        found = self._backend.encode_batch(list(texts), add_special_tokens=False)
        return [Pieces(one.ids, [-1 if word is None else word for word in one.word_ids]) for one in found]

    def content(self) -> dict[str, Any]:
        """See :class:`Tokenizer`."""
        special = {"start": self.start, "padding": self.padding, "mask": self.mask}
        return {"kind": "subwords", "size": self.size, "special": special, "tokens": self._tokens}


def tokenizer_for(encoder: TextEncoder) -> Tokenizer:
    """Return the tokenizer of a text encoder, and hashed words for one without tokens.

    Raises:
        UserError: See :meth:`SubwordTokenizer.of`.
    """
    return SubwordTokenizer.of(cast("SentenceEncoder", encoder)) if encoder.has_tokens else HashedWords()


def tokenizer_of(content: Any) -> Tokenizer:
    """Make a tokenizer of what :meth:`Tokenizer.content` returned.

    Raises:
        ValueError: It is no such content.
    """
    try:
        if content["kind"] == "subwords":
            return SubwordTokenizer(content["tokens"], int(content["size"]), content["special"])
        if content == HashedWords().content():
            return HashedWords()
    except (KeyError, TypeError) as error:
        raise ValueError(f"it is no tokenizer ({error!r})") from error
    raise ValueError("it is a tokenizer of a kind that is not known")


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a file that holds :meth:`Tokenizer.text`.

    Raises:
        UserError: It cannot be read.
    """
    from recbole_idp.storage.files import parse_json

    try:
        return tokenizer_of(parse_json(path))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} is no tokenizer ({reason}): make the folder again") from error
