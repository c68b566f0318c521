"""Losses against PyTorch's own, dropout against its definition."""

import pytest
import torch
from torch.nn import functional

from recbole_idp.nn import in_batch, softmax
from recbole_idp.nn.dropout import dropout, dropout_mask
from recbole_idp.nn.lookup import collect_rows, lookup, lookup_candidates, take_collected
from recbole_idp.nn.loss import PairwiseLoss, PointwiseLoss, build_loss
from recbole_idp.nn.shared_negatives import CalibratedLoss, SampledSoftmaxLoss


@pytest.fixture
def problem():
    """States, item vectors and targets, with gradients wanted."""
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(70, 8, generator=draw).requires_grad_()
    items = torch.randn(50, 8, generator=draw).requires_grad_()
    return states, items, torch.randint(1, 50, (70,), generator=draw)


def gradients(loss, *leaves):
    return [loss.detach(), *torch.autograd.grad(3 * loss, leaves)]


@pytest.mark.parametrize("chunk", [64, 1 << 19])
def test_softmax_loss_equals_cross_entropy(problem, monkeypatch, chunk):
    monkeypatch.setattr(softmax, "CHUNK_ELEMENTS", chunk)
    states, items, targets = problem
    ours = gradients(softmax.softmax_loss(states, items, targets), states, items)
    theirs = gradients(functional.cross_entropy(states @ items.t(), targets), states, items)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("chunk", [64, 1 << 19])
def test_a_bias_is_added_to_the_scores_of_all_losses(problem, monkeypatch, chunk):
    monkeypatch.setattr(softmax, "CHUNK_ELEMENTS", chunk)
    states, items, targets = problem
    bias = torch.randn(50, generator=torch.Generator().manual_seed(4)).requires_grad_()
    # A score with a bias is a product with one more column.
    wide = torch.cat([states, torch.ones(len(states), 1)], 1), torch.cat([items, bias.unsqueeze(1)], 1)
    counts = torch.arange(50)
    losses = (
        *(build_loss("CE", 0), build_loss("CE", 20, counts)),
        *(build_loss("BPR", 2), build_loss("BCE", 2), build_loss("gBCE", 20, counts)),
    )
    for loss in losses:
        torch.manual_seed(5)
        # Not the table itself, whose gradient a look-up would add in place.
        ours = gradients(loss(states, targets, items * 1, bias), states, items, bias)
        torch.manual_seed(5)
        theirs = gradients(loss(wide[0], targets, wide[1]), states, items, bias)
        for own, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(own, other)


@pytest.mark.parametrize("chunk", [64, 1 << 19])
def test_sampled_softmax_loss_equals_its_definition(problem, monkeypatch, chunk):
    monkeypatch.setattr(softmax, "CHUNK_ELEMENTS", chunk)
    states, items, targets = problem
    negatives = torch.arange(2, 40, 3)
    log_count = torch.rand(len(negatives), generator=torch.Generator().manual_seed(1)).log()
    ours = softmax.sampled_softmax_loss(states, items[targets], targets, negatives, items[negatives], log_count)
    scores = states @ items[negatives].t() - log_count
    scores = scores.masked_fill(negatives == targets.unsqueeze(1), float("-inf"))
    own = (states * items[targets]).sum(1, keepdim=True)
    theirs = functional.cross_entropy(torch.cat([own, scores], 1), torch.zeros_like(targets))
    for left, right in zip(gradients(ours, states, items), gradients(theirs, states, items), strict=True):
        torch.testing.assert_close(left, right)


def test_sampled_softmax_approaches_the_full_one(problem):
    states, items, targets = problem
    counts = torch.randint(0, 9, (50,), generator=torch.Generator().manual_seed(2))
    counts[0] = 0
    torch.manual_seed(0)
    loss = SampledSoftmaxLoss(counts, n_negatives=4000)
    with torch.no_grad():
        full = functional.cross_entropy((states @ items.t())[:, 1:], targets - 1)
        torch.testing.assert_close(loss(states, targets, items), full, atol=1e-3, rtol=0)


def test_the_log_q_correction_counts_each_item_by_its_chance_to_be_drawn():
    torch.manual_seed(0)
    counts = torch.tensor([0, 100, 10, 1, 0])
    loss = SampledSoftmaxLoss(counts, n_negatives=3, smoothing=1.0)
    draws = torch.rand(20000, 3, dtype=torch.float64)
    drawn = torch.searchsorted(loss.cumulative, draws)
    share = torch.stack([(drawn == item).any(1).double().mean() for item in range(1, 5)])
    torch.testing.assert_close(loss.log_expected_count[1:].exp().double(), share, atol=0.01, rtol=0)


