"""RecBole's trainer with fast epochs, streaming evaluation and safe checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from recbole.data.dataloader import NegSampleEvalDataLoader
from recbole.trainer import Trainer
from torch.nn.utils import clip_grad_norm_

from recbole_idp import compat
from recbole_idp.data.domains import TargetLoader
from recbole_idp.data.rows import Passes
from recbole_idp.errors import UserError
from recbole_idp.evaluation.candidates import score_candidates
from recbole_idp.evaluation.evaluator import reordered
from recbole_idp.evaluation.ranking import scored_chunks
from recbole_idp.nn.precision import in_precision
from recbole_idp.terminal.progress import progress_bar
from recbole_idp.train.processes.group import processes
from recbole_idp.train.processes.step import Training
from recbole_idp.train.resumable import Resumable

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.dataloader import AbstractDataLoader
    from torch import nn


class SequenceTrainer(Resumable, Trainer):
    """Trainer of a :class:`~recbole_idp.models.base.sequence_model.SequenceModel`.

    RecBole's ``fit`` runs as it is: epochs, early stopping, TensorBoard, callbacks. An epoch reads each event once
    (``training_rows: position``) or builds RecBole's rows (``prefix``), or does so several times where that takes a few
    steps only (``epoch_steps``). Evaluation streams, checkpoints are safetensors, and an interrupted training can be
    resumed.

    Args:
        config: RecBole's configuration.
        model: The model.

    Attributes:
        generator (torch.Generator): Random number generator of the batches.
        targets_per_second (float): Training targets a second, without validation; 0 before the first epoch.
        ranks (torch.Tensor | None): Rank of each target in the latest evaluation, from 1; int64, shape [R]. None if
            labels were compared.
        shares_steps (bool): Whether several processes (``nproc``) may share the steps: not where the loss is this
            trainer's own, or where a step does more than the optimizer.
    """

    model: Any  # a SequenceModel
    learner: str
    learning_rate: float
    weight_decay: float

    fuses = True
    shares_steps: bool = True
    counters: tuple[str, ...] = ("cur_step", "trained_targets", "trained_seconds")

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Reject several processes where they cannot share the steps, and keys as the base class does.

        Raises:
            UserError: A key is set that this training cannot take.
        """
        super().check_config(config)
        count = _process_count(config["nproc"], config["single_spec"])
        if count > 1 and not cls.shares_steps:
            raise UserError(
                f"nproc is {count}, but the training of {config['model']} uses one process: remove it; --threads says "
                "how many threads it has"
            )
        if count > 1 and config["device"].type != "cpu":
            raise UserError(
                f"nproc is {count}, and processes share a training on the CPU alone: remove it, or give --use_gpu=false"
            )

    def __init__(self, config: Config, model: nn.Module) -> None:
        super().__init__(config, model)
        self.max_length = config["MAX_ITEM_LIST_LENGTH"]
        self.trained_targets, self.trained_seconds = 0, 0.0
        self.generator = torch.Generator().manual_seed(config["seed"])
        self._batches: Iterable[Any] | None = None

    @property
    def targets_per_second(self) -> float:  # type: ignore[override]  # computed here
        """Training targets a second, over all epochs so far."""
        return self.trained_targets / self.trained_seconds if self.trained_seconds else 0.0

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        """Make the optimizer; arguments as in RecBole."""
        learner = kwargs.get("learner", self.learner).lower()
        if learner in ("adam", "adamw") and self.device.type in ("cpu", "cuda"):
            # The same update as RecBole's, in one pass over the parameters.
            cls = torch.optim.Adam if learner == "adam" else torch.optim.AdamW
            return cls(
                kwargs.get("params", self.model.parameters()),
                lr=kwargs.get("learning_rate", self.learning_rate),
                weight_decay=kwargs.get("weight_decay", self.weight_decay),
                fused=True,
            )
        return super()._build_optimizer(**kwargs)

    def _training_batches(self, train_data: AbstractDataLoader | TargetLoader) -> Iterable[Any]:
        """Return the batches of an epoch, each with ``n_targets`` and ``to(device)``."""
        if self._batches is None:
            one_pass = self.model.training_batches(train_data.dataset.targets(), self.config, self.generator)
            self._batches = Passes(one_pass, self.config["epoch_steps"])
        return self._batches

    def _restore_state(self, train_data: AbstractDataLoader | TargetLoader, *state: Any) -> None:
        """Restore a saved state, after the batches are made."""
        # What draws numbers when it is made has to be there before they are set back.
        self._training_batches(train_data)
        super()._restore_state(train_data, *state)

    def _training_loss(self, batch: Any) -> torch.Tensor:
        """Return the loss of one of these batches: the mean over its targets; a scalar."""
        return self.model.position_loss(batch)

    def _train_epoch(
        self,
        train_data: AbstractDataLoader | TargetLoader,
        epoch_idx: int,
        loss_func: Callable[[Any], torch.Tensor] | None = None,
        show_progress: bool = False,
    ) -> float:
        """Train one epoch, and return its mean loss; arguments as in RecBole."""
        self.model.train()
        batches, compute_loss = self._training_batches(train_data), self._in_precision(loss_func or self._training_loss)
        total: torch.Tensor | float
        started = time.perf_counter()
        bar = progress_bar(batches, show_progress, desc=f"Train {epoch_idx:>5}", ncols=100, leave=False, unit="batch")
        with compat.without_anomaly_detection():
            shared = _process_count(self.config["nproc"], self.config["single_spec"])
            if shared > 1 and self.shares_steps and loss_func is None:
                total, count = self._share_steps(bar, epoch_idx, shared)
            else:
                total, count = self._take_steps(bar, compute_loss)
        mean = total / max(count, 1)
        self._check_nan(torch.as_tensor(mean))
        self.trained_targets += count
        self.trained_seconds += time.perf_counter() - started
        return float(mean)

    def _take_steps(
        self, batches: Iterable[Any], compute_loss: Callable[[Any], torch.Tensor]
    ) -> tuple[torch.Tensor | float, int]:
        """Take a step on each batch; return the sum of the loss over all targets, and their number."""
        total: torch.Tensor | float = 0.0
        count = 0
        for batch in batches:
            self.optimizer.zero_grad()
            loss = compute_loss(batch.to(self.device))
            loss.backward()
            if self.clip_grad_norm:
                clip_grad_norm_(self.model.parameters(), **self.clip_grad_norm)
            self.optimizer.step()
            # Kept on the device: reading a value back in each step would stop the accelerator.
            total = total + loss.detach() * batch.n_targets
            count += batch.n_targets
        return total, count

    def _share_steps(self, batches: Iterable[Any], epoch: int, n_processes: int) -> tuple[float, int]:
        """Take steps together with other processes, each on a batch of its own; returned as by :meth:`_take_steps`."""
        seed = (self.config["seed"] * 10_007 + epoch) * 1_009 % 2**31
        loss = self._in_precision(self.model.position_loss)
        training = Training(self.model, self.optimizer, loss, self.clip_grad_norm, seed)
        return processes(n_processes, self.config["engine"]).train(training, batches)

    def _in_precision(self, loss: Callable[[Any], torch.Tensor]) -> Callable[[Any], torch.Tensor]:
        """Return a loss whose products have the configured precision."""
        return in_precision(loss, self.config["precision"], self.device)

    def _check_nan(self, loss: torch.Tensor) -> None:
        """Raise UserError if the loss is not finite."""
        if not torch.isfinite(loss):
            raise UserError(
                f"training on {self.config['dataset']} diverged, its loss is {float(loss)}: lower learning_rate "
                "(or pretrain_learning_rate), or set clip_grad_norm"
            )

    def restore_best(self) -> None:
        """Load the best weights into the model."""
        self.restore(self.saved_model_file)

    def evaluate(
        self,
        eval_data: AbstractDataLoader | TargetLoader | None,
        load_best_model: bool = True,
        model_file: str | None = None,
        show_progress: bool = False,
    ) -> dict[str, float] | None:
        """Evaluate the model; arguments and result as in RecBole.

        Full ranking streams, and drawn candidates are ranked history by history. Metrics that compare scores with
        labels take RecBole's own loop.
        """
        if not eval_data:
            return None
        if load_best_model:
            self.restore(model_file or self.saved_model_file)
        collector = self.rank_collector
        if collector is None:
            return super().evaluate(eval_data, load_best_model=False, show_progress=show_progress)
        if isinstance(eval_data, NegSampleEvalDataLoader):
            seed = self.config["train_users_seed"]
            score_candidates(self.scored or self.model, eval_data, seed, collector.collect, show_progress)
            return self.measured(collector.get_data_struct())
        order = []
        targets = eval_data.dataset.targets()
        model = self.scored or self.model
        for rows, scores, target_items in scored_chunks(model, targets, self.max_length, show_progress):
            collector.collect(scores, target_items)
            order.append(rows)
        return self.measured(reordered(collector.get_data_struct(), torch.cat(order)))


def _process_count(wanted: int | None, alone: bool) -> int:
    """Return how many processes share the training.

    Args:
        wanted: The key ``nproc``.
        alone: RecBole's ``single_spec``. Processes that its own ``run`` starts train by themselves.
    """
    return int(wanted or 1) if alone else 1
