"""PRECISE on a target: the contract, and its losses, user vectors and phases beside the formulas."""

import math

import pytest
import torch

from recbole_idp.data.rows import Batch
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.errors import UserError
from recbole_idp.models.precise.drawn_targets import DrawnTargets, UserBatch
from recbole_idp.models.precise.user_head import UserHead, latest_events
from recbole_idp.models.precise.user_loss import contrast_loss
from recbole_idp.nn.in_batch import competition_loss
from recbole_idp.testing import ModelContract
from recbole_idp.testing.toy import write_dataset
from tests.support.precise import SMALL, configured, fitted, made

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


REPEATING = {"exclude_history": False}
"""For users who come round the circle, to items of their history."""


class TestPRECISE(ModelContract):
    model = "PRECISE"
    causal = False
    changes = SMALL
    # The paper's loss compares users: which of two items a user wants more follows only indirectly.
    learning = {"targeted_contrast": "both", **REPEATING}


class TestPRECISEUT(ModelContract):
    model = "PRECISE_UT"
    changes = SMALL

    # Of eight items on a circle nearly all are the user's own, which are no negatives: see the wide circle below.
    test_learns_which_item_follows_which = None


class TestPRECISETT(ModelContract):
    model = "PRECISE_TT"
    causal = False
    changes = SMALL
    learning = {"targeted_contrast": "users", "user_head": "mlp", **REPEATING}


class TestPRECISETTWithOtherChoices(TestPRECISETT):
    changes = {**SMALL, "user_head": "mlp", "targeted_contrast": "both", "fusion": "experts_softmax"}
    test_learns_which_item_follows_which = None


def slow_universal_loss(model, rows):
    """L_nip, position by position: negatives are the distinct targets of other rows that the own row does not have."""
    vectors = model.item_vectors()
    losses = []
    for number, sequence in enumerate(rows):
        states = model.encode(torch.tensor([sequence[:-1]]))[0]
        others = {item for other, row in enumerate(rows) if other != number for item in row[1:]} - set(sequence)
        for state, target in zip(states, sequence[1:], strict=True):
            scores = [float(state @ vectors[item]) for item in (target, *others)]
            losses.append(math.log(sum(math.exp(score) for score in scores)) - scores[0])
    return sum(losses) / len(losses)


def test_the_universal_loss_is_that_of_the_formula_with_exact_negatives(domains):
    write_dataset(domains, "wide", 25, n_items=30)
    model, config, (train, _, _) = made(domains, "PRECISE_UT", "wide", pretrain_batch_size=40, train_batch_size=40)
    batches = list(model.training_batches(train.dataset.targets(), config, torch.Generator().manual_seed(0)))
    assert len(batches) > 1
    for batch in batches:
        ((items, targets),) = batch.parts
        rows = [
            [item for item in row.tolist() if item] + [int(wanted[wanted > 0][-1])]
            for row, wanted in zip(items, targets, strict=True)
        ]
        with torch.no_grad():
            assert float(model.position_loss(batch)) == pytest.approx(slow_universal_loss(model, rows), rel=1e-4)


def test_popularity_correction_estimates_the_full_softmax(domains):
    model, _, _ = made(domains, "PRECISE_UT", popularity_correction=True)
    shares = model.target_shares
    assert float(shares.sum()) == pytest.approx(1)
    bias = model._negative_bias(torch.tensor([3]), 7)
    assert float(bias) == pytest.approx(-math.log(1 - (1 - float(shares[3])) ** 7), rel=1e-4)
    plain, _, _ = made(domains, "PRECISE_UT")
    assert plain._negative_bias(torch.tensor([3]), 7).eq(0).all()


@pytest.mark.parametrize("kind", ["users", "items", "both"])
def test_the_targeted_loss_is_that_of_the_formula(kind):
    torch.manual_seed(0)
    users, items = torch.randn(2, 5, 3)
    targets, who = torch.tensor([4, 2, 4, 1, 7]), torch.tensor([0, 1, 2, 1, 3])
    total = 0.0
    for u in range(5):
        others = [v for v in range(5) if targets[v] != targets[u] and who[v] != who[u]]
        own = float(users[u] @ items[u])
        by_user = [math.log(1 + math.exp(float(users[v] @ items[u]) - own)) for v in others]
        by_item = [math.log(1 + math.exp(float(users[u] @ items[v]) - own)) for v in others]
        wanted = {"users": by_user, "items": by_item, "both": [a + b for a, b in zip(by_user, by_item, strict=True)]}
        total += sum(wanted[kind]) / len(others) / 5
    assert float(contrast_loss(users, items, targets, who, kind)) == pytest.approx(total, rel=1e-5)
    alone = contrast_loss(users, items, torch.full((5,), 3), who, kind)
    assert float(alone) == 0.0


