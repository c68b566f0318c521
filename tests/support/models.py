"""Models on the toy data, ready to be looked at."""

from recbole_idp import testing
from recbole_idp.testing import configured, with_random_weights


def made(folder, model, dataset="shop", **changes):
    """Returns a model with weights at which differences show, its configuration and loaders."""
    config = configured(folder, model, dataset, **changes)
    model, loaders = with_random_weights(config, seed=5)
    return model, config, loaders


def fitted(folder, model, dataset="shop", **changes):
    """Trains a model; returns it with its trainer and test loader."""
    trainer, test = testing.fitted(configured(folder, model, dataset, **changes))
    return trainer.model, trainer, test
