"""States of the tokens of texts: of a frozen encoder, computed once, or of one whose layers are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from recbole_idp.content.text.interface import distinct_texts
from recbole_idp.content.trainable.interface import TokenStates, in_chunks
from recbole_idp.content.trainable.lower_layers import AllLayers
from recbole_idp.content.trainable.text import TrainableText, check_layers
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.content.trainable.interface import Pool
    from recbole_idp.content.trainable.keys import TrainedEncoderSettings


class FrozenTokens(TokenStates):
    """Texts whose tokens' states do not change.

    Args:
        places: Place of each input's text, -1 for none; int64, shape [I].
        lengths: Tokens of each text; int64, shape [M].
        states: Returns the states of texts by their places, zero behind the end of a text, so many a row; float32,
            shape [B, L, H].
        state_width: Width H.
    """

    def __init__(
        self,
        places: np.ndarray,
        lengths: np.ndarray,
        states: Callable[[np.ndarray, int], torch.Tensor],
        state_width: int,
    ) -> None:
        super().__init__()
        self._places, self._lengths, self._states, self.state_width = places, lengths, states, state_width

    def pooled(self, rows: torch.Tensor, pool: Pool) -> torch.Tensor:
        """Pool the texts of some inputs; see :class:`TokenStates`."""

        def run(chunk: np.ndarray) -> torch.Tensor:
            lengths = torch.from_numpy(self._lengths[chunk])
            length = int(lengths.max())
            mask = torch.arange(length) < lengths.unsqueeze(1)
            return pool(self._states(chunk, length).to(rows.device), mask.to(rows.device))

        return in_chunks(self._places[rows.cpu().numpy()], self._lengths, run)


class KeptTokens(FrozenTokens):
    """The same in memory and in checkpoints, for a target whose text encoder need not be there when they are opened.

    Args:
        places: As of :class:`FrozenTokens`.
        lengths: Likewise.
        flat: The states of all texts, one text after the other; shape [tokens, H].
    """

    flat: torch.Tensor

    def __init__(self, places: np.ndarray, lengths: np.ndarray, flat: torch.Tensor) -> None:
        super().__init__(places, lengths, self._gather, flat.shape[1])
        self.register_buffer("flat", flat)
        self._first = np.cumsum(lengths) - lengths

    def _gather(self, places: np.ndarray, length: int) -> torch.Tensor:
        columns = np.arange(length)
        inside = columns < self._lengths[places, None]
        index = np.where(inside, self._first[places, None] + columns, 0)
        states = self.flat[torch.from_numpy(index).to(self.flat.device)].float()
        return states * torch.from_numpy(inside).to(states.device).unsqueeze(2)


def frozen_tokens(encoder: TextEncoder, texts: Sequence[str], encoding: TextEncoding, kept: bool) -> FrozenTokens:
    """Compute the states of texts once, or read them from the cache.

    Args:
        encoder: Fitted; one without tokens (``lsa``) gives one state for each text, its vector.
        texts: Text of inputs 1 to I - 1, blank for none.
        encoding: Place of the cache, and whether progress is shown.
        kept: Whether checkpoints hold the states, in half precision; they are in memory then.

    Returns:
        The texts with their states.
    """
    distinct, index = distinct_texts(texts)
    # Input 0 is padding.
    places = np.concatenate([[-1], index])
    if not encoder.has_tokens:
        vectors, _ = encoding.encode(encoder, distinct)
        return KeptTokens(places, np.ones(len(distinct), dtype=np.int64), torch.from_numpy(vectors))
    sentence = cast("SentenceEncoder", encoder)
    tokens = sentence.tokens(distinct)
    layers = AllLayers(sentence, distinct, tokens, encoding.cache)
    layers.compute(encoding.show_progress)
    if not kept:
        return FrozenTokens(places, tokens.lengths, layers.states, sentence.state_width)
    return KeptTokens(places, tokens.lengths, torch.from_numpy(layers.flat()))


def trained_tokens(
    encoder: TextEncoder, texts: Sequence[str], encoding: TextEncoding, settings: TrainedEncoderSettings
) -> TrainableText:
    """Return texts with a copy of an encoder that is trained.

    Args:
        encoder: The encoder.
        texts: Text of inputs 1 to I - 1, blank for none.
        encoding: Place of the cache, and whether progress is shown.
        settings: Which layers are trained, and how.

    Returns:
        The texts with the copy.

    Raises:
        UserError: The encoder has no layers, or fewer than are to be trained.
    """
    if not encoder.has_tokens:
        raise UserError(
            f"train_encoder is {settings.train_encoder}, but {encoder.name} has no layers to train: give none, or "
            "another text_encoder"
        )
    sentence = cast("SentenceEncoder", encoder)
    if settings.depth is not None:
        check_layers(sentence, settings.depth, "trained_layers")
    return TrainableText(
        sentence,
        texts,
        settings.depth,
        encoding.cache,
        encoding.show_progress,
        getattr(torch, settings.encoder_precision),
        settings.gradient_checkpointing,
    )
