"""The pieces that prompts and answers are written in, learned from the training texts."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Metaspace, Split
from tokenizers.pre_tokenizers import Sequence as Steps
from tokenizers.trainers import WordPieceTrainer

from recbole_idp.errors import UserError
from recbole_idp.models.p5.network import END, PAD, UNKNOWN, WHOLE_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

WORD_START = "▁"
"""The mark of a piece that a word begins with, as in T5's SentencePiece."""
_SPECIAL = ("<pad>", "</s>", "<unk>")
_MOST_BYTES = 1 << 26
_WORD = re.compile(r"\w+")
TOKENIZER = "tokenizer.json"
"""The file of the pieces."""


class PieceTokenizer:
    """Splits words into pieces.

    word -> runs of letters and of some digits -> the longest pieces that the vocabulary has, greedily (WordPiece)

    Pieces that begin a word are marked, so that whole-word numbers follow from the pieces alone. Every number of
    ``digits`` digits at most is a piece, whether it was seen or not, so that new items can be named.

    Args:
        tokenizer: With the pieces of padding, end and unknown numbered as T5 does.

    Attributes:
        starts: Which pieces begin a word; bool, shape [V].
        unknown: How many words with an unknown piece were split so far, each counted once.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        self.starts = torch.tensor([piece.startswith(WORD_START) for piece, _ in pieces])
        self.unknown = 0

    @classmethod
    def fit(cls, texts: Iterable[str], size: int, digits: int) -> PieceTokenizer:
        """Learn the pieces of texts; the same texts give the same pieces.

        Args:
            texts: What is written with them.
            size: Pieces at most that are learned, beside those of numbers.
            digits: Digits of a number that are one piece at most.
        """
        steps = Steps([Metaspace(), Split(Regex(f"{WORD_START}?[0-9]{{1,{digits}}}"), "isolated")])
        learner = Tokenizer(WordPiece(unk_token=_SPECIAL[UNKNOWN], continuing_subword_prefix=""))
        learner.pre_tokenizer = steps
        trainer = WordPieceTrainer(
            vocab_size=size, special_tokens=list(_SPECIAL), continuing_subword_prefix="", show_progress=False
        )
        learner.train_from_iterator(texts, trainer)
        learned = sorted(learner.get_vocab().items(), key=lambda item: item[1])
        pieces = list(_SPECIAL)
        for mark, length in itertools.product((WORD_START, ""), range(1, digits + 1)):
            pieces += [f"{mark}{number:0{length}}" for number in range(10**length)]
        known = set(pieces)
        pieces += [piece for piece, _ in learned if piece not in known]
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
        tokenizer = Tokenizer(WordPiece(vocabulary, unk_token=_SPECIAL[UNKNOWN], continuing_subword_prefix=""))
        tokenizer.pre_tokenizer = steps
        return cls(tokenizer)

    @classmethod
    def read(cls, path: Path) -> PieceTokenizer:
        """Read what :meth:`to_json` wrote, or the ``tokenizer.json`` of a published T5.

        Raises:
            UserError: The file is missing, is no tokenizer, or has other special pieces.
        """
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path} is missing, or too large for a tokenizer: copy the folder anew")
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise UserError(f"{path} cannot be read as a tokenizer of T5 ({error}): copy the folder anew") from None

    @classmethod
    def from_json(cls, text: str) -> PieceTokenizer:
        """Read the text of :meth:`to_json`.

        Raises:
            ValueError: It is no tokenizer, or has other special pieces.
        """
        try:
            content = json.loads(text)
            # What a file says of padding and cutting is for other callers, and may be of any size.
            content.update(truncation=None, padding=None)
            tokenizer = Tokenizer.from_str(json.dumps(content))
        except BaseException as error:
            # A panic in the library, which is written in Rust, is no Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise ValueError(" ".join(str(error).split())[:200] or type(error).__name__) from None
        if [tokenizer.token_to_id(piece) for piece in _SPECIAL] != [PAD, END, UNKNOWN]:
            raise ValueError(f"it does not begin with the pieces {', '.join(_SPECIAL)}")
        return cls(tokenizer)

    def to_json(self) -> str:
        """Return the tokenizer in the form of Hugging Face's ``tokenizer.json``."""
        return self._tokenizer.to_str()

    def __len__(self) -> int:
        return len(self.starts)

    def word(self, word: str) -> list[int]:
        """Return the pieces of a word."""
        found = self._known.get(word)
        if found is None:
            found = self._tokenizer.encode(word, add_special_tokens=False).ids
            self.unknown += UNKNOWN in found
            self._known[word] = found
        return found

    def text(self, text: str) -> list[int]:
        """Return the pieces of the words of a text."""
        return [piece for word in text.split() for piece in self.word(word)]


def whole_words(pieces: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    """Number the words that pieces belong to (P5, whole-word embedding).

    Args:
        pieces: Padded with :data:`PAD`; int64, shape [B, L].
        starts: Which pieces begin a word; bool, shape [V].

    Returns:
        From 1, and 0 for padding and ends; int64, shape [B, L].
    """
    words = starts[pieces].long().cumsum(1).clamp_(max=WHOLE_WORDS - 1)
    return words.masked_fill_((pieces == PAD) | (pieces == END), 0)


def plain_words(text: str, count: int) -> str:
    """Return the first words of a text in lower case, without punctuation, as prompts name an item by them."""
    return " ".join(itertools.islice((match.group() for match in _WORD.finditer(text.lower())), count))


def padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return pieces as a tensor, padded on the right; int64, shape [B, L]."""
    width = max(map(len, rows), default=0)
    return torch.tensor([[*row, *([PAD] * (width - len(row)))] for row in rows], dtype=torch.long).view(-1, width)
