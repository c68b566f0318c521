"""The text encoder without weights: TF-IDF and truncated singular value decomposition, learned from the texts."""

import hashlib
import json
from pathlib import Path

import numpy as np

from recbole_idp.content.text.interface import TextEncoder, distinct_texts
from recbole_idp.content.text.locate import LSA
from recbole_idp.content.text.stored import read_settings, write_settings
from recbole_idp.errors import UserError
from recbole_idp.storage.files import replacing

LSA_WIDTH = 128
_MAX_TERMS = 50_000
_WEIGHTS_FILE = "lsa.safetensors"
_TERMS_FILE = "vocabulary.json"
_BLOCK = 4096


class LsaEncoder(TextEncoder):
    """Latent semantic analysis.

    texts -> TF-IDF of words and word pairs [N, V] -> projection [V, width] -> unit length

    The same texts in the same order give the same encoder. A corpus of fewer than ``width`` texts or terms gives
    fewer directions; the rest of each vector is zero, so that the width is always the same. A text of which no word
    was seen in fitting has a zero vector.
    """

    needs_fitting = True

    def __init__(self, width=LSA_WIDTH):
        """Makes an encoder that is still to be fitted.

        Args:
            width (int): Length of a vector.
        """
        self.name = LSA
        self.width = width
        self._vectorizer = None
        self._projection = None  # float32 [V, width]
        self._fingerprint = None

    @property
    def fingerprint(self):
        """str: 16 hexadecimal digits over the texts that the encoder was fitted on and the settings.

        Raises:
            RuntimeError: Before :meth:`fit`.
        """
        self._require_fitted()
        return self._fingerprint

    def fit(self, texts):
        """Learns vocabulary, weights of the terms and directions.

        Args:
            texts (Sequence[str]): At least one with a word in it.

        Returns:
            LsaEncoder: This encoder.

        Raises:
            UserError: There is no word in any of the texts.
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
        else:  # the decomposition wants two terms; with one text or one term there is only one direction
            self._projection[:, 0] = 1.0
        self._vectorizer = vectorizer
        # Over the texts and not over the projection: its last bits depend on the number of threads.
        self._fingerprint = _fingerprint(distinct, self.width)
        return self

    def encode_distinct(self, texts, advance):
        """See :meth:`TextEncoder.encode_distinct`.

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

    def save(self, folder):
        """See :meth:`TextEncoder.save`; writes safetensors and a JSON list of the terms."""
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

    def _require_fitted(self):
        if self._vectorizer is None:
            raise RuntimeError("an lsa encoder must be fitted before it is used")


def open_lsa_encoder(folder):
    """Opens what :meth:`LsaEncoder.save` wrote; see :func:`recbole_idp.content.text.encoder.open_text_encoder`."""
    from safetensors.numpy import load_file

    settings = read_settings(folder)
    terms = json.loads((Path(folder) / _TERMS_FILE).read_text("utf-8"))
    tensors = load_file(Path(folder) / _WEIGHTS_FILE)
    encoder = LsaEncoder(settings["width"])
    encoder._vectorizer = _vectorizer(terms)
    encoder._vectorizer.idf_ = tensors["idf"]
    encoder._projection = tensors["projection"]
    encoder._fingerprint = settings["fingerprint"]
    return encoder


def _vectorizer(terms=None):
    """Returns the TF-IDF step, with a fixed vocabulary where one is given."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        max_features=_MAX_TERMS if terms is None else None,
        strip_accents="unicode",
        token_pattern=r"(?u)\b\w+\b",  # single digits tell a "Part 1" from a "Part 2"
        dtype=np.float32,
        vocabulary=terms,
    )


def _fingerprint(texts, width):
    """Returns 16 hexadecimal digits over the fitted texts, the settings, and the library that decomposes."""
    import sklearn

    digest = hashlib.sha256(json.dumps([LSA, width, _MAX_TERMS, sklearn.__version__]).encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()[:16]
