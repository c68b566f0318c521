"""TransRec: the contract."""

import pytest

from recbole_idp.testing import ModelContract

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestTransRec(ModelContract):
    model = "TransRec"
    causal = False
    random_start = {"transfer": "scratch"}
    # The item after the last one alone is asked for.
    learning = {"next_items": 1}

    # The loss draws items that the user has not seen, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None