@pytest.mark.parametrize("loss", [PairwiseLoss(3), PointwiseLoss(3)])
def test_sampled_pairs_never_use_the_target_as_negative(loss):
    items = torch.eye(4)
    targets = torch.randint(1, 4, (500,), generator=torch.Generator().manual_seed(0))
    positive, negative = loss.scores(items[targets], targets, items)
    assert (positive == 1).all()
    assert (negative == 0).all()


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        (PairwiseLoss(2), lambda p, n: -torch.log(torch.sigmoid(p - n)).mean()),
        (PointwiseLoss(2), lambda p, n: -torch.log(torch.sigmoid(p)).mean() - torch.log(1 - torch.sigmoid(n)).mean()),
    ],
)
def test_pairwise_and_pointwise_losses_equal_their_formulas(problem, loss, formula):
    states, items, targets = (part.detach() for part in problem)
    torch.manual_seed(3)
    value = loss(states, targets, items)
    torch.manual_seed(3)
    # In double precision, since 1 - sigmoid(x) loses its digits for large x.
    expected = formula(*(scores.double() for scores in loss.scores(states, targets, items)))
    torch.testing.assert_close(value.double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("n_negatives", "t"), [(7, 0.75), (7, 0.0), (7, 1.0), (1, 0.5), (0, 0.75)])
