"""Our encoder and evaluation beside RecBole's own, with the same weights."""

import random
import sys

import pytest
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.data.transform import construct_transform
from recbole.utils import get_model

from recbole_idp.benchmark.evaluation import evaluate
from recbole_idp.benchmark.sides import Side, recbole_config
from recbole_idp.config.strict import StrictConfig
from recbole_idp.recbole_models.weights import load_recbole_bert4rec, load_recbole_gru4rec, load_recbole_sasrec

CLOZE = {"training_rows": "position", "MAX_ITEM_LIST_LENGTH": 12, "train_batch_size": 300, "mask_ratio": 0.4}
CLOZE["ft_ratio"] = 0.2

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """Writes 150 users of 3 to 30 events; returns what a configuration has to say of them."""
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
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield values


@pytest.fixture(scope="module")
def sides(values):
    """Returns both sides, with RecBole's weights in both models."""
    config = StrictConfig(config_dict=values)
    ours, theirs = Side.read(config), Side.read(recbole_config(config))
    shift_constants(theirs.model)
    load_recbole_sasrec(ours.model, theirs.model.state_dict())
    return ours, theirs


@torch.no_grad()
def shift_constants(model):
    """Changes what RecBole begins with zeros and ones, which would hide a weight in the wrong place."""
    for name, value in model.named_parameters():
        if "LayerNorm" in name or "output_ln" in name or name.endswith("bias"):
            value += torch.randn_like(value) * 0.3


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


def pair(values, name, theirs):
    """Returns our variant on a model of RecBole, RecBole's own model, and their data; the weights are random."""
    config = StrictConfig(f"IDP_{name}", "small", config_dict=values)
    train, valid, _ = data_preparation(config, create_dataset(config))
    with pytest.MonkeyPatch.context() as patch:
        # RecBole's Config evaluates the options of this process.
        patch.setattr(sys, "argv", sys.argv[:1])
        shared = {key: value for key, value in values.items() if key not in ("model", "dataset")}
        recboles = Config(name, "small", config_dict={**shared, "train_neg_sample_args": None, **theirs})
    construct_transform(recboles)
    model = get_model(name)(recboles, train.dataset).eval()
    shift_constants(model)
    return get_model(f"IDP_{name}")(config, train.dataset).eval(), model, train, valid


@pytest.fixture(scope="module")
def bert4recs(values):
    """Returns our BERT4Rec and RecBole's with the same weights, and their data."""
    ours, theirs, train, valid = pair(values, "BERT4Rec", {})
    load_recbole_bert4rec(ours, theirs.state_dict())
    return ours, theirs, train, valid


def test_bert4recs_scores_are_recboles(bert4recs):
    ours, theirs, _, valid = bert4recs
    rows = valid.dataset[:]
    items, lengths = rows["item_id_list"], rows["item_length"]
    # RecBole forgets the oldest event of all histories, we that of full ones alone.
    short = lengths < items.shape[1]
    assert 20 < short.sum() < len(short) - 20
    forgetful = torch.where(short.unsqueeze(1), torch.nn.functional.pad(items[:, 1:], (0, 1)), items)
    fewer = Interaction({**rows.interaction, "item_id_list": forgetful, "item_length": lengths - short.long()})
    with torch.no_grad():
        expected = theirs.full_sort_predict(rows)
        assert torch.allclose(ours.full_sort_predict(fewer), expected, atol=1e-5)
        assert torch.allclose(ours.predict(fewer), theirs.predict(rows), atol=1e-5)
        whole = ours.full_sort_predict(rows)
    assert torch.allclose(whole[~short], expected[~short], atol=1e-5)
    assert not torch.isclose(whole[short], expected[short], atol=1e-2).all(1).any()


def test_bert4recs_loss_and_gradients_are_recboles(bert4recs):
    ours, theirs, train, _ = bert4recs
    draws = torch.Generator().manual_seed(0)
    (batch, *_) = ours.training_batches(train.dataset.targets(), CLOZE, draws)
    ((items, targets),) = batch.parts
    # RecBole does not count the first position.
    items[:, 0], targets[:, 0] = torch.where(targets[:, 0] > 0, targets[:, 0], items[:, 0]), 0
    width = int((targets > 0).sum(1).max())
    order = torch.argsort((targets > 0).int(), dim=1, stable=True)[:, -width:]
    hidden = targets.gather(1, order)
    rows = {"Mask_item_id_list": items, "Pos_item_id": hidden, "MASK_INDEX": order.masked_fill(hidden == 0, 0)}
    losses = [ours.position_loss(batch), theirs.calculate_loss(Interaction({**rows, "Neg_item_id": hidden}))]
    for model, loss in zip((ours, theirs), losses, strict=True):
        model.zero_grad()
        loss.backward()
    assert torch.allclose(*losses, atol=1e-5)
    table = theirs.item_embedding.weight.grad
    for own, other in (
        (ours.item_embedding.weight.grad[1:], table[1:-1]),
        (ours.encoder.mask_vector.grad, table[-1]),
        (ours.output_bias.grad, theirs.output_bias.grad),
        (ours.encoder.output.weight.grad, theirs.output_ffn.weight.grad),
        (ours.encoder.position_embedding.weight.grad, theirs.position_embedding.weight.grad),
    ):
        assert other.abs().max() > 1e-3 and torch.allclose(own, other, atol=1e-5)


def test_gru4recs_scores_and_gradients_are_recboles(values):
    sizes = {"gru_hidden_size": 24, "gru_layers": 2, "gru_dropout_prob": 0.1}
    recboles = {"embedding_size": 16, "hidden_size": 24, "num_layers": 2, "dropout_prob": 0.1}
    ours, theirs, train, valid = pair({**values, **sizes}, "GRU4Rec", recboles)
    with torch.no_grad():
        for weight in theirs.parameters():
            # RecBole begins with so small weights that a wrong one would not show.
            weight *= 4
    load_recbole_gru4rec(ours, theirs.state_dict())
    rows, history = valid.dataset[:], train.dataset[:]
    with torch.no_grad():
        assert torch.allclose(ours.full_sort_predict(rows), theirs.full_sort_predict(rows), atol=1e-5)
        assert torch.allclose(ours.predict(rows), theirs.predict(rows), atol=1e-5)
    losses = [model.calculate_loss(history) for model in (ours, theirs)]
    for loss in losses:
        loss.backward()
    assert torch.allclose(*losses, atol=1e-5)
    own, other = ours.encoder.gru.weight_ih_l0.grad, theirs.gru_layers.weight_ih_l0.grad
    assert other.abs().max() > 1e-3 and torch.allclose(own, other, atol=1e-5)
