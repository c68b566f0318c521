"""Our encoder and evaluation beside RecBole's own, with the same weights."""

import random

import pytest
import torch

from recbole_idp.benchmark.evaluation import evaluate
from recbole_idp.benchmark.sides import Side, recbole_config
from recbole_idp.config import StrictConfig
from recbole_idp.model.recbole_weights import load_recbole_sasrec

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Returns both sides on 150 users of 3 to 30 events, with RecBole's weights in both models."""
    folder = tmp_path_factory.mktemp("parity")
    draw = random.Random(1)
    rows = [
        f"u{user}\ti{min(int(draw.expovariate(1 / 15)), 79)}\t{draw.randrange(10**6)}"
        for user in range(150)
        for _ in range(draw.randint(3, 30))
    ]
    (folder / "data" / "small").mkdir(parents=True)
    text = "\n".join(["user_id:token\titem_id:token\ttimestamp:float", *rows]) + "\n"
    (folder / "data" / "small" / "small.inter").write_text(text, encoding="utf-8")
    values = {"dataset": "small", "data_path": str(folder / "data"), "checkpoint_dir": str(folder), "hidden_size": 16}
    values |= {"inner_size": 40, "MAX_ITEM_LIST_LENGTH": 12, "initializer_range": 0.3, "use_gpu": False}
    config = StrictConfig(config_dict=values)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ours, theirs = Side.read(config), Side.read(recbole_config(config))
    with torch.no_grad():
        # RecBole begins with zeros and ones there, which would hide a weight in the wrong place.
        for name, value in theirs.model.named_parameters():
            if "LayerNorm" in name or name.endswith("bias"):
                value += torch.randn_like(value) * 0.3
    load_recbole_sasrec(ours.model, theirs.model.state_dict())
    return ours, theirs


def test_both_read_the_same_rows(sides):
    ours, theirs = sides
    for our_loader, their_loader in zip(ours.loaders, theirs.loaders, strict=True):
        our_rows, their_rows = our_loader.dataset[:], their_loader.dataset[:]
        width = our_rows["item_id_list"].shape[1]
        assert torch.equal(our_rows["item_id"], their_rows["item_id"])
        assert torch.equal(our_rows["item_id_list"], their_rows["item_id_list"][:, :width])
        assert not their_rows["item_id_list"][:, width:].any()


def test_scores_are_recboles(sides):
    ours, theirs = sides
    rows = theirs.loaders[1].dataset[:]
    ours.model.eval(), theirs.model.eval()
    with torch.no_grad():
        expected = theirs.model.full_sort_predict(rows)
        assert torch.allclose(ours.model.full_sort_predict(rows), expected, atol=1e-5)
        assert torch.allclose(ours.model.predict(rows), theirs.model.predict(rows), atol=1e-5)
        trimmed = ours.model.full_sort_predict(ours.loaders[1].dataset[:])
    assert torch.allclose(trimmed, expected, atol=1e-5)


def test_loss_and_gradients_are_recboles(sides):
    ours, theirs = sides
    rows = theirs.loaders[0].dataset[:]
    losses = []
    for side in sides:
        side.model.eval()
        side.model.zero_grad()
        losses.append(side.model.calculate_loss(rows))
        losses[-1].backward()
    assert torch.allclose(*losses, atol=1e-5)
    weights = (ours.model.item_embedding.weight, theirs.model.item_embedding.weight)
    # RecBole's embedding drops the padding item's gradient as an input; as a candidate it has one in both.
    assert torch.allclose(weights[0].grad[1:], weights[1].grad[1:], atol=1e-5)
    inner = ours.model.encoder.blocks[0].inner.weight.grad
    assert torch.allclose(inner, theirs.model.trm_encoder.layer[0].feed_forward.dense_1.weight.grad, atol=1e-5)


@pytest.mark.parametrize("split", [1, 2])
def test_metrics_are_recboles(sides, split):
    ours, theirs = (evaluate(side, side.loaders[split])[1] for side in sides)
    assert {"hit@1", "ndcg@10", "mrr@50"} <= set(theirs) <= set(ours)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-9)


def test_foreign_weights_are_refused(sides):
    ours, theirs = sides
    with pytest.raises(ValueError, match="no weight of RecBole's SASRec"):
        load_recbole_sasrec(ours.model, {**theirs.model.state_dict(), "gru.weight": torch.zeros(1)})
