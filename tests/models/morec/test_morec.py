"""MoRec and TCF: the contract, items made of texts, and TCF's loss beside the formula."""

import math
from collections import Counter

import pytest
import torch
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, get_trainer, init_seed

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.rows import Batch
from recbole_idp.errors import UserError
from recbole_idp.testing import ModelContract
from recbole_idp.testing.toy import settings, write_dataset

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestMoRec(ModelContract):
    model = "MoRec"


class TestDeepMoRecWithBCE(ModelContract):
    model = "MoRec"
    changes = {"projection_layers": 3, "loss_type": "BCE", "train_negatives": 4}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None


class TestTCF(ModelContract):
    model = "TCF"

    # Of eight items on a circle nearly all are the user's own, which are no negatives: see the wide circle below.
    test_learns_which_item_follows_which = None


def make(folder, model, dataset="shop", **changes):
    """Returns a model with weights at which differences show, its configuration and loaders."""
    config = StrictConfig(model, dataset, config_dict=settings(folder, **changes))
    loaders = data_preparation(config, create_dataset(config))
    init_seed(5, True)
    model = get_model(model)(config, loaders[0].dataset)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval(), config, loaders


@pytest.mark.parametrize("model", ["MoRec", "TCF"])
def test_items_are_their_texts_and_nothing_else(domains, model):
    path = domains / "shop" / "shop.item"
    lines = path.read_text().splitlines()
    titles = [line.split("\t")[1] for line in lines]
    lines[2] = lines[2].split("\t")[0] + "\t" + titles[5]
    path.write_text("\n".join(lines) + "\n")
    made, _, loaders = make(domains, model)
    tokens = loaders[0].dataset.item_tokens()
    twins = [tokens.index(lines[row].split("\t")[0]) for row in (2, 5)]
    vectors = made.item_vectors()
    torch.testing.assert_close(vectors[twins[0]], vectors[twins[1]])
    expected = torch.nn.functional.gelu(made.item_encoder[0](made.text_vectors))
    if model == "TCF":
        expected = torch.nn.functional.gelu(made.item_encoder[3](expected))
    torch.testing.assert_close(vectors, expected)
    assert not hasattr(made, "item_embedding")
    assert not any("text_vectors" in name for name in made.state_dict())


def test_a_step_sees_one_draw_of_dropout_and_evaluation_the_latest_weights(domains):
    made, _, _ = make(domains, "MoRec", projection_layers=2, projection_dropout_prob=0.5)
    made.train()
    with made.items_encoded_once():
        assert made.item_vectors() is made.item_vectors()
    assert not torch.equal(made.item_vectors(), made.item_vectors())
    made.eval()
    with torch.no_grad():
        before = made.item_vectors()
        assert made.item_vectors() is before
        made.item_encoder[0].weight.add_(1)
        assert not torch.allclose(made.item_vectors(), before)
    # PyTorch's fused Adam leaves no trace on the weights that it changes.
    optimizer = torch.optim.Adam(made.train().parameters(), lr=0.1, fused=True)
    made.position_loss(Batch(((torch.tensor([[1, 2]]), torch.tensor([[2, 3]])),), 2)).backward()
    optimizer.step()
    with torch.no_grad():
        torch.testing.assert_close(made.eval().item_vectors(), made.encode_items())


def slow_tcf_loss(model, rows, popularity):
    """The loss as TCF's paper and code have it, event by event: no candidate is joined with its likes."""
    events = [(row, item) for row, sequence in enumerate(rows) for item in sequence]
    vectors, losses = model.item_vectors(), []
    for row, sequence in enumerate(rows):
        states = model.encode(torch.tensor([sequence[:-1]]))[0]
        for place, target in enumerate(sequence[1:]):
            own = float(states[place] @ vectors[target]) - math.log(popularity[target])
            others = [
                float(states[place] @ vectors[item]) - math.log(popularity[item])
                for other, item in events
                if other != row and item not in sequence
            ]
            losses.append(-own + math.log(sum(math.exp(score) for score in [own, *others])))
    return sum(losses) / len(losses)


def test_tcfs_loss_is_the_papers(domains):
    write_dataset(domains, "wide", 25, n_items=30)
    made, config, (train, _, _) = make(domains, "TCF", "wide", train_batch_size=40)
    sequences = train.dataset.sequences
    users = range(len(sequences.offsets) - 1)
    held = [sequences.items[sequences.offsets[user] : sequences.offsets[user + 1]].tolist()[:-2] for user in users]
    counts = Counter(item for events in held for item in events)
    popularity = {item: count / sum(counts.values()) for item, count in counts.items()}
    batches = list(made.training_batches(train.dataset.targets(), config, torch.Generator().manual_seed(0)))
    assert len(batches) > 1
    for batch in batches:
        ((items, targets),) = batch.parts
        rows = [
            [item for item in row.tolist() if item] + [int(wanted[wanted > 0][-1])]
            for row, wanted in zip(items, targets, strict=True)
        ]
        with torch.no_grad():
            expected = slow_tcf_loss(made, rows, popularity)
            assert float(made.position_loss(batch)) == pytest.approx(expected, rel=1e-5)


def test_tcf_learns_on_a_wide_circle_and_shows_nothing_twice(domains):
    write_dataset(domains, "wide", 80, n_items=24)
    config = StrictConfig("TCF", "wide", config_dict=settings(domains, epochs=60, stopping_step=60, learning_rate=0.01))
    train, valid, test = data_preparation(config, create_dataset(config))
    init_seed(1, True)
    model = get_model("TCF")(config, train.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], "TCF")(config, model)
    trainer.fit(train, valid, verbose=False)
    assert trainer.evaluate(test)["hit@1"] > 0.9
    rows = {model.ITEM_SEQ: torch.tensor([[3, 4, 0]]), model.ITEM_SEQ_LEN: torch.tensor([2])}
    with torch.no_grad():
        scores = model.eval().full_sort_predict(Interaction(rows))[0]
        assert scores[[3, 4]].eq(float("-inf")).all() and scores[5:].isfinite().all()
        assert model.predict(Interaction({**rows, model.ITEM_ID: torch.tensor([4])})) == float("-inf")


@pytest.mark.parametrize("model", ["MoRec", "TCF", "TextPCASASRec"])
def test_a_target_without_texts_is_refused_in_one_line(domains, model):
    write_dataset(domains, "bare", 20, texts=False)
    with pytest.raises(UserError, match="bare has no item texts") as caught:
        make(domains, model, "bare")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("projection_layers", 0, "projection_layers must be from 1 to 1000"),
        ("projection_dropout_prob", 1.0, "projection_dropout_prob must be less than 1"),
    ],
)
def test_values_out_of_range_are_refused(domains, key, value, line):
    with pytest.raises(UserError, match=line):
        StrictConfig("MoRec", "shop", config_dict=settings(domains, **{key: value}))