def test_the_competition_is_a_softmax_over_the_batchs_items_that_estimates_that_over_all():
    torch.manual_seed(0)
    users, vectors, shares = torch.randn(5, 3), torch.randn(9, 3), torch.rand(9) / 9
    targets, items = torch.tensor([4, 2, 4, 1, 7]), torch.tensor([[3, 2], [1, 0], [5, 6], [8, 0], [2, 4]])
    total = 0.0
    for user, target, events in zip(users, targets.tolist(), items.tolist(), strict=True):
        own = math.exp(user @ vectors[target])
        rivals = {1, 2, 4, 7} - {target} - set(events)
        # An item that is in few batches stands for those batches in which it is not.
        present = {item: 1 - (1 - float(shares[item])) ** 5 for item in rivals}
        others = sum(math.exp(user @ vectors[item]) / present[item] for item in rivals)
        total -= math.log(own / (own + others)) / 5
    bias = -torch.log(1 - (1 - shares) ** 5)
    loss = competition_loss(users, torch.arange(5), vectors, targets, items, bias)
    assert float(loss) == pytest.approx(total, rel=1e-5)


def test_the_user_vector_is_the_mlp_of_all_states_the_latest_first(domains):
    model, _, _ = made(domains, "PRECISE_TT", user_head="mlp")
    history = [2, 5, 1, 7, 3, 3, 4, 6]
    with torch.no_grad():
        latest = torch.tensor([history[-6:]])
        states = model.encode(latest)[0]
        slots = torch.cat([states[place] for place in reversed(range(6))])
        hidden = torch.nn.functional.gelu(model.head.inner.weight @ slots + model.head.inner.bias)
        expected = model.head.outer.weight @ hidden + model.head.outer.bias
        user = model(torch.tensor([history]), torch.tensor([8]))[0]
        torch.testing.assert_close(user, expected, atol=1e-5, rtol=1e-4)
        short = model.encode(torch.tensor([[5, 2]]))[0]
        slots = torch.cat([short[1], short[0], torch.zeros(4 * 16)])
        hidden = torch.nn.functional.gelu(model.head.inner.weight @ slots + model.head.inner.bias)
        expected = model.head.outer.weight @ hidden + model.head.outer.bias
        torch.testing.assert_close(
            model(torch.tensor([[5, 2, 0, 0]]), torch.tensor([2]))[0], expected, atol=1e-5, rtol=1e-4
        )
        model.exclude_history = False
        scores = model.full_sort_predict(
            {model.ITEM_SEQ: torch.tensor([history]), model.ITEM_SEQ_LEN: torch.tensor([8])}
        )
        torch.testing.assert_close(scores[0], model.item_vectors() @ user)


def test_the_residual_head_starts_as_the_last_state():
    head, states = UserHead(4, 3, 8, "residual"), torch.randn(2, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(head(states, torch.tensor([3, 1])), torch.stack([states[0, 2], states[1, 0]]))


def test_the_latest_events_are_kept_in_order():
    items, lengths = latest_events(torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]]), torch.tensor([4, 2]), 3)
    assert items.tolist() == [[2, 3, 4], [5, 6, 0]] and lengths.tolist() == [3, 2]


def test_targets_are_drawn_from_every_user_as_many():
    users = [0] * 2 + [1] * 9 + [2] * 5
    sequences = Sequences.from_events(users, range(1, 17))
    ends = torch.tensor([1, *range(3, 11), *range(12, 16)])
    targets = Targets(sequences, sequences.offsets[torch.tensor(users)[ends]], ends)
    rows, seen = DrawnTargets(targets, 4, 3, 3, torch.Generator().manual_seed(0)), set()
    for _ in range(40):
        batches = list(rows)
        assert len(batches) == len(rows) == 2 and sum(batch.n_targets for batch in batches) == rows.n_targets == 7
        drawn = []
        for batch in batches:
            ((items, wanted),) = batch.parts
            for history, target, user in zip(items.tolist(), wanted.tolist(), batch.users.tolist(), strict=True):
                history = [item for item in history if item]
                (item,) = [item for item in target if item]
                # Items are numbered in the order of the events, so that a history ends right before its target.
                assert history == list(range(item - len(history), item)) and len(history) <= 4
                assert target[len(history) - 1] == item and user == users[item - 1]
                drawn.append(item)
        assert len(set(drawn)) == 7 and [sum(users[item - 1] == user for item in drawn) for user in range(3)] == [
            1,
            3,
            3,
        ]
        seen.update(drawn)
    assert seen == {int(end) + 1 for end in ends}


