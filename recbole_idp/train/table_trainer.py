"""Trainers that say what memory and time a large item table takes, and refuse what does not fit, before they start."""

from __future__ import annotations

from typing import Any

from recbole_idp.evaluation.ranking import rows_of_chunk
from recbole_idp.train.estimate import estimate_line
from recbole_idp.train.memory import available_bytes
from recbole_idp.train.table_memory import SPOKEN_OF, TableMemory
from recbole_idp.train.trainer import SequenceTrainer

# Copies of the weights that an optimizer keeps, where they are not one.
_MOMENTS = {"adam": 2, "adamw": 2, "sgd": 0}


class TableTrainer(SequenceTrainer):
    """Trainer of a model with an item table, on the target.

    Attributes:
        by_rows: Whether a step updates only the rows of the table that it reads.
        negatives_key: The key of the number of negatives.
        rows_key: The key of updates by rows; None: there is none.
    """

    by_rows: bool = False
    negatives_key: str = "train_negatives"
    rows_key: str | None = None

    def fit(self, *args: Any, **kwargs: Any) -> tuple[float, dict[str, float]]:
        """Train the model, or resume, after a check of the memory; arguments and result as in RecBole.

        Raises:
            UserError: The training does not fit into the memory that there is.
        """
        memory = self._memory()
        if memory.needed >= SPOKEN_OF and self.is_trained():
            available = available_bytes(self.device)
            memory.check(available, self.negatives_key, self.rows_key)
            self.logger.info(memory.line(available))
            if not self.by_rows:
                self.logger.info(estimate_line(self, args[0] if args else kwargs["train_data"]))
        return super().fit(*args, **kwargs)

    def _memory(self) -> TableMemory:
        """Estimate what training takes."""
        model, parameters = self.model, list(self.model.parameters())
        table = max(parameters, key=lambda parameter: parameter.nbytes)
        # Scores are float32, and are compared into a matrix of their size.
        scores = 2 * 4 * model.n_items * rows_of_chunk(model.n_items, self.max_length)
        return TableMemory(
            items=model.n_items,
            width=self.config["hidden_size"],
            weights=sum(each.nbytes for each in (*parameters, *model.buffers())),
            trained=sum(parameter.nbytes for parameter in parameters),
            table=table.nbytes,
            moments=_MOMENTS.get(self.learner.lower(), 1),
            scores=scores,
            whole_softmax=model.loss.n_drawn(1) is None,
            by_rows=self.by_rows,
        )


class SourceItemsTrainer(TableTrainer):
    """The same on source domains."""

    negatives_key = "pretrain_negatives"


class SourceTableTrainer(SourceItemsTrainer):
    """The same on source domains, where updates by rows can be chosen."""

    rows_key = "pretrain_row_updates"
