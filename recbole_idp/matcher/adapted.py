"""What makes the vectors by which items are matched, from their texts and the vectors of the frozen text encoder."""


class FrozenMatcher:
    """Matches by the frozen text encoder: ``cdim_depth: none``."""

    def vectors(self, texts, frozen_vectors):
        """Returns the vectors that items are matched by.

        Args:
            texts (list[str]): N texts.
            frozen_vectors (np.ndarray): Their vectors by the frozen encoder, zero for blank texts; shape [N, W].

        Returns:
            np.ndarray: Shape [N, W]; zero for blank texts.
        """
        return frozen_vectors
