"""PixelNet: the contract, the authors' numbers, and items made of patches."""

import shutil

import pytest
import torch
from torch.nn import functional

from recbole_idp.data.rows import Batch
from recbole_idp.models.morec.model import projection
from recbole_idp.models.pixelnet.model import PatchProjection
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.latest import LatestPositionEncoder
from recbole_idp.nn.loss import PairwiseLoss
from recbole_idp.testing import configured
from tests.support.models import fitted, made
from tests.support.parity import equal, parity_arrays
from tests.support.pictures import PicturedContract, write_pictured_domains
from tests.support.trained import run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

BATCH = Batch(((torch.tensor([[1, 2, 3], [4, 2, 0]]), torch.tensor([[2, 3, 5], [2, 6, 0]])),), 5)


class TestPixelNet(PicturedContract):
    model = "PixelNet"
    changes = {"trained_layers": 1}
    # The next item on a circle may be one of the history.
    learning = {"train_encoder": "none", "loss_type": "CE", "exclude_history": False}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None


class TestFrozenPixelNet(TestPixelNet):
    changes = {"train_encoder": "none", "image_pooling": "cls", "loss_reduction": "sum"}


def parity_encoder(arrays):
    """Returns the sequence encoder with the weights of the authors' code."""
    sizes = {"hidden_size": 8, "inner_size": 16, "n_layers": 2, "n_heads": 2}
    settings = TransformerSettings(**sizes, hidden_dropout_prob=0.0, attn_dropout_prob=0.0)
    encoder = LatestPositionEncoder(settings, 4)
    state = {"position_embedding.weight": arrays["pixelnet/position_embedding.weight"]}
    state |= {f"norm.{part}": arrays[f"pixelnet/LayerNorm.{part}"] for part in ("weight", "bias")}
    for number in range(2):
        theirs, ours = f"pixelnet/trm_encoder.layer.{number}.", f"blocks.{number}."
        for part in ("weight", "bias"):
            attention = f"{theirs}multi_head_attention."
            joined = [arrays[f"{attention}{name}.{part}"] for name in ("query", "key", "value")]
            state[f"{ours}attention.query_key_value.{part}"] = torch.cat(joined)
            state[f"{ours}attention.dense.{part}"] = arrays[f"{attention}dense.{part}"]
            state[f"{ours}attention_norm.{part}"] = arrays[f"{attention}LayerNorm.{part}"]
            state[f"{ours}inner.{part}"] = arrays[f"{theirs}feed_forward.dense_1.{part}"]
            state[f"{ours}outer.{part}"] = arrays[f"{theirs}feed_forward.dense_2.{part}"]
            state[f"{ours}feed_forward_norm.{part}"] = arrays[f"{theirs}feed_forward.LayerNorm.{part}"]
    encoder.load_state_dict(state)
    return encoder


def states_of(encoder, rows, vectors):
    """Returns the states of rows that are padded on the left, and where steps are real after moving padding."""
    rows = rows.gather(1, torch.argsort((rows == 0).int(), dim=1, stable=True))
    return encoder(functional.embedding(rows, vectors), rows == 0), rows > 0


def test_scores_and_loss_are_those_of_the_authors_code():
    arrays = parity_arrays("pixelnet")
    visual = torch.nn.Linear(6, 8)
    visual.load_state_dict({part: arrays[f"pixelnet/visual_encoder.{part}"] for part in ("weight", "bias")})
    vectors, encoder = visual(arrays["in/features"]), parity_encoder(arrays)
    equal(vectors, arrays["out/item_vec"])
    states, real = states_of(encoder, arrays["in/eval_seq"], vectors)
    latest = states[torch.arange(len(states)), real.sum(1) - 1]
    equal(latest @ vectors.t(), arrays["out/scores"])
    states, real = states_of(encoder, arrays["in/pos"][:, :-1], vectors)
    mask = arrays["in/mask"] > 0
    assert torch.equal(real.sum(1), mask.sum(1))
    wanted, drawn = arrays["in/pos"][:, 1:][mask], arrays["in/neg"][:, 1:][mask].unsqueeze(1)
    # The mean over steps, times the steps of a row: the authors' sum over steps.
    loss = PairwiseLoss().with_drawn(states[real], wanted, drawn, vectors) * len(wanted) / len(mask)
    equal(loss, arrays["out/loss_bpr"])
    loss.backward()
    equal(visual.weight.grad, arrays["grad/visual_encoder.weight"])


