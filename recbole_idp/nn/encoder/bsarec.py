"""The blocks of BSARec: self-attention beside a filter of frequencies (arXiv 2312.10325)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.nn.dropout import Dropout
from recbole_idp.nn.encoder.ages import by_age
from recbole_idp.nn.encoder.transformer import Block, TransformerEncoder

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.keys import EncoderSettings


def low_pass_response(window: int, kept: int) -> torch.Tensor:
    """Return how much of an event the causal low-pass filter lets through, by how many events ago it was.

    The paper transforms a window of N positions, which is padded before the first event, and keeps the lowest
    frequencies of all of it: an event would see what comes after it. Here each position has a window of its own that
    ends with it, with zeros before the first event. What the filter gives at the last place of a window depends only on
    how long ago an event was, so that the same N numbers serve all positions.

    Args:
        window: N, the maximum number of events.
        kept: c of the paper, frequencies of the discrete Fourier transform that are kept; an even number keeps as many
            as the next odd one, as each frequency but 0 has a mirror.

    Returns:
        Shape [N].
    """
    mask = torch.zeros(window // 2 + 1, dtype=torch.float64)
    mask[: kept // 2 + 1] = 1
    return torch.fft.irfft(mask, n=window).float()


class FrequencyLayer(nn.Module):
    """Rescale high frequencies: norm(x + dropout(LFC(x) + beta^2 HFC(x))) (BSARec, Eq. 9).

    LFC is the low-pass filter, HFC(x) = x - LFC(x); beta^2 is learned for each of D dimensions.

    Args:
        settings: Width, frequencies that are kept, and dropout.
        window: Maximum number of events in a sequence.

    Attributes:
        beta (nn.Parameter): Shape [D].
        response (torch.Tensor): See :func:`low_pass_response`.
    """

    response: torch.Tensor

    def __init__(self, settings: EncoderSettings, window: int) -> None:
        super().__init__()
        self.register_buffer("response", low_pass_response(window, settings.bsarec_c), persistent=False)
        self.beta = nn.Parameter(torch.randn(settings.hidden_size))
        self.dropout = Dropout(settings.hidden_dropout_prob)
        self.norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the filtered states; shape [B, L, D]."""
        low = by_age(self.response, states.shape[1]).tril() @ states
        return self.norm(states + self.dropout(low + self.beta.square() * (states - low)))


class BSARecBlock(Block):
    """alpha * filter + (1 - alpha) * attention, then the feed-forward layer of SASRec's block (BSARec, Eq. 8).

    Args:
        settings: Sizes, dropout, activation and alpha.
        window: Maximum number of events in a sequence.
    """

    def __init__(self, settings: EncoderSettings, window: int) -> None:
        super().__init__(settings, causal=True)
        self.alpha = settings.bsarec_alpha
        self.filter = FrequencyLayer(settings, window)

    def attend(self, states: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        """Return the mixture of filter and attention, each with its residual and norm; shape [B, L, D]."""
        return self.alpha * self.filter(states) + (1 - self.alpha) * super().attend(states, padding)


class BSARecEncoder(TransformerEncoder):
    """BSARec (arXiv 2312.10325), with a causal filter: SASRec's encoder with :class:`BSARecBlock`.

    Args:
        settings: Sizes, dropout and activation of the blocks, and the filter's.
        max_length: Maximum number of events in a sequence.
    """

    def __init__(self, settings: EncoderSettings, max_length: int) -> None:
        super().__init__(settings, max_length, block=functools.partial(BSARecBlock, settings, max_length))
