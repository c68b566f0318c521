"""UniSRec on a target: the contract, its scores beside slow formulas, and what it takes over from source domains."""

import math

import pytest
import torch
from recbole.utils import get_trainer

from recbole_idp.errors import UserError
from recbole_idp.models.unisrec.adaptor import MixtureAdaptor
from recbole_idp.models.unisrec.model import transferable
from recbole_idp.models.unisrec.pretrain import find_or_pretrain
from recbole_idp.testing import ModelContract
from recbole_idp.testing.toy import settings, write_dataset
from tests.support.trained import run
from tests.support.unisrec import SMALL, configured, fitted, made
from tests.support.unisrec_formulas import slow_adaptor, slow_state

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestUniSRec(ModelContract):
    model = "UniSRec"
    random_start = {"transfer": "scratch"}
    changes = SMALL


class TestUniSRecIDt(ModelContract):
    model = "UniSRec_IDt"
    random_start = {"transfer": "scratch"}
    changes = SMALL


@pytest.mark.parametrize("name", ["UniSRec", "UniSRec_IDt"])
def test_scores_are_those_of_the_published_formulas(domains, name):
    model, config, _ = made(domains, model=name, n_layers=2)
    with torch.no_grad():
        items = torch.stack([slow_adaptor(model.item_encoder, vector) for vector in model.text_vectors])
        if name == "UniSRec_IDt":
            items = items + model.item_embedding.weight
        torch.testing.assert_close(model.item_vectors(), items, atol=1e-4, rtol=1e-4)
        for history in ([2, 5, 1, 7], [4]):
            state = slow_state(model, items[history])
            expected = torch.stack([state @ (item / item.norm()) for item in items]) / config["temperature"]
            scores = model.full_sort_predict(
                {model.ITEM_SEQ: torch.tensor([history]), model.ITEM_SEQ_LEN: torch.tensor([len(history)])}
            )
            torch.testing.assert_close(scores[0], expected, atol=1e-3, rtol=1e-4)


def test_the_gate_is_noisy_in_training_only_by_the_formulas_spread():
    torch.manual_seed(0)
    adaptor = MixtureAdaptor(4, 5, 2, dropout_prob=0.0)
    with torch.no_grad():
        adaptor.gate.normal_()
        adaptor.noise.normal_()
    adaptor.requires_grad_(False)
    vector = torch.tensor([0.5, -1.0, 2.0, 0.3])
    draws = adaptor.gates(vector.expand(20_000, 4))
    # The difference of two logits is normal, its variance the sum of theirs.
    differences = (draws[:, 0] / draws[:, 1]).log()
    spreads = [math.log1p(math.exp(float(vector @ adaptor.noise[:, k]))) + 0.01 for k in range(2)]
    assert float(differences.std()) == pytest.approx(math.hypot(*spreads), rel=0.03)
    assert float(differences.mean()) == pytest.approx(
        float(vector @ (adaptor.gate[:, 0] - adaptor.gate[:, 1])), abs=0.05
    )
    adaptor.eval()
    assert torch.equal(adaptor.gates(vector), adaptor.gates(vector))


def test_a_large_catalogue_is_adapted_in_blocks_to_the_same():
    torch.manual_seed(0)
    adaptor, vectors = MixtureAdaptor(6, 4, 2, 0.2).eval(), torch.randn(9000, 6)
    whole = adaptor(vectors)
    with torch.no_grad():
        torch.testing.assert_close(adaptor(vectors), whole)


def test_candidates_are_those_of_the_latest_weights(domains):
    model, _, _ = made(domains)
    with torch.no_grad():
        before = model.candidate_vectors()
        assert model.candidate_vectors() is before
        torch.testing.assert_close(before, model.item_vectors() / model.item_vectors().norm(dim=1, keepdim=True))
        model.item_encoder.gate.add_(torch.randn_like(model.item_encoder.gate))
        assert not torch.allclose(model.candidate_vectors(), before)


