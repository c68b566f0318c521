"""Count the floating-point operations of a training step from its sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recbole.config import Config


def forward_flops(
    shapes: Iterable[tuple[int, ...]], targets: int, candidates: float, sizes: Mapping[str, int] | Config
) -> float:
    """Count the matrix products of one forward pass of SASRec with its softmax over items.

    With B rows of L positions (summed over the parts of a batch), T targets, N candidates, width D, inner width I and n
    blocks, a product of [a, b] and [b, c] being 2abc operations:

        n * ( 2 BL D 3D     query, key and value
            + 2 * 2 B L^2 D scores of the attention, and their use
            + 2 BL D D      its output
            + 2 * 2 BL D I  the feed-forward layer )
        + 2 T N D           scores of the candidates

    Other operations (norms, dropout, activations, exponentials, the optimiser) are left out: they take time, but no
    machine does them at the rate of its matrix products.

    Args:
        shapes: B and L of each part, padding included.
        targets: T.
        candidates: N.
        sizes: ``hidden_size``, ``inner_size`` and ``n_layers``.

    Returns:
        Floating-point operations.
    """
    width, inner, blocks = sizes["hidden_size"], sizes["inner_size"], sizes["n_layers"]
    block = sum(
        rows * length * (6 * width * width + 4 * length * width + 2 * width * width + 4 * width * inner)
        for rows, length in shapes
    )
    return blocks * block + 2 * targets * candidates * width


def training_flops(
    shapes: Iterable[tuple[int, ...]], targets: int, candidates: float, sizes: Mapping[str, int] | Config
) -> float:
    """Count the operations of a training step.

    Each product of the forward pass has two of its size in the backward pass.

    Args:
        shapes: Rows and positions of a row of each part of the batch.
        targets: Targets of the batch.
        candidates: Items that each target is compared with.
        sizes: As in :func:`forward_flops`.

    Returns:
        Floating-point operations.
    """
    return 3 * forward_flops(shapes, targets, candidates, sizes)
