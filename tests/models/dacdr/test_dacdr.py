"""DA-CDR (own reconstruction): the contract, its loss by parts, its batches, and a run on both domains."""

import logging
from itertools import pairwise

import pytest
import torch
from recbole.utils import get_model, init_seed

from recbole_idp.config.derive import given_values
from recbole_idp.data.item_names import HistoryItem
from recbole_idp.errors import UserError
from recbole_idp.models.dacdr.data import TwoDomainBatches
from recbole_idp.testing import ModelContract, configured, fitted
from recbole_idp.testing.models import loaders_of, with_random_weights

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestDACDR(ModelContract):
    model = "DACDR"


def made(domains, **changes):
    settings = configured(domains, "DACDR", **changes)
    train, _, _ = loaders_of(settings)
    init_seed(1, True)
    model = get_model("DACDR")(settings, train.dataset)
    generator = torch.Generator().manual_seed(0)
    return model, model.training_batches(train.dataset.targets(), settings, generator), train.dataset


def test_source_items_are_inputs_and_no_candidates(domains):
    model, _, dataset = made(domains)
    assert model.n_inputs == model.n_items + 16 and model.candidate_vectors().shape[0] == model.n_items == 9
    assert dataset.history_items[0].domain == "pens" and dataset.history_items[-1].domain == "lamps"
    assert torch.equal(dataset.sources.items, torch.arange(9, 25))
    sequences = dataset.sources.targets.sequences
    # Each item is followed by the next one of its own domain, round a circle.
    for start, end in zip(sequences.offsets[:-1].tolist(), sequences.offsets[1:].tolist(), strict=True):
        found = [dataset.history_items[number - 9] for number in sequences.items[start:end].tolist()]
        assert len({item.domain for item in found}) <= 1
        places = [int(item.token[2:]) for item in found]
        assert all((after - before) % 8 == 1 for before, after in pairwise(places))


def test_batches_hold_both_domains_and_pass_over_the_target_once(domains):
    _, batches, dataset = made(domains, train_batch_size=32)
    found = list(batches)
    assert len(found) == len(batches) > 3
    assert sum(batch.target.n_targets for batch in found) == len(dataset.targets())
    for batch in found:
        ((source, _),), ((target, _),) = batch.source.parts, batch.target.parts
        assert int(target.max()) < 9 <= int(source[source > 0].min())
        assert batch.n_targets == batch.source.n_targets + batch.target.n_targets
        assert abs(batch.source.n_targets - batch.target.n_targets) <= 16


def test_a_short_source_is_passed_over_again():
    found = [batch.source + batch.target for batch in TwoDomainBatches("ab", "12345")]
    assert found == ["a1", "b2", "a3", "b4", "a5"]


def test_without_adversary_and_orthogonality_the_loss_is_that_of_joint_training(domains):
    model, batches, _ = made(domains, adversary_weight=0.0, orthogonality_weight=0.0, source_negatives=0)
    model.eval()
    model.strength = 1.0
    batch = next(iter(batches))
    found = model.joint_loss(batch)
    source = model._source_side(batch.source)
    torch.testing.assert_close(found.loss, model.position_loss(batch.target) + source.loss)
    # The source's loss is a softmax over padding and all source items, by the representations of the source.
    ((items, wanted),) = batch.source.parts
    states = model.encoder.encoder(model.item_embedding(items), items == 0)[wanted > 0]
    candidates = model.items(model.item_embedding.weight[[0, *range(9, 25)]], 0)
    scores = model.encoder.users(states, 0) @ candidates.t()
    expected = torch.nn.functional.cross_entropy(scores, wanted[wanted > 0] - 8)
    torch.testing.assert_close(source.loss, expected)


