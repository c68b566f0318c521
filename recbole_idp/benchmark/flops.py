"""How many floating-point operations a training step needs, from its sizes."""


def forward_flops(shapes, targets, candidates, sizes):
    """Counts the matrix products of one forward pass of SASRec with its softmax over items.

    With B rows of L positions (summed over the parts of a batch), T targets, N candidates, width D, inner width I and n
    blocks, a product of [a, b] and [b, c] being 2abc operations:

        n * ( 2 BL D 3D     query, key and value
            + 2 * 2 B L^2 D scores of the attention, and their use
            + 2 BL D D      its output
            + 2 * 2 BL D I  the feed-forward layer )
        + 2 T N D           scores of the candidates

    What is no matrix product (norms, dropout, activations, exponentials, the optimiser) is left out: it takes time, but
    no machine does it at the rate of its matrix products.

    Args:
        shapes (Iterable[tuple[int, int]]): B and L of each part, padding included.
        targets (int): T.
        candidates (float): N.
        sizes (Mapping): ``hidden_size``, ``inner_size`` and ``n_layers``.

    Returns:
        float: Floating-point operations.
    """
    width, inner, blocks = sizes["hidden_size"], sizes["inner_size"], sizes["n_layers"]
    block = sum(
        rows * length * (6 * width * width + 4 * length * width + 2 * width * width + 4 * width * inner)
        for rows, length in shapes
    )
    return blocks * block + 2 * targets * candidates * width


def training_flops(shapes, targets, candidates, sizes):
    """Counts a training step: each product of the forward pass has two of its size in the backward pass.

    Args:
        shapes (Iterable[tuple[int, int]]): Rows and positions of a row of each part of the batch.
        targets (int): Targets of the batch.
        candidates (float): Items that each target is compared with.
        sizes (Mapping): As in :func:`forward_flops`.

    Returns:
        float: Floating-point operations.
    """
    return 3 * forward_flops(shapes, targets, candidates, sizes)
