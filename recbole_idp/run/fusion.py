"""Late fusion: add the scores of several models, with weights that validation chooses."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from recbole_idp.config.derive import as_model, derive
from recbole_idp.errors import UserError
from recbole_idp.evaluation.evaluator import Evaluation, Ranked, reordered
from recbole_idp.evaluation.metrics import goodness
from recbole_idp.evaluation.ranking import scored_chunks
from recbole_idp.models.base.fused import FusedModel, weighted_sum
from recbole_idp.recbole_models.choose import model_class

if TYPE_CHECKING:
    import numpy as np
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.sequences import Targets
    from recbole_idp.evaluation.evaluator import RankEvaluator
    from recbole_idp.train.run_trainer import RunTrainer


class Validation(NamedTuple):
    """What weights are chosen by.

    Attributes:
        targets: The R targets of the validation.
        max_length: Maximum number of events in a history.
        evaluator: Computes the metrics.
        watched: The metric that decides.
        counts: Training events of each item, where a metric needs them; shape [N].
    """

    targets: Targets
    max_length: int
    evaluator: RankEvaluator
    watched: str
    counts: np.ndarray | None

    @classmethod
    def of(
        cls, config: Config, evaluator: RankEvaluator, train: SequenceDataset, valid: SequenceDataset | None, key: str
    ) -> Validation:
        """Take it from a configuration.

        Args:
            config: The configuration.
            evaluator: Computes the metrics.
            train: The training part of the target.
            valid: The part for validation; None: there is none.
            key: The key that asks for it, for the message.

        Raises:
            UserError: There is no validation.
        """
        if valid is None:
            raise UserError(f"{key} chooses on validation, and eval_args splits none off: remove {key}, or split")
        counts = train.item_counts() if evaluator.needs_counts else None
        return cls(valid.targets(), config["MAX_ITEM_LIST_LENGTH"], evaluator, config["valid_metric"].lower(), counts)


def fuse(trainer: RunTrainer, config: Config, train: SequenceDataset, valid: SequenceDataset | None) -> WeightChoice:
    """Let a trainer evaluate its best model with the scores of the model that ``fuse`` names added.

    Args:
        trainer: The trainer, which has trained.
        config: The configuration of the trial.
        train: The training part of the target.
        valid: The part for validation; None: there is none.

    Returns:
        The chosen weight, the last of :attr:`WeightChoice.weights`.

    Raises:
        UserError: There is no validation.
    """
    validation = Validation.of(config, trainer.evaluator, train, valid, "fuse")
    if trainer.scored is None:
        trainer.restore_best()
    fused = fused_model(trainer.scored or trainer.model, config, train, 1.0)
    choice = choose_weights(fused, [(1.0, weight) for weight in sorted(config["fuse_weights"])], validation)
    fused.weights = list(choice.weights)
    trainer.scored = fused
    tried = ", ".join(f"{weights[-1]:g}: {value:.4f}" for weights, value in choice.tried.items())
    logging.getLogger().info(
        f"{config['fuse']} is added with weight {choice.weights[-1]:g} ({validation.watched} by weight: {tried})"
    )
    return choice


def fused_model(model: Any, config: Config, train: SequenceDataset, weight: float) -> FusedModel:
    """Build a model whose scores are those of a trained model and of the one that ``fuse`` names.

    Args:
        model: The trained model.
        config: Its configuration.
        train: The training part of the target.
        weight: Weight of the other's scores.
    """
    # What is excluded is excluded by the trained model.
    settings = derive(as_model(config, config["fuse"]), exclude_history=False)
    other = model_class(settings)(settings, train).to(config["device"])
    return FusedModel([model, other.eval()], [1.0, weight])


class WeightChoice(NamedTuple):
    """The weights that are best on validation.

    Attributes:
        weights: The weight of each model.
        valid: All metrics with them.
        tried: The watched metric by weights.
    """

    weights: tuple[float, ...]
    valid: dict[str, float]
    tried: Mapping[tuple[float, ...], float]


@torch.no_grad()
def choose_weights(
    fused: FusedModel, tried: Sequence[tuple[float, ...]], validation: Validation, show_progress: bool = False
) -> WeightChoice:
    """Rank the targets of a validation with several weights, in one pass over the scores of all models.

    Args:
        fused: The models; their own weights are not read.
        tried: Weights of the models; of those that are equally good the first is taken.
        validation: What decides.
        show_progress: Whether to show a progress bar.

    Returns:
        The choice.
    """
    fused.eval()
    order: list[torch.Tensor] = []
    ranked: dict[tuple[float, ...], list[Ranked]] = {weights: [] for weights in tried}
    scores = _Each(fused)
    for rows, _, wanted in scored_chunks(scores, validation.targets, validation.max_length, show_progress):
        order.append(rows)
        for weights, parts in ranked.items():
            parts.append(validation.evaluator.rank(weighted_sum(scores.each, weights), wanted))
    measured: dict[tuple[float, ...], dict[str, float]] = {}
    for weights, parts in ranked.items():
        whole = Ranked(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
        found = reordered(Evaluation(whole, fused.n_items, validation.counts), torch.cat(order))
        measured[weights] = dict(validation.evaluator.evaluate(found))
    watched = validation.watched
    best = max(measured, key=lambda weights: goodness(watched, measured[weights][watched]))
    return WeightChoice(best, measured[best], {weights: found[watched] for weights, found in measured.items()})


class _Each:
    """Hands out the scores of the first model, and keeps those of all models for the same rows.

    Attributes:
        each: Scores of each model for the latest rows; each of shape [B, N].
    """

    each: Sequence[torch.Tensor] = ()

    def __init__(self, fused: FusedModel) -> None:
        self._fused = fused
        self.n_items, self.device = fused.n_items, fused.device
        self.ITEM_SEQ, self.ITEM_SEQ_LEN = fused.ITEM_SEQ, fused.ITEM_SEQ_LEN

    def eval(self) -> None:
        """Switch the models to evaluation."""
        self._fused.eval()

    def full_sort_predict(self, rows: Any) -> torch.Tensor:
        """Return the first model's scores of all items; shape [B, N]."""
        self.each = self._fused.each(rows)
        return self.each[0]