@pytest.mark.parametrize("name", ["UniSRec", "UniSRec_IDt"])
def test_fine_tuning_changes_adaptor_and_input_norm_and_leaves_the_blocks(domains, name):
    model, _, _ = fitted(domains, model=name)
    state = find_or_pretrain(configured(domains)).state
    changed = {key for key, value in transferable(model).items() if not torch.equal(value, state[key])}
    assert changed >= {"item_encoder.weight", "item_encoder.shift", "item_encoder.gate", "encoder.norm.weight"}
    assert not any("blocks" in key or "position" in key for key in changed)
    model, _, _ = fitted(domains, model=name, freeze_encoder=False)
    assert not torch.equal(model.encoder.blocks[0].inner.weight, state["encoder.blocks.0.inner.weight"])


@pytest.mark.slow
def test_zero_shot_is_what_was_pre_trained_and_transfers(tmp_path):
    # The titles are the same in both domains, and with them the order in which items follow one another. The circle is
    # wide, and the history left out: what users had is never their negative, so nothing says that it does not follow.
    domains = tmp_path / "data"
    write_dataset(domains, "pens", 80, n_items=24, prefix="p", seed=1)
    write_dataset(domains, "shop", 30, n_items=24, prefix="s", seed=3)
    changes = {"pretrain_epochs": 30, "pretrain_stopping_step": 30, "pretrain_learning_rate": 0.01}
    changes |= {"source_domains": ["pens"], "pretrain_valid_users": 20, "exclude_history": True}
    model, trainer, test = fitted(domains, transfer="zero_shot", **changes)
    state = find_or_pretrain(configured(domains, **changes)).state
    assert all(torch.equal(value, state[name]) for name, value in transferable(model).items())
    assert trainer.evaluate(test)["hit@1"] > 0.9
    _, trainer, test = fitted(domains, transfer="scratch", epochs=1, exclude_history=True)
    assert trainer.evaluate(test)["hit@1"] < 0.5


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"transfer": "text_pca"}, "UniSRec takes transfer scratch, zero_shot, fine_tune, but is 'text_pca'"),
        ({"hidden_size": 32}, "the pre-trained UniSRec does not fit this model: hidden_size, "),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(domains, changes, line):
    folder = find_or_pretrain(configured(domains)).folder
    with pytest.raises(UserError, match=line) as caught:
        fitted(domains, pretrained=str(folder), **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("temperature", 0, "temperature must be more than 0"),
        ("n_experts", 0, "n_experts must be 1 or more"),
        ("adaptor_dropout_prob", 1.0, "adaptor_dropout_prob must be less than 1"),
        ("item_drop_ratio", 1.0, "item_drop_ratio must be less than 1"),
        ("item_drop_coefficient", 1.5, "item_drop_coefficient must be from 0 to 1"),
        ("sequence_loss_weight", -1.0, "sequence_loss_weight must be 0 or more"),
    ],
)
def test_values_out_of_range_are_refused(domains, key, value, line):
    with pytest.raises(UserError, match=line):
        configured(domains, **{key: value})


@pytest.mark.slow
def test_what_is_pre_trained_on_sources_is_not_counted(domains):
    # The first run imports what both need, and has other settings, so that the second pre-trains anew.
    for epochs in (1, 40):
        result = run(domains.parent, "UniSRec", **SMALL, pretrain_epochs=epochs, pretrain_stopping_step=epochs)
    assert 0 < result["variants"]["UniSRec"]["seconds"] < result["stages"]["train"]["seconds"]


def test_recboles_own_functions_train_and_open_it(domains, monkeypatch):
    from recbole.quick_start import load_data_and_model, run_recbole

    monkeypatch.setattr("sys.argv", ["recbole"])
    outcome = run_recbole(model="UniSRec_IDt", dataset="shop", config_dict=settings(domains, **SMALL))
    (checkpoint,) = (domains / "saved").glob("UniSRec_IDt-*.safetensors")
    config, opened, _, _, _, test = load_data_and_model(model_file=str(checkpoint))
    trainer = get_trainer(config["MODEL_TYPE"], "UniSRec_IDt")(config, opened)
    assert dict(trainer.evaluate(test, load_best_model=False)) == dict(outcome["test_result"])
