"""Evaluation in RecBole's trainers: every metric of its evaluator, as plain numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from recbole_idp.config.classes import known_to_recbole
from recbole_idp.config.derive import derive
from recbole_idp.errors import UserError
from recbole_idp.evaluation.candidates import drawing
from recbole_idp.evaluation.evaluator import RankCollector, RankEvaluator
from recbole_idp.evaluation.metrics import compares_labels

if TYPE_CHECKING:
    import torch
    from recbole.config import Config
    from recbole.data.dataloader import AbstractDataLoader

    from recbole_idp.data.domains import TargetLoader
    from recbole_idp.evaluation.evaluator import Evaluation


class Measuring:
    """Mixin for a RecBole trainer: ranking metrics are computed by :class:`RankEvaluator`, in RecBole's loops as well.

    Metrics that compare scores with labels (AUC, MAE, RMSE, LogLoss) remain RecBole's.

    Args:
        config: RecBole's configuration.
        model: The model.

    Attributes:
        ranks: Rank of each target in the latest evaluation, from 1; shape [R]. None if labels were compared.
    """

    config: Any
    wandblogger: Any
    ranks: torch.Tensor | None = None

    def __init__(self, config: Config, model: torch.nn.Module) -> None:
        # RecBole's evaluator, which is replaced below, can be made of its own metrics only.
        known = derive(config, metrics=known_to_recbole(config["metrics"]))
        super().__init__(known, model)  # type: ignore[call-arg]  # RecBole's
        self.config = config
        self.rank_collector: RankCollector | None = None
        if not compares_labels(config["metrics"]):
            self.evaluator = RankEvaluator(config)
            self.eval_collector = self.rank_collector = RankCollector(known, self.evaluator)

    def evaluate(
        self,
        eval_data: AbstractDataLoader | TargetLoader | None,
        load_best_model: bool = True,
        model_file: str | None = None,
        show_progress: bool = False,
    ) -> dict[str, float] | None:
        """Evaluate the model by RecBole's own loop; arguments and result as in RecBole.

        Candidates are drawn by the same seed for every model and every seed of its training.
        """
        with drawing(self.config["train_users_seed"]):
            evaluate = super().evaluate  # type: ignore[misc]  # RecBole's
            found = evaluate(eval_data, load_best_model, model_file, show_progress)
        if found is None:
            return None
        self.ranks = None if self.rank_collector is None else self.rank_collector.ranks
        result = {name: float(value) for name, value in found.items()}
        for name, value in result.items():
            if not math.isfinite(value):
                raise UserError(
                    f"{name} of {self.config['model']} is no finite number: AUC needs events with both labels, and "
                    "scores must be finite (exclude_history makes some infinite)"
                )
        return result

    def measured(self, evaluation: Evaluation) -> dict[str, float]:
        """Compute the metrics of what was collected, and keep the ranks."""
        self.ranks = evaluation.ranked.ranks
        result = self.evaluator.evaluate(evaluation)
        self.wandblogger.log_eval_metrics(result, head="eval")
        return result
