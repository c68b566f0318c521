"""Embedding Fusion: its vectors beside slow loops over the formulas, each alternative, and the use of the experts."""

import math

import pytest
import torch

from recbole_idp.models.precise.fusion import FUSIONS, EmbeddingFusion
from recbole_idp.models.precise.keys import FusionSettings

SIZES = {
    "semantic_size": 6,
    "token_count": 3,
    "token_width": 4,
    "n_experts": 5,
    "top_experts": 2,
}
TEXTS = [3, 1, 2, 0, 3]
"""How many tokens the items 1 to 5 have."""


def fusion(kind="experts", seed=0, **changes):
    torch.manual_seed(seed)
    settings = FusionSettings(**{**SIZES, "fusion": kind, **changes})
    made = EmbeddingFusion(settings, len(TEXTS) + 1, width=10, scale=0.5)
    if made.tokens is not None:
        tokens = torch.randn(len(TEXTS), 3, 4)
        for row, count in zip(tokens, TEXTS, strict=True):
            row[count:] = 0
        made.start_tokens(tokens.numpy())
    return made


def softmax(values):
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


def attended(tokens, query, values):
    """Attn_j(x): the mean of the tokens, weighted by a softmax of x_t . q / sqrt(W), times V_j."""
    weights = softmax([float(token @ query) / math.sqrt(len(token)) for token in tokens])
    pooled = sum(weight * token for weight, token in zip(weights, tokens, strict=True))
    return torch.tensor([float(pooled @ values[:, column]) for column in range(values.shape[1])])


def slow_semantic(pooling, tokens, kept):
    """sem = sum over the kept experts j of softmax(topk(mean(x) . W_gate))_j Attn_j(x)."""
    mean = sum(tokens) / len(tokens)
    logits = [float(mean @ pooling.gate[:, expert]) for expert in range(pooling.gate.shape[1])]
    chosen = sorted(range(len(logits)), key=lambda expert: -logits[expert])[:kept]
    gates = softmax([logits[expert] for expert in chosen])
    return sum(
        gate * attended(tokens, pooling.queries[expert], pooling.values[expert])
        for gate, expert in zip(gates, chosen, strict=True)
    )


def tokens_of(made, item):
    return list(made.tokens[item].view(3, 4)[: TEXTS[item - 1]])


@pytest.mark.parametrize("kind", ["experts", "experts_softmax", "attention", "text_only"])
def test_vectors_are_those_of_the_formulas(kind):
    made = fusion(kind)
    kept = {"experts": 2, "experts_softmax": 5, "attention": 1, "text_only": 2}[kind]
    with torch.no_grad():
        vectors = made(torch.arange(6))
        assert vectors.shape == (6, 10)
        for item, count in enumerate(TEXTS, 1):
            width = len(made.pooling.values[0, 0])
            expected = slow_semantic(made.pooling, tokens_of(made, item), kept) if count else torch.zeros(width)
            if kind != "text_only":
                expected = torch.cat([made.ids[item], expected])
            torch.testing.assert_close(vectors[item], expected, atol=1e-5, rtol=1e-5)
        assert vectors[0].eq(0).all()


def test_mean_and_concat_project_the_tokens():
    made = fusion("mean")
    with torch.no_grad():
        for item in (1, 2, 3, 5):
            expected = (sum(tokens_of(made, item)) / TEXTS[item - 1]) @ made.pooling.values
            torch.testing.assert_close(made(torch.tensor([item]))[0, 4:], expected)
        made = fusion("concat")
        for item in (1, 2, 3, 5):
            expected = torch.cat([*tokens_of(made, item), torch.zeros(12 - 4 * TEXTS[item - 1])]) @ made.pooling.values
            torch.testing.assert_close(made(torch.tensor([item]))[0, 4:], expected)


def test_id_only_has_ids_of_full_width_and_no_tokens():
    made = fusion("id_only")
    assert made.tokens is None and made.pooling is None and made.ids.shape == (6, 10)
    assert torch.equal(made(torch.tensor([4, 2])), made.ids[[4, 2]])
    made.freeze_tokens()
    assert made.expert_usage() is None and made.balance_loss(torch.tensor([1])) == 0.0


@pytest.mark.parametrize("kind", FUSIONS)
def test_all_items_equal_single_ones_and_their_gradients_reach_ids_and_tokens(kind):
    made = fusion(kind)
    weights = torch.randn(6, 10)
    (made(torch.arange(6)) * weights).sum().backward()
    parts = {"ids": made.ids, "tokens": made.tokens}
    for name, part in parts.items():
        if part is not None:
            assert part.grad[1].abs().sum() > 0, name
    if made.tokens is not None:
        # What an item does not have is not trained.
        assert made.tokens.grad.view(6, 3, 4)[2, 1:].eq(0).all() and made.tokens.grad[4].eq(0).all()
    with torch.no_grad():
        singles = torch.cat([made(torch.tensor([item])) for item in range(6)])
        torch.testing.assert_close(made.every_item(), singles)


def test_an_expert_that_no_item_keeps_gets_no_gradient():
    made = fusion("experts", top_experts=1)
    made(torch.tensor([1])).sum().backward()
    kept = int((made.pooling.gates(made.pooling.gate_logits(*made._tokens_of(torch.tensor([1]))))[0] > 0).nonzero())
    others = [expert for expert in range(5) if expert != kept]
    assert made.pooling.values.grad[kept].abs().sum() > 0
    assert made.pooling.values.grad[others].eq(0).all() and made.pooling.queries.grad[others].eq(0).all()


def test_frozen_tokens_get_no_gradient():
    made = fusion()
    made.freeze_tokens()
    made(torch.tensor([1, 2])).sum().backward()
    assert made.tokens.grad is None and made.ids.grad is not None and made.pooling.queries.grad is not None
    made.freeze_tokens(False)
    made(torch.tensor([1, 2])).sum().backward()
    assert made.tokens.grad.abs().sum() > 0


def test_usage_counts_the_items_with_a_text_that_keep_an_expert():
    made = fusion()
    counts = [0.0] * 5
    for item in (1, 2, 3, 5):
        tokens = tokens_of(made, item)
        logits = (sum(tokens) / len(tokens)) @ made.pooling.gate
        for expert in logits.topk(2).indices.tolist():
            counts[expert] += 1 / 4
    torch.testing.assert_close(made.expert_usage(), torch.tensor(counts))
    assert float(fusion("experts_softmax").expert_usage().sum()) == pytest.approx(1)


def test_the_balancing_loss_is_one_for_even_use_and_more_for_one_favourite():
    made = fusion(top_experts=1)
    with torch.no_grad():
        made.pooling.gate.zero_()
        made.pooling.gate[0, 0] = 1e-6
        tokens = torch.zeros(5, 3, 4)
        tokens[:, :, 0] = 1
        present = torch.ones(5, 3, dtype=torch.bool)
        assert float(made.pooling.balance_loss(tokens, present)) == pytest.approx(1, abs=1e-4)
        made.pooling.gate[0, 0] = 20.0
        assert float(made.pooling.balance_loss(tokens, present)) == pytest.approx(5, abs=1e-3)
    made.pooling.gate.grad = None
    made.pooling.balance_loss(tokens, present).backward()
    assert made.pooling.gate.grad is not None
