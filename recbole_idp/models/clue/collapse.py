"""Watch whether CLUE's pre-training collapses: whether all users get the same vector."""

from __future__ import annotations

import logging

COLLAPSED = 0.1
"""A spread below this is a collapse; 1 is that of evenly spread directions."""


class CollapseAlarm:
    """Log the spread of each epoch, and warn once where it is that of equal vectors.

    Args:
        width: Width D of the projections.

    Attributes:
        warned: Whether it has warned.
    """

    def __init__(self, width: int) -> None:
        self.width, self.warned = width, False

    def report(self, epoch: int, value: float) -> None:
        """Report an epoch.

        Args:
            epoch: Its number.
            value: The mean of :func:`~recbole_idp.models.clue.heads.spread` over the epoch.
        """
        logger, healthy = logging.getLogger(), self.width**-0.5
        logger.info(
            f"epoch {epoch}: the standard deviation of the projections' directions is {value * healthy:.4f} a "
            f"dimension, {healthy:.4f} where they are spread evenly"
        )
        if value < COLLAPSED and not self.warned:
            self.warned = True
            logger.warning(
                f"pre-training collapses: in epoch {epoch} the projections of different users have nearly the same "
                f"direction (standard deviation {value * healthy:.4f} a dimension, {healthy:.4f} where they are spread "
                "evenly); lower pretrain_learning_rate, or choose another view"
            )
