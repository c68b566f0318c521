"""Adam that updates those rows of a large table that a step has read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.errors import UserError
from recbole_idp.nn.lookup import RowGradient, collect_rows, take_collected
from recbole_idp.train.table_trainer import SourceTableTrainer

if TYPE_CHECKING:
    from torch import nn


class RowAdam(torch.optim.Adam):
    """Adam, lazy on one table: a row, and its two moments, change in the steps that read it only.

    A dense step of a million rows of width 64 reads and writes 1.8 GB, and its gradient takes the memory of another
    table. The numbers differ from Adam's, whose moments go on moving and fading in the steps that do not read a row.
    The state has Adam's form, so that either continues what the other has begun.

    Args:
        parameters: All parameters, the table among them.
        table: The table, which is looked up by :func:`~recbole_idp.nn.lookup.lookup` and its like only; shape [N, D].
            A dense gradient that comes from elsewhere is taken into account: such a step is Adam's.
        **settings: As of Adam.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], table: nn.Parameter, **settings: Any) -> None:
        super().__init__(parameters, **settings, fused=True)
        self._table = table
        collect_rows(table)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        super().zero_grad(set_to_none)
        take_collected(self._table)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all parameters that have a gradient, and the rows of the table that were read."""
        rows = take_collected(self._table)
        if rows is not None and self._table.grad is not None:
            self._table.grad.index_add_(0, *rows)
            rows = None
        # It passes over a parameter without a gradient, as the table is now.
        loss = super().step(closure)
        if rows is not None:
            self._update(rows)
        return loss

    def _update(self, found: RowGradient) -> None:
        """Update some rows by Adam (Kingma and Ba, algorithm 1)."""
        table, group, state = self._table, self.param_groups[0], self.state[self._table]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(table), torch.zeros_like(table)
        state["step"] += 1
        step, (beta1, beta2) = float(state["step"]), group["betas"]
        rows, gradient, own = found.rows, found.values, table[found.rows]
        if group["weight_decay"]:
            gradient = gradient + group["weight_decay"] * own
        first = state["exp_avg"][rows].lerp_(gradient, 1 - beta1)
        second = state["exp_avg_sq"][rows].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        state["exp_avg"].index_copy_(0, rows, first)
        state["exp_avg_sq"].index_copy_(0, rows, second)
        scale = (second / (1 - beta2**step)).sqrt_().add_(group["eps"])
        own.addcdiv_(first, scale, value=-group["lr"] / (1 - beta1**step))
        table.index_copy_(0, rows, own)


class RowTrainer(SourceTableTrainer):
    """Trainer of a model whose item table is too large to be updated as a whole in each step."""

    by_rows = True

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        """Make the optimizer; arguments as in RecBole.

        Raises:
            UserError: Another key asks for an update of the whole table.
        """
        if self.learner.lower() != "adam":
            raise UserError(f"pretrain_row_updates is Adam's, and learner is {self.learner}: give --learner=adam")
        if self.clip_grad_norm:
            raise UserError(
                "clip_grad_norm needs the gradients of all parameters: leave it out, or pretrain_row_updates"
            )
        if self.device.type != "cpu":
            # An accelerator updates a table of a million rows in less time than it takes to find its rows.
            return super()._build_optimizer(**kwargs)
        return RowAdam(
            self.model.parameters(),
            self.model.item_embedding.weight,
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
        )
