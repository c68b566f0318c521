"""Which of the measured metrics tables show."""

from collections.abc import Iterable

from recbole_idp.evaluation.keys import EvaluationSettings
from recbole_idp.evaluation.metrics import measured

COLUMNS = ("hit@5", "hit@10", "hit@20", "ndcg@5", "ndcg@10", "ndcg@20", "mrr")
"""What is shown of the metrics that are measured by default, which are too many for a page."""


def shown(known: Iterable[str], watched: str | None, usual: Iterable[str] = COLUMNS) -> list[str]:
    """Return the metrics that a table shows: all that ``metrics`` and ``topk`` name, and the watched one.

    Args:
        known: Keys of all that was measured, in the order of the result.
        watched: The metric of ``valid_metric``; None: unknown.
        usual: What is shown where ``metrics`` and ``topk`` have their defaults.

    Returns:
        The keys in order, each once.
    """
    known = list(dict.fromkeys(known))
    found = [name for name in usual if name in known] if set(known) - {watched} == _by_default() - {watched} else known
    return found if watched is None or watched in found or watched not in known else [*found, watched]


def _by_default() -> set[str]:
    """Return the keys of what is measured by default."""
    fields = EvaluationSettings.model_fields
    values = (fields[name].default for name in ("metrics", "topk", "valid_metric"))
    return {key.text for key in measured(*values)}
