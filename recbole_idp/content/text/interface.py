"""What every text encoder can do, whatever makes its vectors."""

import abc
import contextlib

import numpy as np


class TextEncoder(abc.ABC):
    """Turns texts into vectors, the same for the same text whenever and with whatever others it is encoded.

    texts -> distinct, non-blank texts -> :meth:`encode_distinct` -> vectors in the order of the texts

    Norms are as the model gives them: all-MiniLM-L6-v2, ``lsa`` and every other encoder that ends in a normalising
    step give unit length, plain BERT or SimCSE does not. Blank texts give a zero vector.

    Attributes:
        name (str): The name under which the encoder was asked for.
        width (int): Length of a vector.
        needs_fitting (bool): Whether :meth:`fit` must be called before :meth:`encode`.
        has_tokens (bool): Whether it is a transformer over tokens, with ``tokens()``, ``model`` and ``device`` as of
            :class:`~recbole_idp.content.text.sentence.SentenceEncoder`.
    """

    name: str
    width: int
    needs_fitting = False
    has_tokens = False

    @property
    @abc.abstractmethod
    def fingerprint(self):
        """str: 16 hexadecimal digits that change with the weights and with every setting that changes a vector."""

    @abc.abstractmethod
    def encode_distinct(self, texts, advance):
        """Encodes texts that differ from each other and are not blank.

        Args:
            texts (list[str]): N texts.
            advance (Callable[[int], object]): Called with the number of texts done since the last call.

        Returns:
            np.ndarray: float32 ``[N, width]``.
        """

    @abc.abstractmethod
    def save(self, folder):
        """Writes all that :func:`recbole_idp.content.text.encoder.open_text_encoder` needs into ``folder``.

        The folder is only valid once this has returned: the file that is looked at first is written last.

        Args:
            folder (str | Path): Made where it is missing.

        Raises:
            UserError: The folder cannot be written, or the disk is full.
        """

    def fit(self, texts):
        """Learns from the texts what the encoder needs; does nothing for encoders that come with weights.

        Args:
            texts (Sequence[str]): The texts of the source items, as a rule.

        Returns:
            TextEncoder: This encoder.
        """
        return self

    def encode(self, texts, show_progress=False):
        """Encodes texts; equal texts are encoded once.

        Args:
            texts (Sequence[str]): N texts, in any order, with repetitions.
            show_progress (bool): Whether to draw a progress bar with items/s on standard error.

        Returns:
            np.ndarray: float32 ``[N, width]``, row i for text i; zero for a blank text.
        """
        distinct, index = distinct_texts(texts)
        with progress_bar(len(distinct), show_progress) as advance:
            vectors = self.encode_distinct(distinct, advance)
        return np.concatenate([vectors, np.zeros((1, self.width), dtype=np.float32)])[index]


def distinct_texts(texts):
    """Finds the texts that have to be encoded.

    Args:
        texts (Iterable[str]): N texts.

    Returns:
        tuple[list[str], np.ndarray]: The M distinct, non-blank texts in order of appearance, and for each of the N
        texts its place among them, int64 ``[N]``. A blank text has -1, the last row of a table with M rows of vectors
        and one of zeros.
    """
    place = {}
    index = [place.setdefault(text, len(place)) if text.strip() else -1 for text in texts]
    return list(place), np.array(index, dtype=np.int64)


@contextlib.contextmanager
def progress_bar(total, shown):
    """Yields a function that moves a bar of ``total`` items on; it draws nothing unless ``shown``."""
    from tqdm import tqdm

    with tqdm(total=total, desc="encode texts", unit="item", disable=not shown or not total) as bar:
        yield bar.update
