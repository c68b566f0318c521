"""The interface of all text encoders."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from recbole_idp.terminal.progress import progress_bar


class TextEncoder(abc.ABC):
    """An encoder of texts. The vector of a text does not depend on the other texts that are encoded with it.

    texts -> distinct, non-blank texts -> :meth:`encode_distinct` -> vectors in the order of the texts

    Vectors have the norms that the model gives them: unit length for all-MiniLM-L6-v2, ``lsa`` and every other encoder
    that ends in a normalising step, but not for plain BERT or SimCSE. Blank texts have a zero vector.

    Attributes:
        name: The name by which the user chose the encoder.
        width: Length of a vector.
        needs_fitting: Whether :meth:`fit` must be called before :meth:`encode`.
        has_tokens: Whether it is a transformer over tokens, with ``tokens()``, ``model`` and ``device`` like
            :class:`~recbole_idp.content.text.sentence.SentenceEncoder`.
        reads_texts: Whether it makes vectors of texts; False: it looks up vectors that were made elsewhere, see
            :class:`~recbole_idp.content.text.own.encoder.OwnVectors`.
        blocks: Blocks of texts that are encoded at a time, by tasks of the Ray cluster; 1: one, in this process.
    """

    name: str
    width: int
    needs_fitting = False
    has_tokens = False
    reads_texts = True
    blocks = 1

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the weights and with every setting that changes a vector."""

    @property
    def cache_key(self) -> str:
        """Hexadecimal digits under which vectors are cached.

        They are computed from all that a vector depends on, never read from a folder: else a stranger's encoder could
        put its vectors where those of another one are looked for.
        """
        return self.fingerprint

    @abc.abstractmethod
    def encode_distinct(self, texts: list[str], advance: Callable[[int], object]) -> np.ndarray:
        """Encode texts that differ from each other and are not blank.

        Args:
            texts: N texts.
            advance: Called with the number of texts that were encoded since the last call.

        Returns:
            The vectors; float32, shape [N, width].
        """

    @abc.abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write all that :func:`recbole_idp.content.text.encoder.open_text_encoder` needs into ``folder``.

        The folder is valid only after the method has returned: the file that is read first is written last.

        Args:
            folder: The folder, which is made if it is missing.

        Raises:
            UserError: The folder cannot be written, or the disk is full.
        """

    def fit(self, texts: Sequence[str]) -> TextEncoder:
        """Learn from texts what the encoder needs. Encoders that come with weights learn nothing.

        Args:
            texts: The texts, usually those of the source items.

        Returns:
            This encoder.
        """
        return self

    def encode(self, texts: Sequence[str], show_progress: bool = False) -> np.ndarray:
        """Encode texts; equal texts are encoded once.

        Args:
            texts: N texts, in any order, with repetitions.
            show_progress: Whether to draw a progress bar with items/s on standard error.

        Returns:
            Row i is the vector of text i, zero for a blank text; float32, shape [N, width].
        """
        distinct, index = distinct_texts(texts)
        with encoding_progress(len(distinct), show_progress) as advance:
            vectors = self.encode_distinct(distinct, advance)
        return np.concatenate([vectors, np.zeros((1, self.width), dtype=np.float32)])[index]


def distinct_texts(texts: Iterable[str]) -> tuple[list[str], np.ndarray]:
    """Find the texts that must be encoded.

    Args:
        texts: N texts.

    Returns:
        The M distinct, non-blank texts in order of appearance; and for each of the N texts its place among them, int64,
        shape [N]. A blank text has -1, the last row of a table with M rows of vectors and one of zeros.
    """
    place: dict[str, int] = {}
    index = [place.setdefault(text, len(place)) if text.strip() else -1 for text in texts]
    return list(place), np.array(index, dtype=np.int64)


@contextlib.contextmanager
def encoding_progress(total: int, shown: bool) -> Iterator[Callable[[int], object]]:
    """Yield a function that advances a progress bar of ``total`` texts; see :mod:`recbole_idp.terminal.progress`."""
    with progress_bar(shown=shown and total > 0, total=total, desc="encode texts", unit="item") as bar:
        yield bar.update
