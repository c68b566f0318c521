"""Interruptions of trainings whose learning rate depends on the number of epochs, so that twice two are not four."""

import pytest
import torch
from recbole.utils import get_model, init_seed

from recbole_idp.testing.models import loaders_of, trainer_for


class Stop(Exception):
    """What interrupts a training."""


def trained_in_parts(config, latest, saves):
    """Trains a model at once, and once more interrupted after some saves; returns both trainers, which agree."""

    def train(latest, stop=None):
        train_data, valid_data, _ = loaders_of(config)
        init_seed(1, True)
        trainer = trainer_for(config, get_model(config["model"])(config, train_data.dataset))
        trainer.latest, count = latest, 0

        def after_epoch(epoch, score):
            nonlocal count
            count += 1
            # An epoch is told of before it is saved.
            if stop is not None and count == stop + 1:
                raise Stop

        trainer.fit(train_data, valid_data, verbose=False, callback_fn=after_epoch)
        return trainer

    whole = train(None)
    with pytest.raises(Stop):
        train(latest, saves)
    parts = train(latest)
    for name in ("best_valid_result", "best_valid_score", "cur_step"):
        assert getattr(parts, name) == getattr(whole, name), name
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name
    return whole, parts
