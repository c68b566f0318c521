"""Vectors of pictures: made once for each content, counted, and zero where there is no picture."""

import shutil

import numpy as np
import pytest

from recbole_idp.content.image.cache import check_any_picture, encode_pictures
from recbole_idp.content.image.encoder import load_image_encoder
from recbole_idp.errors import UserError
from tests.support.pictures import write_picture


def test_each_content_is_encoded_once_wherever_it_lies(encoder, pictures, tmp_path):
    vectors, report = encode_pictures(encoder, pictures, tmp_path / "cache")
    assert (report.encoded, report.from_cache, report.items) == (6, 0, 6) and report.unreadable == {}
    assert len({row.tobytes() for row in vectors}) == 6
    moved = [shutil.copy(path, tmp_path / f"copy-{path.name}") for path in pictures]
    again, report = encode_pictures(encoder, [*moved, *pictures, pictures[0]], tmp_path / "cache")
    assert (report.encoded, report.from_cache) == (0, 6)
    np.testing.assert_array_equal(again, np.concatenate([vectors, vectors, vectors[:1]]))
    write_picture(pictures[2], 99)
    changed, report = encode_pictures(encoder, pictures, tmp_path / "cache")
    assert report.encoded == 1 and (changed != vectors).any(1).tolist() == [False, False, True, False, False, False]


def test_encoders_do_not_share_vectors(encoder, vit, pictures, tmp_path):
    encode_pictures(encoder, pictures, tmp_path / "cache")
    _, report = encode_pictures(load_image_encoder(vit, "mean"), pictures, tmp_path / "cache")
    assert report.encoded == 6


def test_items_without_a_picture_are_counted_and_have_a_zero_vector(encoder, pictures, tmp_path, caplog):
    (tmp_path / "broken.png").write_bytes(pictures[0].read_bytes()[:40])
    given = [pictures[0], None, tmp_path / "gone.png", tmp_path / "broken.png", tmp_path / "broken.png", pictures[1]]
    for _ in range(2):
        caplog.clear()
        vectors, report = encode_pictures(encoder, given, tmp_path / "cache")
        assert np.any(vectors, axis=1).tolist() == [True, False, False, False, False, True]
        report.log("shop")
        assert [record.message for record in caplog.records] == [
            "shop: 4 of 6 items have no picture: 1 not named, 1 missing, 2 damaged or no pictures"
        ]
    assert (report.encoded, report.from_cache) == (0, 2)


def test_a_dataset_without_any_picture_is_refused_in_one_line(encoder, tmp_path):
    given = [None, tmp_path / "gone.png"]
    vectors, _ = encode_pictures(encoder, given, tmp_path / "cache")
    with pytest.raises(UserError, match=r"none of the 2 items of shop has a picture, such as .*gone.png, that can"):
        check_any_picture(vectors, given, "shop", "image_field")
    vectors, _ = encode_pictures(encoder, [], tmp_path / "cache")
    assert vectors.shape == (0, 16)
