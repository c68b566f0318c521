"""MoRec: the contract, and items made of texts, as TCF's are."""

import pytest
import torch

from recbole_idp.data.rows import Batch
from recbole_idp.errors import UserError
from recbole_idp.testing import ModelContract, configured
from recbole_idp.testing.toy import write_dataset
from tests.support.models import made

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestMoRec(ModelContract):
    model = "MoRec"


class TestDeepMoRecWithBCE(ModelContract):
    model = "MoRec"
    changes = {"projection_layers": 3, "loss_type": "BCE", "train_negatives": 4}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None


@pytest.mark.parametrize("model", ["MoRec", "TCF"])
def test_items_are_their_texts_and_nothing_else(domains, model):
    path = domains / "shop" / "shop.item"
    lines = path.read_text().splitlines()
    titles = [line.split("\t")[1] for line in lines]
    lines[2] = lines[2].split("\t")[0] + "\t" + titles[5]
    path.write_text("\n".join(lines) + "\n")
    built, _, loaders = made(domains, model)
    tokens = loaders[0].dataset.item_tokens()
    twins = [tokens.index(lines[row].split("\t")[0]) for row in (2, 5)]
    vectors = built.item_vectors()
    torch.testing.assert_close(vectors[twins[0]], vectors[twins[1]])
    expected = torch.nn.functional.gelu(built.item_encoder[0](built.text_vectors))
    if model == "TCF":
        expected = torch.nn.functional.gelu(built.item_encoder[3](expected))
    torch.testing.assert_close(vectors, expected)
    assert not hasattr(built, "item_embedding")
    assert not any("text_vectors" in name for name in built.state_dict())


def test_a_step_sees_one_draw_of_dropout_and_evaluation_the_latest_weights(domains):
    built, _, _ = made(domains, "MoRec", projection_layers=2, projection_dropout_prob=0.5)
    built.train()
    with built.items_encoded_once():
        assert built.item_vectors() is built.item_vectors()
    assert not torch.equal(built.item_vectors(), built.item_vectors())
    built.eval()
    with torch.no_grad():
        before = built.item_vectors()
        assert built.item_vectors() is before
        built.item_encoder[0].weight.add_(1)
        assert not torch.allclose(built.item_vectors(), before)
    # PyTorch's fused Adam leaves no trace on the weights that it changes.
    optimizer = torch.optim.Adam(built.train().parameters(), lr=0.1, fused=True)
    built.position_loss(Batch(((torch.tensor([[1, 2]]), torch.tensor([[2, 3]])),), 2)).backward()
    optimizer.step()
    with torch.no_grad():
        torch.testing.assert_close(built.eval().item_vectors(), built.encode_items())


@pytest.mark.parametrize("model", ["MoRec", "TCF", "TextPCASASRec"])
def test_a_target_without_texts_is_refused_in_one_line(domains, model):
    write_dataset(domains, "bare", 20, texts=False)
    with pytest.raises(UserError, match="bare has no item texts") as caught:
        made(domains, model, "bare")
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
        configured(domains, "MoRec", **{key: value})
