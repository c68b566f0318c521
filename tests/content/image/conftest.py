"""A tiny image encoder and some pictures."""

import pytest

from recbole_idp.content.image.encoder import load_image_encoder
from tests.support.pictures import write_picture


@pytest.fixture(scope="session")
def encoder(vit):
    """The vision transformer. Not to be changed."""
    return load_image_encoder(vit)


@pytest.fixture
def pictures(tmp_path):
    """Six pictures that differ."""
    return [write_picture(tmp_path / "pictures" / f"{number}.png", number) for number in range(6)]
