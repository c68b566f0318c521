"""MoRec: the contract, and items made of texts, as TCF's are."""

import pytest
import torch
from torch.nn import functional

from recbole_idp.content.text.parts import Pooling
from recbole_idp.data.rows import Batch
from recbole_idp.errors import UserError
from recbole_idp.models.morec.model import fusion_layer, projection
from recbole_idp.nn.loss import PointwiseLoss
from recbole_idp.testing import ModelContract, configured
from recbole_idp.testing.toy import write_dataset
from tests.support.bias_free import parity_encoder, parity_states
from tests.support.models import fitted, made
from tests.support.parity import equal, parity_arrays

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestMoRec(ModelContract):
    model = "MoRec"


class TestDeepMoRecWithBCE(ModelContract):
    model = "MoRec"
    changes = {"projection_layers": 3, "loss_type": "BCE", "train_negatives": 4}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None
    # Of eight items on a circle nearly all are the user's own, which are no negatives: see the wide circle below.
    test_learns_which_item_follows_which = None


@pytest.mark.slow
def test_binary_cross_entropy_learns_on_a_wide_circle(domains):
    write_dataset(domains, "wide", 80, n_items=24)
    changes = {"loss_type": "BCE", "train_negatives": 4, "exclude_history": True}
    _, trainer, test = fitted(domains, "MoRec", "wide", epochs=60, stopping_step=60, learning_rate=0.01, **changes)
    assert trainer.evaluate(test)["hit@1"] > 0.9


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


class TestMoRecWithIDsInThePapersBlocks(ModelContract):
    model = "MoRec"
    changes = {"id_fusion": "cat", "transformer_block": "MoRec"}


ENCODERS = "bce/bert_encoder.text_encoders.title."


def parity_contents(arrays):
    """Returns the text tower: the first token's state of BERT, for all items but padding."""
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20}
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    bert = BertModel(BertConfig(vocab_size=30, max_position_embeddings=12, **sizes, **dropout), add_pooling_layer=False)
    own = f"{ENCODERS}bert_model."
    bert.load_state_dict({name.removeprefix(own): value for name, value in arrays.items() if name.startswith(own)})
    content = arrays["in/item_content"][1:]
    states = bert(input_ids=content[:, :5], attention_mask=content[:, 5:])[0]
    return bert, Pooling(["cls"])({"token_embeddings": states, "attention_mask": content[:, 5:]})["sentence_embedding"]


def test_the_tower_of_texts_gives_what_the_authors_code_gives():
    arrays = parity_arrays("morec")
    bert, contents = parity_contents(arrays)
    dense = projection(12, 8, 1, 0.0)
    dense[0].load_state_dict({part: arrays[f"{ENCODERS}fc.{part}"] for part in ("weight", "bias")})
    vectors = functional.pad(dense(contents), (0, 0, 1, 0))
    equal(vectors[1:], arrays["out/item_vec"][1:])
    encoder = parity_encoder(arrays, "bce")
    states, real = parity_states(arrays, encoder, vectors)
    expected, mask = arrays["out/states"], arrays["in/log_mask"] > 0
    equal(states[real], expected[mask])
    wanted, drawn = arrays["in/pos"][:, 1:][mask], arrays["in/neg"][:, :-1][mask].unsqueeze(1)
    loss = PointwiseLoss()
    found = loss.compare(*loss.scores_of(states[real], wanted, drawn, vectors))
    equal(found, arrays["out/loss_bce"])
    found.backward()
    equal(dense[0].weight.grad, arrays[f"grad_bce/{ENCODERS.removeprefix('bce/')}fc.weight"])
    bias = "bert_model.encoder.layer.1.output.dense.bias"
    equal(bert.encoder.layer[1].output.dense.bias.grad, arrays[f"grad_bce/{ENCODERS.removeprefix('bce/')}{bias}"])
    positions = "grad_bce/user_encoder.transformer_encoder.position_embedding.weight"
    equal(encoder.position_embedding.weight.grad, arrays[positions])


@pytest.mark.parametrize("kind", ["add", "cat"])
def test_ids_and_contents_are_joined_as_in_the_authors_code(kind):
    arrays = parity_arrays("morec")
    tower = f"mix_{kind}"
    _, contents = parity_contents(arrays)
    dense = projection(12, 8, 1, 0.0)
    own = f"{tower}/bert_encoder.text_encoders.title.fc."
    dense[0].load_state_dict({part: arrays[f"{own}{part}"] for part in ("weight", "bias")})
    fusion = fusion_layer(8, kind, 0.0)
    if kind == "cat":
        fusion.dense.load_state_dict({part: arrays[f"{tower}/fc.mlp_layers.1.{part}"] for part in ("weight", "bias")})
    vectors = functional.pad(fusion(arrays[f"{tower}/id_embedding.weight"][1:], dense(contents)), (0, 0, 1, 0))
    states, real = parity_states(arrays, parity_encoder(arrays, tower), vectors)
    mask, loss = arrays["in/log_mask"] > 0, PointwiseLoss()
    wanted, drawn = arrays["in/pos"][:, 1:][mask], arrays["in/neg"][:, :-1][mask].unsqueeze(1)
    equal(loss.compare(*loss.scores_of(states[real], wanted, drawn, vectors)), arrays[f"out/{tower}_loss"])
