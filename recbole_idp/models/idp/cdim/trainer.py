"""Training of the cross-domain item matcher: epochs, matching quality after each, checkpoints."""

from __future__ import annotations

import copy
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

from recbole_idp import compat
from recbole_idp.errors import UserError
from recbole_idp.models.idp.cdim.losses import BEHAVIOUR, TEXT, Neighbourhoods, cdim_losses
from recbole_idp.models.idp.cdim.neighbours import NOBODY, recall_of_neighbours
from recbole_idp.storage.checkpoint import load_checkpoint, save_checkpoint
from recbole_idp.storage.files import fingerprint
from recbole_idp.terminal.progress import progress_bar

if TYPE_CHECKING:
    from recbole_idp.models.idp.cdim.head import HeadTrainee
    from recbole_idp.models.idp.cdim.layers import LayersTrainee
    from recbole_idp.models.idp.keys import MatcherSettings

CUTOFFS = (10, 50)
_TRIAL_BATCHES = 3


class Schedule(NamedTuple):
    """The training schedule of a depth.

    Attributes:
        epochs: Passes over the items.
        batch_size: Items a batch.
        learning_rate: At the start; it falls to zero linearly.
    """

    epochs: int
    batch_size: int
    learning_rate: float


class CdimTrainer:
    """Train a matcher and keep the epoch after which it finds most behaviour neighbours of held-out items.

    items of a batch -> two dropout passes, a positive from V_s -> text and behaviour loss -> trainee

    What an epoch draws depends on the seed and its number alone, so that a resumed training runs as if it had not
    been interrupted.

    Args:
        settings: Losses, their temperature, and the number of held-out items.
        trainee: Its ``module`` is trained.
        schedule: How long and how fast.
        neighbours: V_s of each item, empty for items that do not take part; shape [S, s].
        texts: Number of each item's text, -1 without one; shape [S].
        checkpoint: The file of the training's state after each epoch.
        seed: Decides on what is held out and drawn.
        show_progress: Whether to show a progress bar.
    """

    def __init__(
        self,
        settings: MatcherSettings,
        trainee: HeadTrainee | LayersTrainee,
        schedule: Schedule,
        neighbours: np.ndarray,
        texts: np.ndarray,
        checkpoint: str | Path,
        seed: int,
        show_progress: bool = False,
    ) -> None:
        self._seed, self._show_progress = seed, show_progress
        self._trainee, self._schedule = trainee, schedule
        self._neighbours, self._checkpoint = neighbours, Path(checkpoint)
        self._losses: list[str] = [*settings.cdim_losses]
        self._temperature = settings.cdim_temperature
        valid, train = held_out(neighbours, texts, settings.cdim_valid_items, seed)
        self.valid, self._train = valid, torch.from_numpy(train)
        self._hoods = Neighbourhoods(neighbours, texts, np.isin(np.arange(len(texts)), train))
        self._optimizer = torch.optim.AdamW(trainee.module.parameters(), lr=schedule.learning_rate, weight_decay=0.0)
        self._best = copy.deepcopy(trainee.module)
        # The matching quality before the training and after each epoch.
        self.history: list[dict[str, float]] = []
        self._logger = logging.getLogger()

    @property
    def best_epoch(self) -> int:
        """The epoch with the largest sum of recalls, from 1; 0 where none was better than no training."""
        qualities = [sum(quality.values()) for quality in self.history]
        return qualities.index(max(qualities))

    def fit(self) -> None:
        """Train, or resume an interrupted training; load the best epoch into the trainee."""
        began = time.perf_counter()
        self._resume()
        if not self.history:
            self._note(self._quality(), "before training", began)
        with compat.without_anomaly_detection():
            for epoch in range(len(self.history), self._schedule.epochs + 1):
                losses = self._train_epoch(epoch)
                said = ", ".join(f"{name} loss {value:.4f}" for name, value in losses.items())
                self._note(self._quality(), f"epoch {epoch}/{self._schedule.epochs}: {said}", began)
                self._save()
        self._trainee.module.load_state_dict(self._best.state_dict())

    def estimate(self) -> float:
        """Time a few batches and estimate how long the whole training takes.

        Returns:
            Seconds.
        """
        generator = torch.Generator().manual_seed(0)
        rows = self._train[torch.randperm(len(self._train), generator=generator)]
        batches = rows.split(self._schedule.batch_size)[:_TRIAL_BATCHES]
        with torch.random.fork_rng(), compat.without_anomaly_detection():
            began = time.perf_counter()
            for batch in batches:
                sum(self._batch_losses(batch, generator).values()).backward()  # type: ignore[union-attr]
            training = (time.perf_counter() - began) / sum(len(batch) for batch in batches)
            with torch.no_grad():
                began = time.perf_counter()
                self._trainee.encode(batches[0])
                encoding = (time.perf_counter() - began) / len(batches[0])
        self._optimizer.zero_grad()
        return self._schedule.epochs * (len(self._train) * training + len(self._neighbours) * encoding)

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        """Train on each item once; return the mean of each loss."""
        seed = int(fingerprint(["cdim", self._seed, epoch])[:12], 16)
        generator = torch.Generator().manual_seed(seed)
        batches = self._train[torch.randperm(len(self._train), generator=generator)].split(self._schedule.batch_size)
        steps = self._schedule.epochs * len(batches)
        totals = dict.fromkeys(self._losses, 0.0)
        bar = progress_bar(batches, self._show_progress, desc=f"CDIM {epoch:>5}", ncols=100, leave=False, unit="batch")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for number, rows in enumerate(bar, (epoch - 1) * len(batches)):
                for group in self._optimizer.param_groups:
                    group["lr"] = self._schedule.learning_rate * (1 - number / steps)
                self._optimizer.zero_grad()
                losses = self._batch_losses(rows, generator)
                sum(losses.values()).backward()  # type: ignore[union-attr]  # there is a loss at least
                self._optimizer.step()
                for name, value in losses.items():
                    totals[name] += float(value.detach()) * len(rows)
        means = {name: total / len(self._train) for name, total in totals.items()}
        if not all(np.isfinite(value) for value in means.values()):
            raise UserError("the matcher's training diverged: lower cdim_learning_rate, or cdim_encoder_learning_rate")
        return means

    def _batch_losses(self, rows: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Compute the configured losses of a batch; rows has shape [B]."""
        passes, has_one = {}, torch.ones(len(rows), dtype=torch.bool)
        if TEXT in self._losses:
            passes[TEXT] = (rows, has_one)
        if BEHAVIOUR in self._losses:
            passes[BEHAVIOUR] = self._hoods.draw(rows, generator)
        vectors = self._trainee.encode(torch.cat([rows, *(others for others, _ in passes.values())]))
        first, *positives = vectors.split(len(rows))
        pairs = zip(passes, positives, strict=True)
        positives = {name: (vector, passes[name][1].to(first.device)) for name, vector in pairs}
        allowed = self._hoods.negatives_allowed(rows).to(first.device)
        return cdim_losses(first, positives, allowed, self._temperature)

    def _quality(self) -> dict[str, float]:
        return recall_of_neighbours(self._trainee.vectors(), self._neighbours, self.valid, CUTOFFS)

    def _note(self, quality: dict[str, float], what: str, began: float) -> None:
        """Keep and log the quality; keep the weights where they are the best so far."""
        self.history.append(quality)
        if self.best_epoch == len(self.history) - 1:
            self._best.load_state_dict(self._trainee.module.state_dict())
        said = ", ".join(f"{name} {value:.4f}" for name, value in quality.items())
        self._logger.info(
            f"CDIM {what}: {said} of {len(self.valid):,} items kept out, {time.perf_counter() - began:.1f} s"
        )

    def _save(self) -> None:
        both = nn.ModuleDict({"current": self._trainee.module, "best": self._best})
        save_checkpoint(self._checkpoint, both, {"history": self.history}, self._optimizer)

    def _resume(self) -> None:
        """Load the checkpoint, if there is one that fits."""
        if not self._checkpoint.is_file():
            return
        both = nn.ModuleDict({"current": self._trainee.module, "best": self._best})
        try:
            state, description, optimizer = load_checkpoint(self._checkpoint)
            shapes = {name: value.shape for name, value in state.items()}
            if shapes != {name: value.shape for name, value in both.state_dict().items()}:
                raise UserError("its weights have other shapes")
        except UserError as error:
            self._logger.warning(f"the matcher's training starts again from the beginning: {error}")
            return
        assert optimizer is not None  # _save writes its state
        both.load_state_dict(state)
        self._optimizer.load_state_dict(optimizer)  # type: ignore[arg-type]  # saved together
        self.history = description["history"]
        self._logger.info(f"The training of CDIM resumes after epoch {len(self.history) - 1}: {self._checkpoint}")


def held_out(neighbours: np.ndarray, texts: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the items with text into held-out items, for measuring quality, and training items.

    Args:
        neighbours: V_s of each item; shape [S, s].
        texts: Number of each item's text, -1 without one; shape [S].
        count: Number of items to hold out, at most a fifth of those with neighbours.
        seed: Seed of the split.

    Returns:
        The held-out items, and the training items.
    """
    eligible = np.flatnonzero((neighbours != NOBODY).any(1))
    kept_out = np.random.default_rng(seed).permutation(eligible)[: min(count, len(eligible) // 5)]
    trained = texts >= 0
    trained[kept_out] = False
    return np.sort(kept_out), np.flatnonzero(trained)
