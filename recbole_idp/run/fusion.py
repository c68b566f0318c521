"""Late fusion: add another model's scores to those of a trained model, with a weight that validation chooses."""

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
from recbole_idp.models.base.fused import FusedModel
from recbole_idp.recbole_models.choose import model_class

if TYPE_CHECKING:
    import numpy as np
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.sequences import Targets
    from recbole_idp.evaluation.evaluator import RankEvaluator
    from recbole_idp.train.run_trainer import RunTrainer


def fuse(trainer: RunTrainer, config: Config, train: SequenceDataset, valid: SequenceDataset | None) -> WeightChoice:
    """Let a trainer evaluate its best model with the scores of the model that ``fuse`` names added.

    Args:
        trainer: The trainer, which has trained.
        config: The configuration of the trial.
        train: The training part of the target.
        valid: The part for validation; None: there is none.

    Returns:
        The chosen weight.

    Raises:
        UserError: There is no validation.
    """
    if valid is None:
        raise UserError("fuse chooses its weight on validation, and eval_args splits none off: remove fuse, or split")
    trainer.restore_best()
    fused = fused_model(trainer.model, config, train, 0.0)
    choice = choose_weight(
        fused,
        valid.targets(),
        config["MAX_ITEM_LIST_LENGTH"],
        config["fuse_weights"],
        trainer.evaluator,
        config["valid_metric"],
        train.item_counts() if trainer.evaluator.needs_counts else None,
    )
    fused.weight = choice.weight
    trainer.scored = fused
    tried = ", ".join(f"{weight:g}: {value:.4f}" for weight, value in choice.tried.items())
    logging.getLogger().info(
        f"{config['fuse']} is added with weight {choice.weight:g} ({config['valid_metric']} by weight: {tried})"
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
    return FusedModel(model, other.eval(), weight)


class WeightChoice(NamedTuple):
    """The weight that is best on validation.

    Attributes:
        weight: The weight.
        valid: All metrics with it.
        tried: The watched metric by weight.
    """

    weight: float
    valid: dict[str, float]
    tried: Mapping[float, float]


@torch.no_grad()
def choose_weight(
    fused: FusedModel,
    targets: Targets,
    max_length: int,
    weights: Sequence[float],
    evaluator: RankEvaluator,
    watched: str,
    counts: np.ndarray | None,
    show_progress: bool = False,
) -> WeightChoice:
    """Rank the targets of a validation with each weight, in one pass over the scores of both models.

    Args:
        fused: Both models.
        targets: The R targets of the validation.
        max_length: Maximum number of events in a history.
        weights: The weights that are tried.
        evaluator: Computes the metrics.
        watched: The metric that decides; of equal ones the smaller weight is taken.
        counts: Training events of each item, where a metric needs them; shape [N].
        show_progress: Whether to show a progress bar.

    Returns:
        The choice.
    """
    fused.other.eval()
    order: list[torch.Tensor] = []
    ranked: dict[float, list[Ranked]] = {weight: [] for weight in sorted(weights)}
    both = _Both(fused)
    for rows, scores, wanted in scored_chunks(both, targets, max_length, show_progress):
        order.append(rows)
        for weight, parts in ranked.items():
            parts.append(evaluator.rank(scores.add(both.added, alpha=weight), wanted))
    measured: dict[float, dict[str, float]] = {}
    for weight, parts in ranked.items():
        whole = Ranked(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
        found = reordered(Evaluation(whole, fused.n_items, counts), torch.cat(order))
        measured[weight] = dict(evaluator.evaluate(found))
    metric = watched.lower()
    best = max(measured, key=lambda weight: (goodness(metric, measured[weight][metric]), -weight))
    return WeightChoice(best, measured[best], {weight: found[metric] for weight, found in measured.items()})


class _Both:
    """Hand out the first model's scores, and keep those of the second for the same rows.

    Attributes:
        added: Scores of the second model for the latest rows; shape [B, N].
    """

    added: torch.Tensor

    def __init__(self, fused: FusedModel) -> None:
        self._fused = fused
        self.n_items, self.device = fused.n_items, fused.device
        self.ITEM_SEQ, self.ITEM_SEQ_LEN = fused.ITEM_SEQ, fused.ITEM_SEQ_LEN

    def eval(self) -> None:
        """Switch the first model to evaluation."""
        self._fused.model.eval()

    def full_sort_predict(self, rows: Any) -> torch.Tensor:
        """Return the first model's scores of all items; shape [B, N]."""
        self.added = self._fused.other.full_sort_predict(rows)
        return self._fused.model.full_sort_predict(rows).view(-1, self.n_items)
