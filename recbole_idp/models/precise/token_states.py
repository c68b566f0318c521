"""Few and narrow token vectors of texts: a language model's last hidden states, joined and projected."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from recbole_idp.content.text.cache import encode_cached
from recbole_idp.content.text.interface import TextEncoder
from recbole_idp.storage.files import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.models.precise.keys import FusionSettings

_SAMPLE = 2048


class StretchEncoder(TextEncoder):
    """A fixed number of last hidden states of a text: the mean of each of ``count`` stretches of its tokens.

    text -> tokens, without those that the model adds -> last hidden states -> stretches of about equal length -> means

    A text of fewer tokens gives as many states as it has, the others are zero. An encoder without tokens (``lsa``)
    gives one.

    Args:
        encoder: Fitted; a :class:`~recbole_idp.content.text.sentence.SentenceEncoder` has tokens.
        count: Number of states of a text.
    """

    def __init__(self, encoder: TextEncoder, count: int) -> None:
        self.encoder, self.count, self.name = encoder, count, encoder.name
        self.state_width = _state_width(encoder)
        self.width = count * self.state_width

    @property
    def fingerprint(self) -> str:
        """See :class:`TextEncoder`."""
        return fingerprint(["stretches", self.encoder.fingerprint, self.count])

    @property
    def cache_key(self) -> str:
        """See :class:`TextEncoder`."""
        return fingerprint(["stretches", self.encoder.cache_key, self.count])

    def save(self, folder: str | Path) -> None:
        """See :meth:`TextEncoder.save`; the encoder itself is saved."""
        self.encoder.save(folder)

    def encode_distinct(self, texts: list[str], advance: Callable[[int], object]) -> np.ndarray:
        """See :meth:`TextEncoder.encode_distinct`; a row holds the states one after the other."""
        states = np.zeros((len(texts), self.count, self.state_width), dtype=np.float32)
        if not self.encoder.has_tokens:
            states[:, 0] = self.encoder.encode_distinct(texts, advance)
            return states.reshape(len(texts), self.width)
        encoder = cast("SentenceEncoder", self.encoder)
        table = encoder.tokens(texts)
        special = torch.tensor(sorted(set(encoder.model.tokenizer.all_special_ids)), device=encoder.device)
        # Longest first: too little memory shows at once.
        order = np.argsort(-table.lengths, kind="stable")
        for start in range(0, len(order), encoder.batch_size):
            rows = order[start : start + encoder.batch_size]
            states[rows] = self._stretches(table.batch(rows, encoder.device), special)
            advance(len(rows))
        return states.reshape(len(texts), self.width)

    @torch.inference_mode()
    def _stretches(self, batch: Mapping[str, torch.Tensor], special: torch.Tensor) -> np.ndarray:
        """Return the means of the stretches of each text of a batch; shape [B, count, state width]."""
        own = batch["attention_mask"].bool()
        content = own & ~torch.isin(batch["input_ids"], special)
        # A text of nothing but added tokens keeps these.
        content = torch.where(content.any(1, keepdim=True), content, own)
        states = cast("SentenceEncoder", self.encoder).model[0](dict(batch))["token_embeddings"].float()
        lengths = content.sum(1, keepdim=True)
        place = content.cumsum(1) - 1
        # Token p of n belongs to stretch floor(p * count / n), or p where there are fewer tokens than stretches.
        stretch = place * self.count // lengths.clamp_min(self.count)
        member = torch.nn.functional.one_hot(stretch.clamp_min(0), self.count) * content.unsqueeze(-1)
        member = member.to(states.dtype).transpose(1, 2)
        return ((member @ states) / member.sum(-1, keepdim=True).clamp_min(1)).cpu().numpy()


class ProjectedTokens(TextEncoder):
    """The states of :class:`StretchEncoder` in few dimensions, by principal components of a sample of the texts.

    One factor scales them all to a root mean square of one over the sample.

    Args:
        encoder: Gives the states.
        width: Width of a token vector; where the states are narrower, the rest is zero.
    """

    _centre: np.ndarray
    _components: np.ndarray
    _sample: str

    needs_fitting = True

    def __init__(self, encoder: StretchEncoder, width: int) -> None:
        self.encoder, self.token_width, self.name = encoder, width, encoder.name
        self.width = encoder.count * width
        self._centre = self._components = self._sample = None  # type: ignore[assignment]  # until it is fitted
        self._known: dict[str, np.ndarray] = {}

    @property
    def fingerprint(self) -> str:
        """See :class:`TextEncoder`."""
        return fingerprint(["components", self.encoder.fingerprint, self.token_width, self._sample])

    @property
    def cache_key(self) -> str:
        """See :class:`TextEncoder`."""
        return fingerprint(["components", self.encoder.cache_key, self.token_width, self._sample])

    def fit(  # type: ignore[override]  # it caches states
        self, texts: Sequence[str], folder: str | Path
    ) -> ProjectedTokens:
        """Find the components; the sample depends on the texts alone.

        Args:
            texts: The texts.
            folder: The cache of texts.

        Returns:
            This encoder.
        """
        digests = {hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(): text for text in texts if text}
        chosen = sorted(digests)[:_SAMPLE]
        sample = [digests[digest] for digest in chosen]
        found, _ = encode_cached(self.encoder, sample, folder)
        self._known = dict(zip(sample, found, strict=True))
        states = found.reshape(-1, self.encoder.state_width).astype(np.float64)
        states = states[np.any(states, axis=1)]
        self._sample = fingerprint(chosen)
        self._centre = states.mean(0)
        variances, components = np.linalg.eigh(np.cov(states, rowvar=False, bias=True).reshape(len(self._centre), -1))
        components = components[:, ::-1][:, : self.token_width]
        kept = max(float(variances[::-1][: self.token_width].sum()), 1e-12)
        # Signs are free: the largest number of each component is positive.
        signs = np.sign(components[np.abs(components).argmax(0), np.arange(components.shape[1])])
        self._components = components * signs / (kept / self.token_width) ** 0.5
        return self

    def save(self, folder: str | Path) -> None:
        """See :meth:`TextEncoder.save`; the encoder itself is saved."""
        self.encoder.save(folder)

    def encode_distinct(self, texts: list[str], advance: Callable[[int], object]) -> np.ndarray:
        """See :meth:`TextEncoder.encode_distinct`; a row holds the token vectors one after the other."""
        states: np.ndarray = np.empty((len(texts), self.encoder.width), dtype=np.float32)
        new = [row for row, text in enumerate(texts) if text not in self._known]
        states[new] = self.encoder.encode_distinct([texts[row] for row in new], advance)
        for row, text in enumerate(texts):
            if text in self._known:
                states[row] = self._known[text]
        advance(len(texts) - len(new))
        states = states.reshape(len(texts), self.encoder.count, -1)
        present = np.any(states, axis=2, keepdims=True)
        projected = np.zeros((len(texts), self.encoder.count, self.token_width), dtype=np.float32)
        projected[..., : self._components.shape[1]] = ((states - self._centre) @ self._components) * present
        return projected.reshape(len(texts), self.width)


def token_vectors(
    encoding: TextEncoding, settings: FusionSettings, texts: Sequence[str], known: Sequence[str] | None = None
) -> np.ndarray:
    """Make the first token vectors of items, or read them from the cache.

    Args:
        encoding: Settings of the text encoder.
        settings: With ``token_count`` and ``token_width``.
        texts: A text for each item; blank ones have no tokens.
        known: Texts that encoder and components are fitted to; None: all of them.

    Returns:
        Zero where an item has no further token; float32, shape [len(texts), M, W].

    Raises:
        UserError: The encoder cannot be loaded, or the cache cannot be written.
    """
    count, width = settings.token_count, settings.token_width
    # Models draw the same first weights whether or not their texts had to be encoded first.
    with torch.random.fork_rng(devices=[]):
        encoder = encoding.load_encoder()
        if encoder.needs_fitting:
            encoder.fit(known or texts)
        projected = ProjectedTokens(StretchEncoder(encoder, count), width).fit(known or texts, encoding.cache)
        vectors, _ = encoding.encode(projected, texts)
    return vectors.reshape(len(texts), count, width)


def _state_width(encoder: TextEncoder) -> int:
    """Return the width of an encoder's hidden states, which need not be that of its vectors."""
    if not encoder.has_tokens:
        return encoder.width
    encoder = cast("SentenceEncoder", encoder)
    with torch.inference_mode():
        batch = encoder.tokens(["width"]).batch(np.array([0]), encoder.device)
        return int(encoder.model[0](batch)["token_embeddings"].shape[-1])
