"""Pictures of items come from the dataset's folder and from nowhere else."""

import base64

import pytest

from recbole_idp.web import posters as module
from recbole_idp.web.posters import Posters
from tests.support.commands import refusal as refused
from tests.support.large import large_model
from tests.support.web_app import refusal, small_client

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one point."""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "data" / "shop"
    (folder / "posters").mkdir(parents=True)
    return folder


def item_file(folder, *names, column="poster"):
    """Writes an .item file that names a picture for each of the first items; returns its path."""
    rows = [f"i{number}\t{name}" for number, name in enumerate(names, 1)]
    path = folder / "shop.item"
    path.write_text("\n".join([f"item_id:token\t{column}:token", *rows]) + "\n")
    return path


def opened(path, field=None):
    return lambda trained: Posters(trained, path, field)


def test_an_items_picture_is_sent_as_what_it_is(folder):
    (folder / "posters" / "1.png").write_bytes(PNG)
    (folder / "posters" / "2.dat").write_bytes(b"\xff\xd8\xff\xe0 and so on")
    path = item_file(folder, "posters/1.png", "posters/2.dat", "", "posters/none.png")
    with small_client(posters=opened(path)) as client:
        first = client.get("/poster", params={"item": "i1"})
        assert first.content == PNG and first.headers["content-type"] == "image/png"
        assert client.get("/poster", params={"item": "i2"}).headers["content-type"] == "image/jpeg"
        for item in ("i3", "i4", "i5"):
            assert "no picture" in refusal(client.get("/poster", params={"item": item}), 404)
        assert client.get("/health").json()["posters"] == 3
        (found,) = client.get("/items", params={"item": "i1"}).json()["items"]
        assert found["poster"] is True


def test_another_column_can_be_named(folder):
    (folder / "front.png").write_bytes(PNG)
    path = item_file(folder, "front.png", column="front")
    with small_client(posters=opened(path, "front")) as client:
        assert client.get("/poster", params={"item": "i1"}).content == PNG


def test_what_is_no_picture_is_not_sent(folder, monkeypatch):
    (folder / "a.png").write_text("<html><script>alert(1)</script></html>")
    (folder / "b.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    (folder / "c.png").write_bytes(PNG + b"x" * 1000)
    (folder / "d").mkdir()
    path = item_file(folder, "a.png", "b.svg", "c.png", "d")
    monkeypatch.setattr(module, "_MOST_BYTES", 500)
    with small_client(posters=opened(path)) as client:
        for item in ("i1", "i2", "i3", "i4"):
            refusal(client.get("/poster", params={"item": item}), 404)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "posters/../../secret.png", "link.png"])
def test_a_name_that_leads_out_of_the_folder_is_refused_at_the_start(folder, name):
    (folder.parent / "secret.png").write_bytes(PNG)
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    assert "lies outside" in refused(Posters, large_model(3, width=16, length=10), item_file(folder, name), None)


def test_a_file_that_becomes_a_link_later_is_not_followed(folder):
    (folder.parent / "secret.png").write_bytes(PNG)
    (folder / "a.png").write_bytes(PNG)
    with small_client(posters=opened(item_file(folder, "a.png"))) as client:
        assert client.get("/poster", params={"item": "i1"}).status_code == 200
        (folder / "a.png").unlink()
        (folder / "a.png").symlink_to(folder.parent / "secret.png")
        refusal(client.get("/poster", params={"item": "i1"}), 404)


@pytest.mark.parametrize(
    "item", ["../../shop.item", "posters/1.png", "%2e%2e/shop.item", "..\\shop.item", "i1/../..", "\0"]
)
def test_a_client_cannot_name_a_file(folder, item):
    (folder / "posters" / "1.png").write_bytes(PNG)
    with small_client(posters=opened(item_file(folder, "posters/1.png"))) as client:
        refusal(client.get("/poster", params={"item": item}), 404)


def test_mistakes_are_said_at_the_start(folder):
    trained = large_model(3, width=16, length=10)
    assert "is no .item file" in refused(Posters, trained, folder / "none.item", None)
    path = item_file(folder, "a.png")
    assert "no column 'pster' (did you mean 'poster'?)" in refused(Posters, trained, path, "pster")
