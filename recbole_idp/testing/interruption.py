"""What an interrupted training promises, for tests of every trainer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from recbole_idp.storage.checkpoint import load_checkpoint


def assert_ends_like_uninterrupted(train: Callable[[int, Path | None], Any], latest: Path) -> None:
    """Train four epochs at once, and two and two: weights, scores and the best model have to be the same.

    Args:
        train: Makes a trainer, trains so many epochs in all, keeping where it stands in the file, and returns it.
        latest: The file.

    Raises:
        AssertionError: Something differs.
    """
    whole = train(4, None)
    train(2, latest)
    parts = train(4, latest)
    assert not latest.is_file() or parts.start_epoch == 2, f"goes on at epoch {parts.start_epoch} and not at 2"
    for name in ("best_valid_result", "best_valid_score", "cur_step"):
        expected, found = getattr(whole, name), getattr(parts, name)
        assert found == expected, f"{name} is {found} after an interruption and {expected} without"
    _assert_equal(whole.model.state_dict(), parts.model.state_dict(), "the latest weights")
    best, best_of_parts = (load_checkpoint(trainer.saved_model_file)[0] for trainer in (whole, parts))
    _assert_equal(best, best_of_parts, "the best weights")
    _assert_equal(whole.model.state_dict(), train(4, latest).model.state_dict(), "weights of a finished training")


def _assert_equal(state: dict[str, torch.Tensor], other: dict[str, torch.Tensor], what: str) -> None:
    assert state.keys() == other.keys(), f"{what} have other names after an interruption"
    different = [name for name in state if not torch.equal(state[name], other[name])]
    assert different == [], f"{what} differ after an interruption: {', '.join(different)}"
