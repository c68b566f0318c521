"""Conure: one person, one model, one world (SIGIR 2021)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.models.base.source_next_item import SourceNextItem
from recbole_idp.models.base.transferred import take_over, weights_of
from recbole_idp.models.base.two_tables import TwoTablesModel
from recbole_idp.models.conure.keys import ConureSettings
from recbole_idp.models.conure.masks import (
    MOST_TASKS,
    OwnedNetwork,
    Phase,
    Selection,
    largest,
    largest_as_in_reference,
    task_shares,
)
from recbole_idp.nn.adapters.sockets import train_only
from recbole_idp.nn.encoder.causal import SIZES, user_encoder
from recbole_idp.nn.encoder.dilated import PreActivationBlock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recbole.config import Config

    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.base.serving import Serving
    from recbole_idp.models.conure.folder import Task
    from recbole_idp.nn.encoder.token import TokenEncoder

SELECTIONS: dict[str, Selection] = {"exact": largest, "reference": largest_as_in_reference}


class ConurePretraining(SourceNextItem):
    """Conure's first task: the next item at every position of the source sequences.

    Training learns all parameters. Retraining learns what is kept of the matrices, and the softmax; item vectors, norms
    and biases stay from then on.

    Attributes:
        network: The pruned matrices of the encoder.
        kept: How many entries of each matrix the task owns; empty before pruning.
    """

    block = PreActivationBlock

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self.share, self.select = task_shares([config["pruned"]])[0], SELECTIONS[config["kept_rule"]]
        self.network = OwnedNetwork(self.encoder)
        self.network.check_room(1, self.share)

    @property
    def kept(self) -> dict[str, int]:
        """How many entries of each matrix the task owns."""
        return {f"encoder.{name}": int((owner == 1).sum()) for name, owner in self.network.owners().items()}

    def begin(self, phase: Phase) -> None:
        """Use the weights of a phase, and freeze what it does not train."""
        self.network.enter(phase, 1)
        if phase is Phase.RETRAIN:
            train_only(self, [*self.network.weights(), self.softmax, self.bias])

    def prune(self) -> None:
        """Give the task its weights."""
        self.network.prune(1, self.share, self.select)


class Conure(TwoTablesModel):
    """Conure on a task after the first (SIGIR 2021, arXiv 2009.13724).

    item ids -> item vectors, token -> encoder with the weights of this and earlier tasks -> state of the token .
    candidate vectors -> scores

    Item vectors, norms, biases and positions are those of the first task. A task learns some of the weights that
    earlier ones left free, its own token and the vectors of its candidates. Nothing that an earlier task uses changes.
    With ``transfer: scratch`` the same network learns this task alone, all of it.

    Attributes:
        task: Number of the task, from 2 on; 1 until :meth:`start_from` has loaded earlier ones.
        network: The pruned matrices of the encoder.
    """

    encoder: TokenEncoder

    def __init__(self, config: Config, dataset: ModelData) -> None:
        self.settings, self.max_length = ConureSettings.of(config), config["MAX_ITEM_LIST_LENGTH"]
        super().__init__(config, dataset)
        self.encoder_kind = "ConureToken" if self.settings.encoder == "NextItNet" else f"{self.settings.encoder}Token"
        self.task, self.shares = 1, [self.settings.pruned]
        self.network = OwnedNetwork(self.encoder.encoder)
        self.register_load_state_dict_post_hook(_use_all_tasks)

    def build_encoder(self, config: Config) -> TokenEncoder:
        """Build the encoder that reads the user at the token."""
        return user_encoder(self.settings, self.max_length, PreActivationBlock, self.initializer_range)

    @property
    def is_alone(self) -> bool:
        """Whether the network learns this task alone."""
        return self.settings.transfer == "scratch"

    def start_from(self, state: Mapping[str, torch.Tensor], rows: torch.Tensor, pruned: Sequence[float]) -> None:
        """Load a network that has learned tasks, and the vectors of the history items.

        Args:
            state: Weights of ``item_embedding`` and ``encoder`` as stored, with owners.
            rows: The row of each history item, 0 for an item without; int64, shape [S].
            pruned: Share of what was free that each of its tasks gave back.

        Raises:
            UserError: The weights are of other sizes than this model's, or have no room for another task.
        """
        encoder = {name: value for name, value in state.items() if name.startswith("encoder.")}
        take_over(self.encoder, encoder, ["encoder"], SIZES[self.settings.encoder], "the Conure folder")
        self.load_history(state["item_embedding.weight"], rows)
        self.task, self.shares = len(pruned) + 1, [*pruned, self.settings.pruned]

    def check_room(self) -> None:
        """Raise UserError where the network has no room for the task."""
        self.network.check_room(self.task, task_shares(self.shares)[-1])

    def begin(self, phase: Phase) -> None:
        """Use the weights of a phase, and freeze what it does not train."""
        self.network.enter(phase, self.task)
        if not self.is_alone:
            train_only(self, [*self.network.weights(), self.item_embedding, self.encoder.token])

    def prune(self) -> None:
        """Give the task its weights."""
        self.network.prune(self.task, task_shares(self.shares)[-1], SELECTIONS[self.settings.kept_rule])

    def load_task(self, task: Task, number: int) -> None:
        """Use a stored task: its candidates, its token and its weights."""
        with torch.no_grad():
            self.item_embedding.weight.copy_(task.candidates)
            self.encoder.token.copy_(task.token)
        for owner in self.network.owners().values():
            # The weights of later tasks are as if they were free, which no task uses once it is learned.
            owner[owner > number] = 0
        self.task = number
        self.network.enter(Phase.INFER, number)

    def stored_network(self) -> dict[str, torch.Tensor]:
        """Return the weights of the encoder as stored, with owners, by their names in the folder."""
        return copied(weights_of(self.encoder, "encoder"))

    @property
    def kept(self) -> dict[str, int]:
        """How many entries of each matrix the task owns."""
        return {f"encoder.{name}": int((owner == self.task).sum()) for name, owner in self.network.owners().items()}

    def serving(self) -> Serving:
        """Return the parts that compute scores, the encoder without masks."""
        plain = user_encoder(self.settings, self.max_length, PreActivationBlock)
        plain.encoder.load_state_dict(self.network.plain_state(self.encoder.encoder))
        with torch.no_grad():
            plain.token.copy_(self.encoder.token)
        return dataclasses.replace(super().serving(), encoder=plain.to(self.item_embedding.weight.device))


def copied(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return copies of weights, on the processor."""
    return {name: value.detach().cpu().clone() for name, value in weights.items()}


def _use_all_tasks(model: Any, keys: Any) -> None:
    """Let a model whose weights were loaded use those of all tasks, where there are some."""
    if any(bool(owner.any()) for owner in model.network.owners().values()):
        model.network.enter(Phase.INFER, MOST_TASKS)
    else:
        model.network.enter(Phase.TRAIN, 1)
