"""MoRec and TCF whose items are pictures."""

import shutil

import numpy as np
import pytest
import torch
from torch.nn import functional

from recbole_idp.content.image.decode import read_pixels
from recbole_idp.content.image.encoder import load_image_encoder, open_image_encoder
from recbole_idp.data.rows import Batch
from recbole_idp.errors import UserError
from recbole_idp.testing import configured
from tests.support.models import fitted, made
from tests.support.pictures import PicturedContract, write_picture, write_pictured_domains
from tests.support.trained import run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

BATCH = Batch(((torch.tensor([[1, 2, 3], [4, 2, 0]]), torch.tensor([[2, 3, 5], [2, 6, 0]])),), 5)


class TestMoRecOnImages(PicturedContract):
    model = "MoRec"
    changes = {"content": "image"}


class TestMoRecWithATrainedImageEncoder(TestMoRecOnImages):
    changes = {"content": "image", "train_encoder": "last_n", "trained_layers": 1, "loss_type": "BCE"}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None
    # Of eight items on a circle nearly all are the user's own, which are no negatives.
    test_learns_which_item_follows_which = None


@pytest.mark.parametrize("model", ["MoRec", "TCF"])
def test_items_are_their_pictures_and_nothing_else(pictured, vit, model):
    posters = pictured / "shop" / "posters"
    shutil.copy(posters / "2.png", posters / "5.png")
    (posters / "6.png").write_bytes(b"broken")
    built, _, loaders = made(pictured, model, content="image", image_encoder=vit)
    tokens = loaders[0].dataset.item_tokens()
    rows = {number: tokens.index(f"si{number}") for number in (2, 5, 6, 7)}
    vectors = built.item_vectors()
    torch.testing.assert_close(vectors[rows[2]], vectors[rows[5]])
    assert not torch.equal(vectors[rows[2]], vectors[rows[7]])
    # Frozen vectors of the encoder, centred and of length one; zero for the broken picture.
    encoder = load_image_encoder(vit)
    paths = [posters / f"{token.removeprefix('si')}.png" for token in tokens[1:] if token != "si6"]
    pixels = [read_pixels(path, encoder.preprocessing) for path in paths]
    raw = torch.from_numpy(encoder.encode_pixels(np.stack(pixels), lambda _: None))
    expected = functional.normalize(raw - raw.mean(0), dim=1)
    kept = [row for row in range(1, len(tokens)) if row != rows[6]]
    torch.testing.assert_close(built.text_vectors[kept], expected, rtol=0, atol=1e-5)
    assert not built.text_vectors[rows[6]].any()


def test_shuffled_pictures_are_those_of_other_items_and_the_same_each_time(pictured, vit):
    options = {"content": "image", "image_encoder": vit}
    own, _, _ = made(pictured, "MoRec", **options)
    shuffled, _, _ = made(pictured, "MoRec", image_control="shuffled", **options)
    again, _, _ = made(pictured, "MoRec", image_control="shuffled", **options)
    torch.testing.assert_close(shuffled.text_vectors, again.text_vectors, rtol=0, atol=0)
    assert not torch.allclose(shuffled.text_vectors, own.text_vectors)
    order = torch.cdist(shuffled.text_vectors[1:], own.text_vectors[1:])
    assert sorted(order.argmin(1).tolist()) == list(range(8)) and order.amin(1).max() < 1e-3


@pytest.mark.parametrize("depth", [{"train_encoder": "all"}, {"train_encoder": "last_n", "trained_layers": 1}])
@pytest.mark.parametrize("model", ["MoRec", "TCF"])
def test_training_reaches_the_image_encoder(pictured, vit, model, depth):
    built, _, _ = made(pictured, model, content="image", image_encoder=vit, loss_type="BCE", **depth)
    built.train()
    built.position_loss(BATCH).backward()
    gradients = [parameter.grad for parameter in built.encoder_parameters()]
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.slow
def test_the_image_encoder_is_pre_trained_given_away_and_taken_over(pictured, vit):
    options = {"content": "image", "image_encoder": vit, "train_encoder": "all", "pretrain_epochs": 1, "epochs": 1}
    config = configured(pictured, "MoRec", transfer="frozen", **options)
    frozen, _, _ = fitted(pictured, "MoRec", transfer="frozen", **options)
    start = frozen.find_pretrained(config)
    encoder = open_image_encoder(start.folder / "image_encoder")
    assert encoder.fingerprint != load_image_encoder(vit).fingerprint
    assert torch.equal(frozen.text_mean, start.state["text_mean"])
    assert {path.name for path in (start.folder / "image_encoder").iterdir()} == {
        "model.safetensors",
        "recbole_idp_image_encoder.json",
    }
    # Another picture of a source is another pre-training; an unknown kind of contents is refused.
    assert frozen.find_pretrained(config).folder == start.folder
    with pytest.raises(UserError, match="was not pre-trained on texts: give content as it was there"):
        made(pictured, "MoRec", transfer="frozen", pretrained=str(start.folder))
    write_picture(pictured / "pens" / "posters" / "0.png", 77)
    assert frozen.find_pretrained(config).folder != start.folder


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"image_field": "title"}, "none of the 8 items of shop has a picture, such as .* that can be read"),
        ({"image_field": "cover"}, "has no column 'cover', which image_field names"),
        ({"image_encoder": "nowhere"}, "image encoder nowhere: no such folder"),
        ({"train_encoder": "last_n", "trained_layers": 4}, "trained_layers is 4, but .* has 3 blocks"),
        ({"image_pooling": "max"}, "image_pooling"),
        ({"content": "video"}, "content"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(pictured, vit, changes, line):
    with pytest.raises(UserError, match=line) as caught:
        made(pictured, "MoRec", **{"content": "image", "image_encoder": vit, **changes})
    assert "\n" not in str(caught.value)


def test_a_picture_outside_the_folder_ends_the_run(pictured, vit):
    write_picture(pictured / "secret.png", 1)
    posters = pictured / "shop" / "posters"
    (posters / "3.png").unlink()
    (posters / "3.png").symlink_to(pictured / "secret.png")
    with pytest.raises(UserError, match=r"item 'si3' has the picture posters/3.png, which lies outside"):
        made(pictured, "MoRec", content="image", image_encoder=vit)


def test_items_may_have_pictures_and_no_texts(workplace, vit):
    folder = write_pictured_domains(workplace / "data")
    path = folder / "shop" / "shop.item"
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    path.write_text("\n".join(f"{row[0]}\t{row[-1]}" for row in rows) + "\n")
    options = {"content": "image", "image_encoder": vit, "epochs": 1, "checkpoint_dir": str(workplace / "saved")}
    result = run(workplace, "MoRec", **options)
    assert result["variants"]["MoRec"]["runs"]
