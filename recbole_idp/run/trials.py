"""The trials of a run: every variant with every seed, and in a few-shot study with every share of the users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.report.result import not_joined

if TYPE_CHECKING:
    from recbole.config import Config


@dataclass(frozen=True)
class Trial:
    """One training of the target model.

    Attributes:
        variant: What the model starts from.
        seed: Seed of initial weights, the order of batches, and dropout.
        share: In a few-shot study, the share of the target's users in training.
        joined: Whether ``shared_users`` holds for the target; without, it is the same model on the target's own
            histories.
    """

    variant: str
    seed: int
    share: float | None = None
    joined: bool = True

    @property
    def title(self) -> str:
        """The variant, and whether it is without the join."""
        return self.variant if self.joined else not_joined(self.variant)

    @property
    def row(self) -> str:
        """The row of the table that it belongs to, with the other seeds."""
        row = self.variant if self.share is None else f"{self.variant}@{self.share:.12g}"
        return row if self.joined else not_joined(row)

    @property
    def name(self) -> str:
        """Its unique name in the run."""
        return f"{self.row}-{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """The result of a trial.

    Attributes:
        facts: JSON-serialisable: ``variant``, ``joined`` (of a trial without the join alone), ``seed``,
            ``train_users_share``, ``train_users``, ``test`` and ``valid`` metrics, ``seconds``, ``targets_per_second``,
            ``checkpoint`` (None where nothing is saved), and with ranks ``buckets``, as of
            :func:`~recbole_idp.run.buckets.test_buckets`.
        ranks: Rank of each test target, from 1, int32, shape [R]; None where the protocol is none
            of full ranking.
    """

    facts: dict[str, Any]
    ranks: np.ndarray | None


def trials(config: Config, variants: list[str], sides: Sequence[bool] = (True,)) -> list[Trial]:
    """List the trials of a configuration, in the order in which they are trained.

    Args:
        config: The configuration, with ``seeds`` or ``seed``, and ``few_shot``.
        variants: The variants.
        sides: Whether users are joined; both: every trial is there with the join, and then without.

    Returns:
        All trials.
    """
    seeds, shares = config["seeds"] or [config["seed"]], config["few_shot"] or [None]
    return [
        Trial(variant, seed, share, joined)
        for joined in sides
        for share in shares
        for variant in variants
        for seed in seeds
    ]
