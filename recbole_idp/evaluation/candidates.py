"""Ranking among sampled candidates: a target and negatives for its user (RecBole's uni99, pop100, ...)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from recbole.data.interaction import Interaction

from recbole_idp.terminal.progress import progress_bar

if TYPE_CHECKING:
    from recbole.data.dataloader import NegSampleEvalDataLoader
    from recbole.model.abstract_recommender import SequentialRecommender


@torch.no_grad()
def score_candidates(
    model: SequentialRecommender,
    loader: NegSampleEvalDataLoader,
    seed: int,
    collect: Callable[[torch.Tensor, torch.Tensor], None],
    show_progress: bool = False,
) -> None:
    """Score the candidates that RecBole's loader draws for each target.

    A history is scored once, not once for each candidate.

    Args:
        model: Model with ``full_sort_predict``.
        loader: RecBole's loader.
        seed: Seed of the candidates. It is the same for every model and every seed of its training, so that results can
            be compared user by user.
        collect: Called with the scores of all items, -inf for those that are not drawn, shape [B, N], and with the
            items of the targets, shape [B], users in order.
        show_progress: Whether to show a progress bar.
    """
    model.eval()
    with drawing(seed):
        for rows, user, right_user, right_item in progress_bar(loader, show_progress, desc="Evaluate", ncols=100):
            first, target = _targets_of_rows(user, right_user)
            scores = model.full_sort_predict(_histories(rows[first], model).to(model.device)).cpu()
            drawn = torch.full_like(scores, -torch.inf)
            items = rows[model.ITEM_ID]
            drawn[target, items] = scores[target, items]
            collect(drawn, right_item)


def _targets_of_rows(user: torch.Tensor, right_user: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find to which target each row of a batch belongs.

    The rows of a user are its targets, then a first negative of each target in the same order, then a second one, and
    so on.

    Args:
        user: Number of each row's user in the batch, ascending; shape [B].
        right_user: Number of each target's user in the batch, ascending; shape [R].

    Returns:
        The row of each target, shape [R], and the number of each row's target, shape [B].
    """
    counts = torch.bincount(right_user)
    first_target, first_row = counts.cumsum(0) - counts, torch.searchsorted(user, torch.arange(len(counts)))
    place = (torch.arange(len(user)) - first_row[user]) % counts[user]
    first = first_row[right_user] + torch.arange(len(right_user)) - first_target[right_user]
    return first, first_target[user] + place


@contextlib.contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Seed NumPy, from whose global state RecBole's samplers draw, and restore the state at the end."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def _histories(rows: Interaction, model: SequentialRecommender) -> Interaction:
    """Return the histories of some rows, trimmed to the longest."""
    items, lengths = rows[model.ITEM_SEQ], rows[model.ITEM_SEQ_LEN]
    return Interaction({model.ITEM_SEQ: items[:, : int(lengths.max())], model.ITEM_SEQ_LEN: lengths})
