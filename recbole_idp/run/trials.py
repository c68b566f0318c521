"""The trials of a run: every variant with every seed, and in a few-shot study with every share of the users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recbole_idp.report.result import not_joined


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
        row = row_name(self.variant, self.share)
        return row if self.joined else not_joined(row)

    @property
    def name(self) -> str:
        """Its unique name in the run."""
        return f"{self.row}-{self.seed}"


def row_name(name: str, share: float | None) -> str:
    """Return the row of a variant or baseline, by its share of the users in a few-shot study."""
    return name if share is None else f"{name}@{share:.12g}"


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


def trials(
    variants: Sequence[str],
    seeds: Sequence[int],
    shares: Sequence[float] | None = None,
    sides: Sequence[bool] = (True,),
) -> list[Trial]:
    """List the trials of a run, in the order in which they are trained.

    Args:
        variants: The variants.
        seeds: The seeds.
        shares: The shares of the target's users in a few-shot study; None: no study.
        sides: Whether users are joined; both: every trial is there with the join, and then without.

    Returns:
        All trials.
    """
    return [
        Trial(variant, seed, share, joined)
        for joined in sides
        for share in shares or (None,)
        for variant in variants
        for seed in seeds
    ]
