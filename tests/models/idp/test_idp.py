"""IDP: the contract, and what it takes over from the source domains."""

import pytest
import torch
from recbole.data import create_dataset, data_preparation

from recbole_idp.errors import UserError
from recbole_idp.models.idp.model import IDP, check_encoder
from recbole_idp.run.run import run
from recbole_idp.storage.checkpoint import load_checkpoint
from recbole_idp.testing import ModelContract, configured


class TestIDP(ModelContract):
    model = "IDP"
    random_start = {"transfer": "scratch"}


class TestIDPWithBPR(ModelContract):
    model = "IDP"
    random_start = {"transfer": "scratch"}
    changes = {"loss_type": "BPR", "train_negatives": 4}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None


class TestIDPWithSampledSoftmax(ModelContract):
    model = "IDP"
    random_start = {"transfer": "scratch"}
    changes = {"train_negatives": 5}

    test_prefix_and_position_losses_agree_where_there_is_one_target = None


def test_start_from_keeps_the_padding_row_and_takes_the_encoder(domains):
    from recbole_idp.data.dataset import SequenceDataset

    config = configured(domains, "IDP")
    dataset = SequenceDataset(config)
    dataset.build()
    donor, model = IDP(config, dataset), IDP(config, dataset)
    generated = torch.randn(model.n_items - 1, model.hidden_size)
    model.start_from(generated, donor.encoder.state_dict())
    assert not model.item_embedding.weight[0].any()
    torch.testing.assert_close(model.item_embedding.weight[1:], generated)
    for own, other in zip(model.encoder.parameters(), donor.encoder.parameters(), strict=True):
        assert torch.equal(own, other)


def test_an_encoder_of_another_size_is_refused_by_the_name_of_the_key(domains):
    config = configured(domains, "IDP")
    own = bundle = IDP.describe_encoder(config)
    check_encoder("IDP", own, bundle, ["fine_tune"])
    with pytest.raises(UserError, match="n_layers=5"):
        check_encoder("IDP", own, {**bundle, "n_layers": 5}, ["fine_tune"])
    check_encoder("IDP", own, {**bundle, "n_layers": 5}, [])
    with pytest.raises(UserError, match="hidden_size=5"):
        check_encoder("IDP", own, {**bundle, "hidden_size": 5}, [])


def test_weights_of_another_size_are_refused_in_one_line(domains):
    config = configured(domains, model="IDP")
    train, _, _ = data_preparation(config, create_dataset(config))
    model = IDP(config, train.dataset)
    state = {**model.encoder.state_dict(), "norm.weight": torch.ones(3)}
    generated = torch.randn(model.n_items - 1, model.hidden_size)
    with pytest.raises(UserError, match=r"hidden_size, n_layers.* must be as in pre-training .*norm\.") as refused:
        model.start_from(generated, state)
    assert "\n" not in str(refused.value)


def test_the_prior_costs_the_squared_distance_from_what_was_generated(domains):
    config = configured(domains, "IDP", generated_prior=8.0)
    train, _, _ = data_preparation(config, create_dataset(config))
    model = IDP(config, train.dataset)
    assert model.prior_loss() == 0
    model.start_from(torch.randn(model.n_items - 1, model.hidden_size))
    assert model.prior_loss() == 0
    with torch.no_grad():
        model.item_embedding.weight[3] += 0.5
    expected = 8.0 / len(train.dataset.targets()) * 0.25 * model.hidden_size
    assert model.prior_loss().item() == pytest.approx(expected)


def test_a_strong_prior_keeps_ids_where_they_were_generated(domains):
    moved = {}
    for prior in (0.0, 1e4):
        changes = {"generated_prior": prior, "variants": ["fine_tune"], "epochs": 5}
        result = run(configured(domains, "IDP", **changes))
        state, _, _ = load_checkpoint(result["variants"]["fine_tune"]["runs"][0]["checkpoint"])
        moved[prior] = float((state["item_embedding.weight"] - state["generated"]).norm())
    assert moved[1e4] < 0.1 * moved[0.0]
