"""The plugin's baselines without source domains: the contract, and that they are the controls of IDP's own runs."""

import pytest

from recbole_idp.config.strict import StrictConfig
from recbole_idp.run.run import run
from recbole_idp.testing import ModelContract
from recbole_idp.testing.toy import settings

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestPositionSASRec(ModelContract):
    model = "PositionSASRec"


class TestPositionSASRecWithBPR(ModelContract):
    model = "PositionSASRec"
    changes = {"loss_type": "BPR", "train_negatives": 4}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None


class TestTextPCASASRec(ModelContract):
    model = "TextPCASASRec"


@pytest.mark.parametrize(("model", "variant"), [("PositionSASRec", "scratch"), ("TextPCASASRec", "text_pca")])
def test_a_baseline_is_idps_control_to_the_number(domains, monkeypatch, model, variant):
    from recbole.quick_start import run_recbole

    monkeypatch.setattr("sys.argv", ["recbole"])
    own = run_recbole(model=model, dataset="shop", config_dict=settings(domains))
    result = run(StrictConfig("IDP", "shop", config_dict=settings(domains, variants=[variant])))
    assert dict(own["test_result"]) == result["variants"][variant]["test"]
    assert not list((domains / "saved").glob("pretrain-*"))
