"""PositionSASRec: the contract, with the softmax over all items and with drawn negatives."""

import pytest

from recbole_idp.testing import ModelContract

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestPositionSASRec(ModelContract):
    model = "PositionSASRec"


class TestPositionSASRecWithGBCE(ModelContract):
    model = "PositionSASRec"
    changes = {"loss_type": "gBCE", "train_negatives": 4}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None


class TestPositionSASRecWithBPR(ModelContract):
    model = "PositionSASRec"
    changes = {"loss_type": "BPR", "train_negatives": 4}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None
