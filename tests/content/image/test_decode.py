"""Picture files that anybody may have made: read, or refused with a reason, and never more."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from recbole_idp.content.image import decode
from recbole_idp.content.image.decode import DAMAGED, MISSING, TOO_LARGE, UnreadableError, content_hash, read_pixels
from recbole_idp.content.image.preprocessing import Preprocessing
from tests.support.pictures import write_picture

SMALL = Preprocessing(32, 24)


def encoded(kind, size=(40, 48), mode="RGB", **options):
    """Returns the bytes of a picture."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


def reason(path):
    """Returns why a file is not read."""
    with pytest.raises(UnreadableError) as caught:
        read_pixels(path, SMALL)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("GIF", "P"),
        ("WEBP", "RGB"),
        ("BMP", "RGB"),
    ],
)
def test_usual_formats_and_colours_are_read(kind, mode):
    pixels = decode.decode(encoded(kind, mode=mode), SMALL)
    assert pixels.shape == (24, 24, 3) and pixels.dtype == np.uint8 and pixels.std() > 0


def test_the_middle_of_the_resized_picture_is_cut_out(tmp_path):
    picture = Image.new("RGB", (64, 32), "black")
    picture.paste("white", (16, 0, 48, 32))
    picture.save(tmp_path / "a.png")
    assert (read_pixels(tmp_path / "a.png", Preprocessing(32, 32)) == 255).all()
    whole = read_pixels(tmp_path / "a.png", Preprocessing(None, 32))
    assert whole[:, :6].max() == 0 and whole[:, 12:20].min() == 255
    assert read_pixels(tmp_path / "a.png", Preprocessing(64, 32)).min() == 255


def test_resizing_is_that_of_torchvision():
    # torchvision.transforms: Resize(8), CenterCrop(6) of a picture of 10 x 15 that counts up: its long side becomes 12.
    picture = Image.fromarray(np.arange(450, dtype=np.int64).astype(np.uint8).reshape(15, 10, 3))
    expected = np.asarray(picture.resize((8, 12), Image.Resampling.BILINEAR))[3:9, 1:7]
    np.testing.assert_array_equal(Preprocessing(8, 6).pixels(picture), expected)


def damaged():
    """Yields names and contents of broken pictures."""
    draw = np.random.default_rng(1)
    yield "empty", b""
    yield "text", b"this is no picture\n" * 40
    yield "script", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"
    yield "postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP"):
        whole = encoded(kind)
        for part in (0.02, 0.1, 0.5):
            yield f"{kind} cut at {part}", whole[: int(len(whole) * part)]
        yield f"{kind} head alone", whole[:16] + b"\0" * 200
        yield f"{kind} behind garbage", b"\0" * 64 + whole
    whole = encoded("PNG")
    yield "PNG with a flipped byte", whole[:60] + bytes([whole[60] ^ 1]) + whole[61:]
    yield "PNG without colours", whole[:25] + b"\x07" + whole[26:]
    yield "noise", draw.bytes(5000)
    yield "TIFF, which is not read", encoded("TIFF")


@pytest.mark.parametrize(("name", "content"), list(damaged()), ids=[name for name, _ in damaged()])
def test_damaged_pictures_are_counted_as_such(tmp_path, name, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert reason(path) == DAMAGED


def test_random_damage_gives_pixels_or_a_reason():
    draw = np.random.default_rng(2)
    outcomes = set()
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP"):
        whole = encoded(kind)
        for _ in range(40):
            content = bytearray(whole)
            for place in draw.integers(0, len(whole), draw.integers(1, 12)):
                content[place] = draw.integers(256)
            try:
                assert decode.decode(bytes(content), SMALL).shape == (24, 24, 3)
                outcomes.add("read")
            except UnreadableError as error:
                outcomes.add(str(error))
    assert {"read", DAMAGED} <= outcomes <= {"read", DAMAGED, TOO_LARGE}


def bomb(width, height):
    """Returns a PNG of a few bytes that claims to be large, and whose pixels follow as one compressed run."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10_000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(20_000, 20_000), (8_000, 8_000), (2**31 - 1, 2**31 - 1), (1, 60_000_000)])
def test_bombs_are_refused_before_their_pixels_are_decoded(tmp_path, size, monkeypatch):
    (tmp_path / "a.png").write_bytes(bomb(*size))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("pixels were decoded"))
    assert reason(tmp_path / "a.png") == TOO_LARGE


def test_long_strips_are_cut_before_they_are_resized():
    picture = Image.new("RGB", (100_000, 2), "white")
    assert Preprocessing(256, 224).pixels(picture).shape == (224, 224, 3)


def test_large_files_pipes_folders_links_and_gaps_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "MOST_BYTES", 1000)
    path = write_picture(tmp_path / "a.bmp", 1)
    assert reason(path) == TOO_LARGE
    monkeypatch.undo()
    os.mkfifo(tmp_path / "pipe.png")
    os.symlink(path, tmp_path / "link.bmp")
    for name in ("pipe.png", "link.bmp", "", "gone.png", "a" * 300, "a.bmp/b"):
        assert reason(tmp_path / name) == MISSING
        with pytest.raises(UnreadableError, match=MISSING):
            content_hash(tmp_path / name)
    assert read_pixels(path, SMALL).shape == (24, 24, 3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Preprocessing(None, 32, "bilinear")),
        ({"size": 40, "do_center_crop": False}, Preprocessing(None, 40, "bilinear")),
        ({"size": {"height": 40, "width": 40}, "resample": 3}, Preprocessing(None, 40, "bicubic")),
        (
            {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True},
            Preprocessing(40, 32, "bilinear"),
        ),
        ({"size": {"shortest_edge": 32}, "image_mean": [0.5, 0.5, 0.5]}, Preprocessing(32, 32, "bilinear", (0.5,) * 3)),
        ({"size": 40, "crop_size": 32, "do_center_crop": True}, Preprocessing(40, 32, "bilinear")),
    ],
)
def test_settings_of_hugging_face_are_understood(values, expected):
    assert Preprocessing.of_file(values, 32) == expected


@pytest.mark.parametrize(
    "values",
    [
        {"size": {"height": 40, "width": 20}},
        {"size": "large"},
        {"size": 1 << 20},
        {"size": -1},
        {"image_std": [0, 1, 1]},
        {"image_mean": "grey"},
        {"image_mean": [0.5]},
    ],
)
def test_settings_that_are_none_are_refused(values):
    with pytest.raises(ValueError, match=r"\w"):
        Preprocessing.of_file(values, 32)
