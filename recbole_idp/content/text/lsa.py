"""The text encoder without weights: TF-IDF and truncated singular value decomposition, learned from the texts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.content.text.interface import TextEncoder, distinct_texts
from recbole_idp.content.text.locate import LSA
from recbole_idp.content.text.stored import SETTINGS_FILE, read_settings, write_settings
from recbole_idp.errors import UserError
from recbole_idp.storage.files import parse_json, replacing
from recbole_idp.storage.schema import check_schema
from recbole_idp.storage.tensors import read_tensors

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

LSA_WIDTH = 128
_MAX_TERMS = 50_000
_WEIGHTS_FILE = "lsa.safetensors"
_TERMS_FILE = "vocabulary.json"
_BLOCK = 4096


class LsaEncoder(TextEncoder):
    """Latent semantic analysis.

    texts -> TF-IDF of words and word pairs [N, V] -> projection [V, width] -> unit length

    The same texts in the same order give the same encoder. A corpus of fewer than ``width`` texts or terms gives
    fewer directions; the rest of each vector is zero, so that the width is always the same. A text without any word
    that was seen in fitting has a zero vector.
    """

    _vectorizer: TfidfVectorizer
    _projection: np.ndarray
    _fingerprint: str

    needs_fitting = True

    def __init__(self, width: int = LSA_WIDTH) -> None:
        """Make an encoder that must be fitted before it is used.

        Args:
            width: Length of a vector.
        """
        self.name = LSA
        self.width = width
        self._vectorizer = None
        self._projection = None  # type: ignore[assignment]  # float32 [V, width] once fitted
        self._fingerprint = None  # type: ignore[assignment]  # set by fit

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify the texts of the fitting and the settings.

        Raises:
            RuntimeError: Before :meth:`fit`.
        """
        self._require_fitted()
        return self._fingerprint

    @property
    def cache_key(self) -> str:
        """See :class:`TextEncoder`: made of terms and numbers, as a folder may claim any fingerprint."""
        self._require_fitted()
        digest = hashlib.sha256(json.dumps(self._vectorizer.get_feature_names_out().tolist()).encode())
        for numbers in (self._vectorizer.idf_, self._projection):
            digest.update(np.ascontiguousarray(numbers).data)
        return digest.hexdigest()[:32]

    def fit(self, texts: Sequence[str]) -> LsaEncoder:
        """Learn the vocabulary, the weights of the terms and the directions.

        Args:
            texts: Texts, at least one with a word.

        Returns:
            This encoder.

        Raises:
            UserError: No text has a word.
        """
        from sklearn.decomposition import TruncatedSVD

        distinct, _ = distinct_texts(texts)
        vectorizer = _vectorizer()
        try:
            weights = vectorizer.fit_transform(distinct)
        except ValueError as error:
            raise UserError("no word in any item text, so lsa has nothing to learn from: check text_fields") from error
        directions = min(self.width, *weights.shape)
        self._projection = np.zeros((weights.shape[1], self.width), dtype=np.float32)
        if directions > 1:
            svd = TruncatedSVD(directions, random_state=0).fit(weights)
            self._projection[:, :directions] = svd.components_.T
        else:  # the decomposition needs two terms; one text or one term has only one direction
            self._projection[:, 0] = 1.0
        self._vectorizer = vectorizer
        # Made of the texts and not of the projection, whose last bits depend on the number of threads.
        self._fingerprint = _fingerprint(distinct, self.width)
        return self

    def encode_distinct(self, texts: list[str], advance: Callable[[int], object]) -> np.ndarray:
        """Encode texts; see :meth:`TextEncoder.encode_distinct`.

        Raises:
            RuntimeError: Before :meth:`fit`.
        """
        self._require_fitted()
        vectors = np.empty((len(texts), self.width), dtype=np.float32)
        for start in range(0, len(texts), _BLOCK):
            block = texts[start : start + _BLOCK]
            projected = self._vectorizer.transform(block) @ self._projection
            norms = np.linalg.norm(projected, axis=1, keepdims=True)
            vectors[start : start + len(block)] = projected / np.where(norms > 0, norms, 1)
            advance(len(block))
        return vectors

    def save(self, folder: str | Path) -> None:
        """Write safetensors and a JSON list of the terms; see :meth:`TextEncoder.save`."""
        from safetensors.numpy import save

        self._require_fitted()
        terms = self._vectorizer.get_feature_names_out().tolist()
        tensors = {"idf": self._vectorizer.idf_, "projection": self._projection}
        settings = {"width": self.width, "fingerprint": self._fingerprint, "terms": len(terms)}
        with write_settings(folder, LSA, settings) as folder:
            with replacing(folder / _TERMS_FILE) as temporary:
                temporary.write_text(json.dumps(terms, ensure_ascii=False), encoding="utf-8")
            with replacing(folder / _WEIGHTS_FILE) as temporary:
                temporary.write_bytes(save(tensors))

    def _require_fitted(self) -> None:
        """Check that the encoder was fitted."""
        if self._vectorizer is None:
            raise RuntimeError("an lsa encoder must be fitted before it is used")


def open_lsa_encoder(folder: str | Path) -> LsaEncoder:
    """Open what :meth:`LsaEncoder.save` wrote; see :func:`recbole_idp.content.text.encoder.open_text_encoder`."""
    settings, path = read_settings(folder), Path(folder) / _WEIGHTS_FILE
    try:
        if others := {entry.name for entry in Path(folder).iterdir()} - {SETTINGS_FILE, _WEIGHTS_FILE, _TERMS_FILE}:
            raise ValueError(f"{min(others)} is no file of a saved lsa")
        terms = parse_json(Path(folder) / _TERMS_FILE)
        check_schema(terms, [str])
        tensors = {name: tensor.numpy() for name, tensor in read_tensors(path).items()}
        idf, projection = tensors["idf"], tensors["projection"]
        if not terms or len(set(terms)) != len(terms) or projection.shape != (len(terms), settings["width"]):
            raise ValueError("its parts do not fit each other")
        if idf.shape != (len(terms),) or {str(idf.dtype), str(projection.dtype)} - {"float32", "float64"}:
            raise ValueError("its weights have another form")
        if not re.fullmatch("[0-9a-f]{1,64}", settings["fingerprint"]):
            raise ValueError("its fingerprint is none")
        encoder = LsaEncoder(settings["width"])
        encoder._vectorizer = _vectorizer(terms)
        encoder._vectorizer.idf_ = idf
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"text encoder folder {folder} is damaged ({error}): make it again") from error
    encoder._projection = projection
    encoder._fingerprint = settings["fingerprint"]
    return encoder


def _vectorizer(terms: list[str] | None = None) -> TfidfVectorizer:
    """Return the TF-IDF step, with a fixed vocabulary if one is given."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        max_features=_MAX_TERMS if terms is None else None,
        strip_accents="unicode",
        token_pattern=r"(?u)\b\w+\b",  # with single digits, so that "Part 1" and "Part 2" differ
        dtype=np.float32,
        vocabulary=terms,
    )


def _fingerprint(texts: Iterable[str], width: int) -> str:
    """Return 16 hexadecimal digits that identify the texts, the settings and the version of scikit-learn."""
    import sklearn

    digest = hashlib.sha256(json.dumps([LSA, width, _MAX_TERMS, sklearn.__version__]).encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()[:16]
