"""The controls of IDP's runs are the models that are trained alone, to the number; TextPCASASRec keeps the contract."""

import pytest

from recbole_idp.run.run import run
from recbole_idp.testing import ModelContract, configured
from recbole_idp.testing.toy import settings
from tests.support.trained import bundles

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestTextPCASASRec(ModelContract):
    model = "TextPCASASRec"


@pytest.mark.parametrize(("model", "variant"), [("PositionSASRec", "scratch"), ("TextPCASASRec", "text_pca")])
def test_a_baseline_is_idps_control_to_the_number(domains, monkeypatch, model, variant):
    from recbole.quick_start import run_recbole

    monkeypatch.setattr("sys.argv", ["recbole"])
    own = run_recbole(model=model, dataset="shop", config_dict=settings(domains))
    result = run(configured(domains, "IDP", variants=[variant]))
    assert dict(own["test_result"]) == result["variants"][variant]["test"]
    assert not bundles(domains / "saved")
