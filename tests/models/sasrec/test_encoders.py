"""PositionSASRec on each encoder that its key takes: the contract, and who takes which encoder."""

import pytest

from recbole_idp import registry
from recbole_idp.config.declarations import declared_settings
from recbole_idp.config.fingerprint import pretraining_values
from recbole_idp.errors import UserError
from recbole_idp.nn.encoder.kinds import ENCODERS
from recbole_idp.testing import ModelContract, configured, with_random_weights, write_domains

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestBSARec(ModelContract):
    model = "PositionSASRec"
    changes = {"encoder": "BSARec", "bsarec_c": 3}


class TestLiGR(ModelContract):
    model = "PositionSASRec"
    changes = {"encoder": "LiGR"}


class TestHSTU(ModelContract):
    model = "PositionSASRec"
    changes = {"encoder": "HSTU"}


@pytest.fixture
def domains(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_domains(tmp_path / "data")


def test_each_encoder_is_known_to_the_key_and_to_what_takes_it():
    taking = {
        name: set(settings["encoder"].words)
        for name in registry.MODELS
        if "encoder" in (settings := declared_settings(name))
    }
    every = set(ENCODERS)
    assert {name for name, kinds in taking.items() if kinds == every} == {
        *("IDP", "IDP_IDt", "PositionSASRec", "TextPCASASRec", "UniSRec", "UniSRec_IDt"),
        *("MoRec", "TCF", "CLUE", "CLUE_zero", "TextProjectionSASRec", "TextDeltaSASRec"),
    }
    assert {name for name, kinds in taking.items() if kinds > every} == {"PeterRec", "Conure"}
    assert taking["Adapter4Rec"] == {"SASRec", "BSARec"}


@pytest.mark.parametrize("model", ["IDP", "MoRec", "UniSRec", "CLUE", "PeterRec", "Conure"])
@pytest.mark.parametrize("kind", ["bsarec", "ligr", "hstu"])
def test_a_model_takes_the_encoder_that_the_command_line_names(domains, model, kind):
    config = configured(domains, model, encoder=kind, **({"transfer": "scratch"} if model != "CLUE" else {}))
    made, _ = with_random_weights(config)
    found = made.encoder if model not in ("CLUE", "PeterRec", "Conure") else made.encoder.encoder
    assert type(found).__name__.lower() == f"{kind}encoder"
    assert made.serving().encoder_kind.lower().removesuffix("token") == kind


@pytest.mark.parametrize(
    ("model", "changes", "says"),
    [
        ("IDP_BERT4Rec", {"encoder": "hstu"}, "encoder.*BERT4Rec"),
        ("Recformer", {"encoder": "ligr"}, "encoder.*Longformer"),
        ("Adapter4Rec", {"encoder": "hstu"}, "encoder.*SASRec.*BSARec"),
        ("PRECISE", {"encoder": "ligr"}, "unknown key.*encoder"),
        ("MoRec", {"encoder": "bsarec", "transformer_block": "MoRec"}, "give --transformer_block=RecBole"),
        ("PositionSASRec", {"encoder": "bsarec", "bsarec_alpha": 1.5}, "bsarec_alpha.*1"),
    ],
)
def test_what_a_model_does_not_take_is_refused_in_one_line(domains, model, changes, says):
    with pytest.raises(UserError, match=says) as caught:
        configured(domains, model, **changes)
    assert "\n" not in str(caught.value)


def test_keys_of_an_encoder_that_is_not_chosen_decide_on_nothing():
    """What was pre-trained before the key was there is that of SASRec, and is found again."""
    without = pretraining_values({"hidden_size": 16}, "IDP", "shop")
    sasrec = {"hidden_size": 16, "encoder": "SASRec", "bsarec_alpha": 0.3, "bsarec_c": 9}
    assert pretraining_values(sasrec, "IDP", "shop") == without
    bsarec = pretraining_values({**sasrec, "encoder": "BSARec"}, "IDP", "shop")
    assert bsarec == {**without, "encoder": "BSARec", "bsarec_alpha": 0.3, "bsarec_c": 9}
    hstu = pretraining_values({**sasrec, "encoder": "HSTU"}, "IDP", "shop")
    assert hstu == {**without, "encoder": "HSTU"}
