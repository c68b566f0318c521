"""Contract tests for models of other packages: what every model of recbole_idp promises, as a pytest class.

A model that extends :class:`~recbole_idp.SequenceModel` is tested by three lines::

    # my_model.py
    import torch

    from recbole_idp import SequenceModel, add_model


    @add_model
    class MyModel(SequenceModel):
        "A SASRec whose item vectors have unit length."

        def item_vectors(self):
            return torch.nn.functional.normalize(self.item_embedding.weight, dim=1)

    # test_my_model.py
    import my_model  # adds MyModel
    from recbole_idp.testing import ModelContract


    class TestMyModel(ModelContract):
        model = "MyModel"

``pytest test_my_model.py`` then trains and asks the model on toy data in a temporary folder. A model keeps the contract
if

- its configuration can be written as JSON and read again,
- a checkpoint that is opened again gives the same scores,
- one batch gives the scores of its rows one by one, and padding does not count,
- the state at a position depends on nothing that comes later,
- ``predict`` agrees with ``full_sort_predict``, and ``calculate_loss`` with ``position_loss``,
- items of the history are excluded where ``exclude_history`` asks for it,
- it learns which item follows which,
- an interrupted training ends like an uninterrupted one.

A subclass says where its model differs by the attributes of :class:`ModelContract`. A promise that the model does not
make is set to None, with a comment that says why::

    class TestMyModelWithDrawnNegatives(ModelContract):
        model = "MyModel"
        changes = {"loss_type": "BPR", "train_negatives": 4}

        # The loss draws negatives, so that two calls differ.
        test_prefix_and_position_losses_agree_where_there_is_one_target = None

The toy data are there for tests of one's own: :func:`write_domains` writes them, and :func:`configured` returns the
configuration of a model on them. The kit needs pytest: ``pip install 'recbole_idp[test]'``.
"""

try:
    import pytest  # noqa: F401
except ImportError:
    raise ImportError("recbole_idp.testing needs pytest: pip install 'recbole_idp[test]'") from None

from recbole_idp.testing.contract import ModelContract
from recbole_idp.testing.models import configured, fitted, with_random_weights
from recbole_idp.testing.toy import settings, write_dataset, write_domains

__all__ = [
    "ModelContract",
    "configured",
    "fitted",
    "settings",
    "with_random_weights",
    "write_dataset",
    "write_domains",
]