def test_gradient_reaches_ids_and_tokens_in_targeted_training(domains):
    model, config, (train, _, _) = made(domains, "PRECISE")
    (batch, *_) = model.training_batches(train.dataset.targets(), config, torch.Generator().manual_seed(0))
    assert isinstance(batch, UserBatch)
    model.train().position_loss(batch).backward()
    parts = {"ids": model.fusion.ids, "tokens": model.fusion.tokens, "head": model.head.inner.weight}
    parts.update(gate=model.fusion.pooling.gate, query=model.encoder.blocks[0].attention.query_key_value.weight)
    assert all(part.grad.abs().sum() > 0 for part in parts.values())
    assert model.fusion.ids.grad[0].eq(0).all()


def test_the_balancing_loss_is_added_by_its_weight(domains):
    batch = Batch(((torch.tensor([[1, 2, 3]]), torch.tensor([[0, 0, 4]])),), 1)
    for name in ("PRECISE_UT", "PRECISE_TT"):
        plain, _, _ = made(domains, name)
        weighted, _, _ = made(domains, name, balance_weight=0.5)
        with torch.no_grad():
            extra = float(weighted.position_loss(batch) - plain.position_loss(batch))
            assert extra == pytest.approx(0.5 * float(plain.fusion.balance_loss(torch.tensor([1, 2, 3, 4]))), rel=1e-3)


@pytest.mark.slow
def test_all_three_learn_on_a_wide_circle(domains):
    write_dataset(domains, "wide", 80, n_items=24)
    long = {"pretrain_epochs": 16, "pretrain_learning_rate": 0.01, "pretrain_stopping_step": 16}
    long.update(epochs=25, stopping_step=25, learning_rate=0.01, source_domains=[], train_batch_size=128)
    found = {name: fitted(domains, name, "wide", **long) for name in ("PRECISE_UT", "PRECISE", "PRECISE_TT")}
    for name, (_, trainer, test) in found.items():
        assert trainer.evaluate(test)["hit@1"] > 0.9, name
        assert len(list((domains / "saved").glob(f"{name}-*-experts.svg"))) == 1


def test_items_of_the_history_come_last(domains):
    for name in ("PRECISE_UT", "PRECISE_TT"):
        model, _, _ = made(domains, name)
        rows = {model.ITEM_SEQ: torch.tensor([[3, 4, 0]]), model.ITEM_SEQ_LEN: torch.tensor([2])}
        with torch.no_grad():
            scores = model.full_sort_predict(rows)[0]
            assert scores.isinf().nonzero().squeeze(1).tolist() == [0, 3, 4]
            assert model.predict({**rows, model.ITEM_ID: torch.tensor([4])}) == float("-inf")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"semantic_size": 20}, "semantic_size 20 is more than hidden_size 16"),
        ({"semantic_size": 16}, "semantic_size 16 leaves no room for the ID"),
        ({"targeted_length": 11}, "targeted_length 11 is more than MAX_ITEM_LIST_LENGTH 10"),
        ({"top_experts": 4}, "top_experts 4 is more than n_experts 3"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(domains, changes, line):
    with pytest.raises(UserError, match=line):
        made(domains, "PRECISE", **changes)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"fusion": "expert"}, "did you mean experts"),
        ({"frozen_share": 1.0}, "frozen_share must be less than 1"),
        ({"targeted_interval": {"rating": "4 and more"}}, "targeted_interval of rating must be an interval"),
        ({"top_experts": 0}, "top_experts must be 1 or more"),
    ],
)
def test_values_out_of_range_are_refused(domains, changes, line):
    with pytest.raises(UserError, match=line):
        configured(domains, **changes)
