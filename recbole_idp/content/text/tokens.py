"""Hold the tokens of many texts without padding, and make batches of them."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch


class TokenTable:
    """The tokens of M texts, one text after the other.

    Args:
        token_ids: Tokens of each text.
        padding: Token that pads the texts of a batch on the right.

    Attributes:
        lengths: Number of tokens of each text; int64, shape [M].
    """

    def __init__(self, token_ids: Iterable[Sequence[int]], padding: int) -> None:
        rows = [np.asarray(ids, dtype=np.int32) for ids in token_ids]
        self.lengths = np.array([len(row) for row in rows], dtype=np.int64)
        self._ids = np.concatenate([np.zeros(0, dtype=np.int32), *rows])
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._padding = padding

    def batch(self, places: np.ndarray, device: str | torch.device = "cpu") -> dict[str, torch.Tensor]:
        """Return the inputs of a transformer for some texts, padded to the longest of them.

        Args:
            places: Numbers of the texts; shape [B].
            device: Device of the inputs.

        Returns:
            ``input_ids`` and ``attention_mask``; int64, shape [B, L].
        """
        columns = np.arange(self.lengths[places].max())
        inside = columns < self.lengths[places, None]
        index = np.where(inside, self._starts[places, None] + columns, 0)
        ids = np.where(inside, self._ids[index], self._padding).astype(np.int64)
        return {
            "input_ids": torch.from_numpy(ids).to(device),
            "attention_mask": torch.from_numpy(inside.astype(np.int64)).to(device),
        }
