"""What a run trains: every variant with every seed, and in a few-shot study with every share of the users."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trial:
    """One training of the target model.

    Attributes:
        variant (str): What it starts from.
        seed (int): Of its initial weights, the order of batches, and dropout.
        share (float | None): In a few-shot study the share of the target's users that are trained on.
    """

    variant: str
    seed: int
    share: float | None = None

    @property
    def row(self):
        """str: The row of the table that it belongs to, with its other seeds."""
        return self.variant if self.share is None else f"{self.variant}@{self.share:.12g}"

    @property
    def name(self):
        """str: What tells it from all others of the run."""
        return f"{self.row}-{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What a trial has yielded.

    Attributes:
        facts (dict): JSON-serialisable: ``variant``, ``seed``, ``train_users_share``, ``train_users``, ``test`` and
            ``valid`` metrics, ``seconds``, ``targets_per_second``, ``checkpoint`` (None where nothing is saved), and
            with ranks ``buckets``, as of :func:`~recbole_idp.evaluation.buckets.bucket_metrics`.
        ranks (np.ndarray | None): Rank of each test target, from 1, int32, shape [R]; None where the protocol is none
            of full ranking.
    """

    facts: dict
    ranks: np.ndarray | None


def trials(config, variants):
    """List the trials of a configuration, in the order in which they are trained.

    Args:
        config (Config): With ``seeds`` or ``seed``, and ``few_shot``.
        variants (list[str]): What the model starts from, each in turn.

    Returns:
        list[Trial]: All of them.
    """
    seeds, shares = config["seeds"] or [config["seed"]], config["few_shot"] or [None]
    return [Trial(variant, seed, share) for share in shares for variant in variants for seed in seeds]
