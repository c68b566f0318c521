"""Where the pictures of items lie: in the dataset's folder, whatever its table says."""

import os

import pytest

from recbole_idp.data.catalog import DatasetLocation
from recbole_idp.data.item_pictures import item_pictures
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.errors import UserError
from tests.support.pictures import write_picture


@pytest.fixture
def shop(tmp_path):
    """Returns a function that reads the pictures that a table names, of a dataset with one picture."""
    folder = tmp_path / "shop"
    write_picture(folder / "posters" / "a.png", 1)
    write_picture(tmp_path / "secret.png", 2)

    def read(name, field=None, column="poster:token"):
        (folder / "shop.item").write_text(f"item_id:token\t{column}\ni1\t{name}\ni2\t\n")
        location = DatasetLocation("shop", folder, "shop", "test")
        return item_pictures(location, field, "image_field", ItemFileFormat())

    return read


def test_files_are_found_relative_to_the_dataset(shop, tmp_path):
    found = shop("posters/a.png")
    assert found.for_items(["i2", "i1", "unknown"]) == [None, tmp_path / "shop" / "posters" / "a.png", None]
    assert found.field == "poster"
    assert shop("posters/../posters/a.png").paths == found.paths
    assert shop("gone.png").paths == {"i1": tmp_path / "shop" / "gone.png"}
    assert shop("posters/a.png", "art", "art:token").paths == found.paths


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "posters/../../secret.png", "link.png", "out/secret.png"]
)
def test_files_outside_the_folder_are_refused_in_one_line(shop, tmp_path, name):
    (tmp_path / "shop" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "shop" / "out").symlink_to(tmp_path)
    with pytest.raises(
        UserError, match=r"item 'i1' has the picture .* which lies outside .*/shop, and is not read"
    ) as caught:
        shop(name)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_a_link_itself_is_followed(shop, tmp_path):
    shop("posters/a.png")
    os.symlink(tmp_path / "shop", tmp_path / "linked")
    location = DatasetLocation("linked", tmp_path / "linked", "shop", "test")
    found = item_pictures(location, None, "image_field", ItemFileFormat())
    assert found.paths == {"i1": tmp_path / "shop" / "posters" / "a.png"}


@pytest.mark.parametrize("name", ["x" * 5000, "posters", "loop"])
def test_names_of_nothing_are_read_as_missing_files(shop, tmp_path, name):
    (tmp_path / "shop" / "loop").symlink_to(tmp_path / "shop" / "loop")
    assert len(shop(name).paths) == 1


@pytest.mark.parametrize(
    ("field", "column", "line"),
    [
        (
            None,
            "art:token",
            "has no column of pictures: name one, which holds names of files, in image_field; it has art",
        ),
        ("posters", "poster:token", r"no column 'posters' \(did you mean 'poster'\?\), which image_field names"),
        (None, "poster:float", "column 'poster' holds numbers, and image_field names a column of names"),
    ],
)
def test_columns_without_pictures_are_refused_in_one_line(shop, field, column, line):
    with pytest.raises(UserError, match=line) as caught:
        shop("1", field, column)
    assert "\n" not in str(caught.value)


def test_a_dataset_without_a_table_is_refused_in_one_line(tmp_path):
    location = DatasetLocation("bare", tmp_path, "bare", "test")
    with pytest.raises(UserError, match=r"bare has no item pictures: .*bare.item is missing"):
        item_pictures(location, None, "image_field", ItemFileFormat())
