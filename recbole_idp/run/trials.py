"""The trials of a run: every variant with every seed, and in a few-shot study with every share of the users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from recbole.config import Config


@dataclass(frozen=True)
class Trial:
    """One training of the target model.

    Attributes:
        variant: What the model starts from.
        seed: Seed of initial weights, the order of batches, and dropout.
        share: In a few-shot study, the share of the target's users in training.
    """

    variant: str
    seed: int
    share: float | None = None

    @property
    def row(self) -> str:
        """The row of the table that it belongs to, with the other seeds."""
        return self.variant if self.share is None else f"{self.variant}@{self.share:.12g}"

    @property
    def name(self) -> str:
        """Its unique name in the run."""
        return f"{self.row}-{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """The result of a trial.

    Attributes:
        facts: JSON-serialisable: ``variant``, ``seed``, ``train_users_share``, ``train_users``, ``test`` and
            ``valid`` metrics, ``seconds``, ``targets_per_second``, ``checkpoint`` (None where nothing is saved), and
            with ranks ``buckets``, as of :func:`~recbole_idp.evaluation.buckets.bucket_metrics`.
        ranks: Rank of each test target, from 1, int32, shape [R]; None where the protocol is none
            of full ranking.
    """

    facts: dict[str, Any]
    ranks: np.ndarray | None


def trials(config: Config, variants: list[str]) -> list[Trial]:
    """List the trials of a configuration, in the order in which they are trained.

    Args:
        config: The configuration, with ``seeds`` or ``seed``, and ``few_shot``.
        variants: The variants.

    Returns:
        All trials.
    """
    seeds, shares = config["seeds"] or [config["seed"]], config["few_shot"] or [None]
    return [Trial(variant, seed, share) for share in shares for variant in variants for seed in seeds]
