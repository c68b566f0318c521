"""What an interrupted training promises, for tests of every trainer."""

import torch

from recbole_idp.storage.checkpoint import load_checkpoint


def assert_ends_like_uninterrupted(train, latest):
    """Trains four epochs at once, and two and two: weights, scores and the best model have to be the same.

    Args:
        train (Callable[[int, Path | None], Trainer]): Makes a trainer, trains so many epochs in all, keeping where it
            stands in the file, and returns it.
        latest (Path): The file.
    """
    whole = train(4, None)
    train(2, latest)
    parts = train(4, latest)
    assert not latest.is_file() or parts.start_epoch == 2
    assert parts.best_valid_result == whole.best_valid_result
    assert parts.best_valid_score == whole.best_valid_score and parts.cur_step == whole.cur_step
    assert_equal(whole.model.state_dict(), parts.model.state_dict())
    assert_equal(*(load_checkpoint(trainer.saved_model_file)[0] for trainer in (whole, parts)))
    # What is finished is not trained further.
    assert_equal(whole.model.state_dict(), train(4, latest).model.state_dict())


def assert_equal(state, other):
    assert state.keys() == other.keys()
    assert [name for name in state if not torch.equal(state[name], other[name])] == []
