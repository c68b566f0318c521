"""A data set's name leads to its files, and no download leaves half of one."""

import hashlib
import stat
import zipfile

import pytest

from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.catalog import ALIASES, available, locate, recbole_urls
from recbole_idp.data.folders import read_source
from tests.support.commands import refusal
from tests.support.headers import INTER_HEADER, ITEM_HEADER
from tests.support.web import zipped

INTER = INTER_HEADER + "u\ti\t1\n"
ITEM = ITEM_HEADER + "i\tPen\n"


GOOD = zipped({"Pens/Amazon_Pens.inter": INTER, "Pens/Amazon_Pens.item": ITEM, "__MACOSX/._Amazon_Pens.inter": "x"})


def folder_with(root, name, **files):
    """Makes ``root/name`` with one file for each ``suffix="text"``, all of them named ``name``."""
    folder = root / name
    folder.mkdir(parents=True)
    for suffix, text in files.items():
        (folder / f"{name}.{suffix}").write_text(text)
    return folder


def fails(expected, *arguments, **options):
    message = refusal(locate, *arguments, **options)
    assert expected in message
    return message


def test_on_disk_comes_first(tmp_path, server):
    folder = folder_with(tmp_path, "ml-100k", inter=INTER)
    found = locate("ml-100k", tmp_path, urls={"ml-100k": server.offer(GOOD)})
    assert (found.name, found.folder, found.stem) == ("ml-100k", folder, "ml-100k")
    assert found.inter_file == folder / "ml-100k.inter"
    assert found.item_file == folder / "ml-100k.item"
    assert found.origin == f"files in {folder}"
    assert server.requests == []


def test_single_inter_file_of_another_name(tmp_path):
    folder = folder_with(tmp_path, "Office", inter=INTER)
    (folder / "Office.inter").rename(folder / "Amazon_Office.inter")
    assert locate("Office", tmp_path).stem == "Amazon_Office"
    (folder / "Other.inter").write_text(INTER)
    fails("has several .inter files (Amazon_Office.inter, Other.inter)", "Office", tmp_path)


def test_benchmark_files_go_by_the_common_name(tmp_path):
    folder = tmp_path / "Office"
    folder.mkdir()
    for part in ("train", "valid", "test"):
        (folder / f"Office.{part}.inter").write_text(INTER)
    assert locate("Office", tmp_path).stem == "Office"


def test_folder_without_interactions_is_left_alone(tmp_path):
    folder = folder_with(tmp_path, "Office", item=ITEM)
    fails("has no .inter file but Office.item", "Office", tmp_path)
    assert (folder / "Office.item").read_text() == ITEM


def test_packaged_ml_100k(tmp_path):
    found = locate("ml-100k", tmp_path)
    assert found.origin == "carried by RecBole"
    assert len(read_atomic(found.inter_file, columns=["user_id", "item_id"])) == 100_000
    assert list(tmp_path.iterdir()) == []


def test_platforms_are_carved_once(tmp_path):
    found = locate("ml-100k-target", tmp_path)
    assert found.origin == "carved from RecBole's ml-100k"
    written = found.inter_file.stat().st_mtime_ns
    assert locate("ml-100k-target", tmp_path) == found
    assert found.inter_file.stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir()] == ["ml-100k-target"]


def test_download_by_alias(tmp_path, server):
    url = server.offer(GOOD)
    found = locate("Office", tmp_path, urls={ALIASES["Office"]: url})
    assert found.origin == f"downloaded from {url}"
    assert found.inter_file.read_text() == INTER
    assert found.item_file.read_text() == ITEM
    assert {path.name for path in found.folder.iterdir()} == {"Office.inter", "Office.item", "source.json"}
    source = read_source(found.folder)
    assert (source["url"], source["bytes"]) == (url, len(GOOD))
    assert source["sha256"] == hashlib.sha256(GOOD).hexdigest()
    locate("Office", tmp_path, urls={})
    assert len(server.requests) == 1