def test_the_mean_is_taken_behind_the_relu_and_pictures_alone_have_a_vector():
    torch.manual_seed(0)
    dense = projection(6, 4, 1, 0.0)
    torch.nn.init.normal_(dense[0].bias)
    states = torch.randn(3, 5, 6)
    states[1] = 0
    layer = dense[0]
    expected = torch.stack([(states[row] @ layer.weight.t() + layer.bias).clamp_min(0).mean(0) for row in range(3)])
    expected[1] = 0
    torch.testing.assert_close(PatchProjection(dense, True)(states), expected)
    first = (states[:, 0] @ layer.weight.t() + layer.bias).clamp_min(0)
    torch.testing.assert_close(PatchProjection(dense, False)(states)[[0, 2]], first[[0, 2]])


def test_items_are_the_patches_of_their_pictures(pictured, vit):
    (pictured / "shop" / "posters" / "6.png").write_bytes(b"broken")
    for changes in ({"train_encoder": "none"}, {"train_encoder": "all"}, {"trained_layers": 1}):
        built, _, loaders = made(pictured, "PixelNet", image_encoder=vit, **changes)
        vectors, tokens = built.item_vectors(), loaders[0].dataset.item_tokens()
        assert (vectors >= 0).all() and not vectors[0].any() and not vectors[tokens.index("si6")].any()
        rows = torch.tensor([row for row, token in enumerate(tokens) if row and token != "si6"][:2])
        states = built.content.encode_states(rows)
        assert states.shape == (2, 17, 16)
        layer = built.item_encoder.dense[0]
        torch.testing.assert_close(vectors[rows], layer(states).clamp_min(0).mean(1))
        gradients = sum(parameter.numel() for parameter in built.encoder_parameters())
        assert (gradients > 0) == (changes.get("train_encoder") != "none")


def test_the_sum_over_steps_is_the_mean_times_the_steps_of_a_row(pictured, vit):
    options = {"image_encoder": vit, "train_encoder": "none", "hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0}
    found = []
    for reduction in ("mean", "sum"):
        built, _, _ = made(pictured, "PixelNet", loss_reduction=reduction, **options)
        torch.manual_seed(3)
        found.append(built.position_loss(BATCH))
    torch.testing.assert_close(found[1], found[0] * 5 / 2)


def test_negatives_are_items_that_the_user_does_not_have(pictured, vit):
    built, _, _ = made(pictured, "PixelNet", image_encoder=vit, train_encoder="none")
    wanted = torch.tensor([2, 3, 5, 2, 6])
    for _ in range(20):
        drawn = built.draw_negatives(BATCH, wanted)
        assert drawn.shape == (5, 1)
        assert not set(drawn[:3].flatten().tolist()) & {1, 2, 3, 5} and not set(drawn[3:].flatten().tolist()) & {
            4,
            2,
            6,
        }


@pytest.mark.slow
def test_the_image_encoder_is_pre_trained_and_taken_over(pictured, vit):
    options = {"image_encoder": vit, "trained_layers": 1, "pretrain_epochs": 1, "epochs": 1}
    tuned, _, _ = fitted(pictured, "PixelNet", transfer="fine_tune", **options)
    start = tuned.find_pretrained(configured(pictured, "PixelNet", transfer="fine_tune", **options))
    assert {"encoder.norm.weight", "item_encoder.dense.0.weight"} <= set(start.state)
    assert (start.folder / "image_encoder" / "model.safetensors").is_file()


def test_a_trained_folder_answers_as_the_model_does(tmp_path, vit, monkeypatch):
    from recbole.data.interaction import Interaction
    from recbole.quick_start import load_data_and_model

    import recbole_idp

    monkeypatch.chdir(tmp_path)
    write_pictured_domains(tmp_path / "data")
    result = run(tmp_path, "PixelNet", epochs=1, image_encoder=vit, trained_layers=1)
    (row,) = result["variants"].values()
    _, original, _, _, _, test = load_data_and_model(row["runs"][0]["checkpoint"])
    items, lengths = test.dataset.targets().histories(torch.arange(20), 10)
    with torch.no_grad():
        rows = Interaction({original.ITEM_SEQ: items, original.ITEM_SEQ_LEN: lengths})
        expected = original.eval().full_sort_predict(rows)[:, 1:]
    trained = result["trained"]["folder"]
    shutil.rmtree(tmp_path / "data" / "shop" / "posters")
    found = recbole_idp.load(trained).scores([[item for item in row if item] for row in items.tolist()])[:, 1:]
    known = expected.isfinite()
    torch.testing.assert_close(found[known], expected[known])