def test_calibrated_loss_equals_the_papers_formula(problem, n_negatives, t):
    states, items, targets = problem
    loss = build_loss("gBCE", n_negatives, torch.ones(50), calibration=t)
    assert isinstance(loss, CalibratedLoss)
    torch.manual_seed(3)
    drawn = loss.draw(targets, 50)
    assert len(drawn.unique()) == len(drawn) == loss.n_negatives == (n_negatives or 48) and drawn.min() > 0
    positive = torch.sigmoid((states * items[targets]).sum(1).double())
    negative = torch.sigmoid((states @ items[drawn].t()).double())
    # 49 items: the target and 48 others.
    share = loss.n_negatives / 48
    beta = share * (t * (1 - 1 / share) + 1 / share)
    terms = torch.where(drawn == targets.unsqueeze(1), 0.0, torch.log(1 - negative))
    expected = -(torch.log(positive**beta) + terms.sum(1)).mean() / (len(drawn) + 1)
    for ours, theirs in zip(
        gradients(loss.with_drawn(states, targets, drawn, items * 1), states, items),
        gradients(expected.float(), states, items),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_calibrated_loss_is_plain_at_one_end_and_calibrated_at_the_other():
    """With t = 1 the best score of an item is the logit of its chance (arXiv 2308.07192)."""
    assert build_loss("gBCE", 10, torch.ones(50), calibration=0.0).beta == pytest.approx(1)
    assert build_loss("gBCE", 1000, torch.ones(50), calibration=1.0).beta == pytest.approx(1)
    chance, n_items, n_negatives = 0.1, 1002, 50
    loss = build_loss("gBCE", n_negatives, torch.ones(n_items), calibration=1.0)
    score = torch.zeros(1, requires_grad=True)
    # What the item gets in the mean: it is the target by its chance, and is drawn in the other cases.
    drawn = (1 - chance) * n_negatives / (n_items - 2)
    for _ in range(300):
        positive, negative = (
            loss.compare(*pair) * (1 + len(pair[1][0]))
            for pair in ((score, torch.zeros(1, 0)), (torch.full((1,), 1e9), score.unsqueeze(1)))
        )
        (gradient,) = torch.autograd.grad(chance * positive + drawn * negative, score)
        score = (score - 20 * gradient).detach().requires_grad_()
    assert torch.sigmoid(score).item() == pytest.approx(chance, abs=1e-3)


def test_more_negatives_than_items_means_all_items():
    assert type(build_loss("CE", 1000, torch.ones(50))).__name__ == "SoftmaxLoss"


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_zeroes_the_wanted_share(probability):
    torch.manual_seed(0)
    mask = dropout_mask((400, 501), probability)
    assert float((mask == 0).float().mean()) == pytest.approx(probability, abs=0.005)
    assert float(mask.mean()) == pytest.approx(1, abs=0.02)
    assert len(mask.unique()) == 2


def test_a_mask_keeps_the_words_from_the_threshold_on():
    words = torch.empty(1000, dtype=torch.int64)
    for probability in (0.001, 0.3, 0.999):
        torch.manual_seed(3)
        kept = words.random_(-(2**63), None).view(torch.int16) >= round(probability * 65536) - 32768
        torch.manual_seed(3)
        assert torch.equal(dropout_mask((4000,), probability) > 0, kept)


@pytest.mark.parametrize("shape", [(900, 300), (2, 900, 300), (3, 5)])
def test_dropout_of_constants_is_that_of_values_with_a_gradient(shape):
    values = torch.randn(shape)
    torch.manual_seed(1)
    constant = dropout(values, 0.3, training=True)
    torch.manual_seed(1)
    assert torch.equal(constant, dropout(values.clone().requires_grad_(), 0.3, training=True))


def test_dropout_changes_nothing_in_evaluation():
    values = torch.randn(3, 4)
    assert dropout(values, 0.5, training=False) is values


def test_lookups_add_up_to_the_gradient_that_pytorch_gives():
    table = torch.nn.Parameter(torch.randn(9, 4, generator=torch.Generator().manual_seed(0)))
    twin = torch.nn.Parameter(table.detach().clone())
    indices = [torch.tensor([[1, 2], [2, 0]]), torch.tensor([2, 8])]
    for step in range(3):
        for weight, look in ((table, lookup), (twin, lambda t, i: functional.embedding(i, t))):
            weight.grad = None
            loss = sum((look(weight, index) * (step + 1)).pow(2).sum() for index in indices)
            (loss + (weight @ torch.ones(4)).sum()).backward()
        torch.testing.assert_close(table.grad, twin.grad)


def two_steps(table, look_at_candidates):
    """Returns the gradient of a table that inputs, targets and negatives read, each row several times."""
    draw = torch.Generator().manual_seed(3)
    losses = []
    for _ in range(2):
        inputs, targets, negatives = (torch.randint(9, (40,), generator=draw) for _ in range(3))
        states = torch.tanh(lookup(table, inputs))
        positive, negative = look_at_candidates(table[:9], targets, negatives.view(40, 1))
        losses.append((states * positive).sum().exp() + (states.unsqueeze(1) * negative).pow(2).sum())
    sum(losses).backward()
    return table.grad


def test_candidates_give_the_gradient_of_a_view_to_the_last_digit():
    weights = torch.randn(12, 4, generator=torch.Generator().manual_seed(0)) / 3
    table, twin = torch.nn.Parameter(weights.clone()), torch.nn.Parameter(weights.clone())
    for _ in range(2):
        table.grad = twin.grad = None
        found = two_steps(table, lookup_candidates)
        expected = two_steps(twin, lambda view, *indices: tuple(functional.embedding(i, view) for i in indices))
        assert torch.equal(found, expected) and found.any()


def test_gradients_of_rows_are_collected():
    weights = torch.randn(12, 4, generator=torch.Generator().manual_seed(0)) / 3
    table, twin = torch.nn.Parameter(weights.clone()), torch.nn.Parameter(weights.clone())
    collect_rows(table)
    assert two_steps(table, lookup_candidates) is None
    collected, expected = take_collected(table), two_steps(twin, lookup_candidates)
    assert collected.rows.tolist() == expected.any(1).nonzero().flatten().tolist()
    torch.testing.assert_close(collected.values, expected[collected.rows])
    assert take_collected(table) is None


def test_the_in_batch_softmax_equals_cross_entropy_in_value_and_gradients(monkeypatch):
    monkeypatch.setattr(softmax, "CHUNK_ELEMENTS", 12)
    torch.manual_seed(0)
    states, candidates = torch.randn(7, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    wanted, rows = torch.tensor([0, 4, 2, 2, 1, 3, 0]), torch.tensor([0, 0, 1, 1, 2, 2, 2])
    bias, wanted_bias = torch.randn(5), torch.randn(7)
    held = torch.rand(3, 5) < 0.4
    for own in (None, wanted_bias):
        loss = in_batch.in_batch_softmax_loss(states, wanted, rows, candidates, bias, held, own)
        found = torch.autograd.grad(3 * loss, (states, candidates))
        scores = states @ candidates.t()
        positive = scores.gather(1, wanted.unsqueeze(1)) + (0 if own is None else own.unsqueeze(1))
        scores = (scores + bias).masked_fill(held[rows], float("-inf")).scatter(1, wanted.unsqueeze(1), positive)
        slow = torch.nn.functional.cross_entropy(scores, wanted, reduction="sum")
        torch.testing.assert_close(loss, slow)
        for own_gradient, expected in zip(found, torch.autograd.grad(3 * slow, (states, candidates)), strict=True):
            torch.testing.assert_close(own_gradient, expected)


def test_negatives_among_the_items_that_a_user_does_not_have_are_uniform():
    torch.manual_seed(0)
    own = torch.tensor([[2, 5, 2, 0, 0], [1, 2, 3, 4, 6], [1, 2, 3, 4, 5], [0, 0, 0, 0, 0]])
    drawn = PointwiseLoss(6000).draw_others(own, torch.arange(4), 7)
    expected = [{1, 3, 4, 6}, {5}, {6}, {1, 2, 3, 4, 5, 6}]
    for row, items in zip(drawn, expected, strict=True):
        counts = torch.bincount(row, minlength=7)
        assert set(counts.nonzero().flatten().tolist()) == items
        torch.testing.assert_close(
            counts[sorted(items)] / 6000, torch.full((len(items),), 1 / len(items)), atol=0.03, rtol=0
        )


def test_a_user_who_has_all_items_is_compared_with_any():
    torch.manual_seed(0)
    drawn = PointwiseLoss(500).draw_others(torch.tensor([[1, 2, 3]]), torch.zeros(1, dtype=torch.long), 4)
    assert set(drawn.flatten().tolist()) == {1, 2, 3}