def link():
    info = zipfile.ZipInfo("pens.item")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def damaged():
    content = bytearray(zipped({"pens.inter": INTER * 100}))
    content[40] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "length", "expected"),
    [
        (GOOD[:-30], len(GOOD), f"only {len(GOOD) - 30} of {len(GOOD)} bytes"),
        (b"<html>Forbidden</html>", None, "is no valid zip archive"),
        (GOOD[:-30], None, "is no valid zip archive"),
        (damaged(), None, "is no valid zip archive"),
        (zipped({"../evil.inter": INTER}), None, "unsafe path '../evil.inter'"),
        (zipped({"..\\evil.inter": INTER}), None, "unsafe path"),
        (zipped({"/evil.inter": INTER}), None, "unsafe path '/evil.inter'"),
        (zipped({"C:/evil.inter": INTER}), None, "unsafe path"),
        (zipped({"pens.inter": INTER, link(): "/etc/hosts"}), None, "unsafe path 'pens.item'"),
        (zipped({"readme.txt": "x"}), None, "has no .inter file but readme.txt"),
        (zipped({"a/x.inter": INTER, "b/y.inter": INTER}), None, "has two files for Pens.inter"),
    ],
)
def test_bad_downloads_leave_nothing(tmp_path, server, content, length, expected):
    root = tmp_path / "dataset"
    fails(expected, "Pens", root, urls={"Pens": server.offer(content, length)})
    assert list(root.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_checksums(tmp_path, server):
    url = server.offer(GOOD)
    fails("not the known 0000", "Pens", tmp_path, urls={"Pens": url}, checksums={url: "0000"})
    right = {url: hashlib.sha256(GOOD).hexdigest()}
    assert locate("Pens", tmp_path, urls={"Pens": url}, checksums=right).inter_file.is_file()


def test_download_is_compared_with_the_earlier_one(tmp_path, server):
    url = server.offer(GOOD)
    found = locate("Pens", tmp_path, urls={"Pens": url})
    for path in (found.inter_file, found.item_file):
        path.unlink()
    assert locate("Pens", tmp_path, urls={"Pens": url}).inter_file.is_file()
    for path in (found.inter_file, found.item_file):
        path.unlink()
    server.pages = {
        path: (content + b"\0", length + 1, *more) for path, (content, length, *more) in server.pages.items()
    }
    fails("of the earlier download", "Pens", tmp_path, urls={"Pens": url})
    assert [path.name for path in found.folder.iterdir()] == ["source.json"]


def test_no_network_names_the_url_and_the_place(tmp_path):
    # Nothing listens on port 1.
    message = fails(
        "cannot download http://127.0.0.1:1/a.zip", "Pens", tmp_path, urls={"Pens": "http://127.0.0.1:1/a.zip"}
    )
    assert f"put Pens.inter and Pens.item into {tmp_path / 'Pens'} by hand" in message
    assert list(tmp_path.iterdir()) == []


def test_missing_page(tmp_path, server):
    url = f"http://127.0.0.1:{server.server_port}/none.zip"
    fails("HTTP 404 Not Found", "Pens", tmp_path, urls={"Pens": url})


def test_unknown_name_gets_the_nearest(tmp_path):
    folder_with(tmp_path, "MyShop", inter=INTER)
    assert "did you mean MyShop" in fails("unknown dataset 'MyShp'", "MyShp", tmp_path)
    assert "did you mean Office" in fails("`recbole-idp datasets`", "office", tmp_path)
    fails("unknown dataset 'qqqqqqqq'", "qqqqqqqq", tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["", "../Office", "/tmp/Office", "a/b", ".hidden"])
def test_paths_are_no_names(tmp_path, name):
    fails("is no data set's name", name, tmp_path)


def test_unwritable_data_path(tmp_path):
    (tmp_path / "file").write_text("")
    fails("cannot write", "ml-100k-source", tmp_path / "file")


def test_aliases_are_in_the_table_of_recbole():
    urls = recbole_urls()
    assert set(ALIASES.values()) <= set(urls)
    paper = {"Home", "CDs", "Grocery", "Kindle", "Movies", "Arts", "Prime", "Pantry", "Instruments", "Office"}
    assert {ALIASES[name][-3:] for name in paper} == {"-18"}


def test_available_lists_each_name_once(tmp_path):
    folder_with(tmp_path, "Office", inter=INTER)
    folder_with(tmp_path, "Empty", item=ITEM)
    rows = available(tmp_path)
    names = [row.name for row in rows]
    assert len(names) == len(set(names))
    assert names[:2] == ["Office", "ml-100k"]
    by_name = {row.name: row for row in rows}
    assert by_name["Office"].on_disk
    assert by_name["ml-100k-target"].on_disk
    assert by_name["Arts"] == ("Arts", "download: amazon-arts-crafts-sewing-18", False)
    assert "Empty" not in names
    assert "amazon-books-23" in names