def test_the_loss_is_the_weighted_sum_of_its_parts(domains):
    weighed = {}
    for name, values in {"none": (0.0, 0.0), "adversary": (0.7, 0.0), "both": (0.7, 0.3)}.items():
        alpha, beta = values
        changes = {"adversary_weight": alpha, "orthogonality_weight": beta, "source_negatives": 0}
        model, batches, _ = made(domains, **changes)
        weighed[name] = model.eval().joint_loss(next(iter(batches)))
    apart = weighed["both"].loss - weighed["adversary"].loss
    torch.testing.assert_close(apart, 0.3 * weighed["both"].overlap)
    # New discriminators know nothing: log 2 for each of the two.
    told = float((weighed["adversary"].loss - weighed["none"].loss).detach()) / 0.7
    assert told == pytest.approx(2 * 0.6931, rel=0.1)


def test_reversed_gradients_reach_the_shared_encoders_alone(domains):
    def gradients(strength):
        model, batches, _ = made(domains, orthogonality_weight=0.0, source_negatives=0)
        model.eval()
        model.strength = strength
        model.joint_loss(next(iter(batches))).loss.backward()
        return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}

    off, on = gradients(0.0), gradients(1.0)
    changed = {name for name in on if not torch.allclose(off[name], on[name], atol=1e-9)}
    assert any("users.shared" in name for name in changed) and any("items.shared" in name for name in changed)
    assert not any("private" in name or "mix" in name or "discriminator" in name for name in changed)


def test_joined_users_share_their_state_through_mixed_histories(domains):
    # The ids of pens begin with p: rename them to those of the target's users, and let them lie before.
    path = domains / "pens" / "pens.inter"
    head, *rows = path.read_text().splitlines()
    path.write_text(
        "\n".join([head, *("s" + row[1:].rsplit("\t", 1)[0] + f"\t{n}" for n, row in enumerate(rows))]) + "\n"
    )
    shop = domains / "shop" / "shop.inter"
    head, *rows = shop.read_text().splitlines()
    shop.write_text("\n".join([head, *(f"{row}{n:06d}" for n, row in enumerate(rows, 1000))]) + "\n")
    model, batches, dataset = made(domains, shared_users=[["shop", "pens"]])
    assert dataset.joined is not None and dataset.history_items.count(HistoryItem("pens", "pi3")) == 1
    assert model.n_inputs == 9 + 16
    assert any(bool((items >= 9).any()) for batch in batches for items, _ in batch.target.parts)


def test_each_epoch_reports_on_the_adversary(domains, caplog):
    caplog.set_level(logging.INFO)
    trainer, test = fitted(configured(domains, "DACDR", epochs=3, reversal_epochs=2, state="INFO"))
    lines = [line for line in caplog.messages if "the discriminators find" in line]
    assert [line.split("gradient reversal ")[1][:4] for line in lines] == ["0.00", "0.99", "1.00"]
    assert 0 <= trainer.evaluate(test)["ndcg@5"] <= 1


def test_a_target_without_sources_is_refused(domains):
    with pytest.raises(UserError, match="source_domains is empty"):
        made(domains, source_domains=[])


def test_a_trained_folder_recommends_as_the_model_scores(domains):
    from recbole_idp.serving.encoder_sizes import encoder_sizes
    from recbole_idp.serving.user_encoder import build_user_encoder

    settings = configured(domains, "DACDR")
    model, _ = with_random_weights(settings)
    parts = model.serving()
    assert len(parts.item_vectors) == model.n_inputs == 25 and len(parts.candidate_vectors) == model.n_items == 9
    description = {
        "encoder": encoder_sizes("DACDR", given_values(settings)),
        "hidden_event": False,
        "temperature": None,
    }
    user_encoder = build_user_encoder(description, parts.encoder.state_dict(), parts.item_vectors.detach())
    # Items of the sources can stand in a history as well.
    items, lengths = torch.tensor([[1, 12, 24], [4, 5, 0]]), torch.tensor([3, 2])
    with torch.no_grad():
        scores = user_encoder(items, lengths) @ parts.candidate_vectors.t()
        expected = model.full_sort_predict({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths})
    torch.testing.assert_close(scores, expected)
