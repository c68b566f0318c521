"""Files are read in blocks of whole lines, whatever the size of a block, and each line keeps its number."""

import gzip

import pytest

from recbole_idp.data.convert.blocks import read_blocks
from tests.support.commands import refusal


def read(path, size):
    """Returns all lines with their numbers."""
    found = []
    for block in read_blocks(path, size):
        assert block.data.endswith(b"\n")
        lines = block.data.decode().split("\n")[:-1]
        found += [(block.first + place, line) for place, line in enumerate(lines)]
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "{end}", "{end}{end}{end}"])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_of_blocks_of_any_size(tmp_path, size, end, last, packed):
    lines = ["a,b", "", "", "čč,2", "x", "", "last"]
    content = ("\ufeff" + end.join(lines) + last.format(end=end)).encode()
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if packed else content)
    # A byte order mark that is cut in two is no start of a file that anybody reads in blocks of two bytes.
    if size >= 3:
        assert read(path, size) == list(enumerate(lines, 1))


def test_nothing_is_in_an_empty_file(tmp_path):
    for content in ("", "\n\n\r\n"):
        (tmp_path / "file").write_text(content)
        assert read(tmp_path / "file", 4) == []


def test_a_line_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "file"
    for bad in (b"\xff", b"a\0"):
        path.write_bytes(b"a\n" * 10 + bad + b"\n" + b"b\n")
        assert f"{path}, line 11" in refusal(list, read_blocks(path, 8))


def test_a_line_without_end_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a\n" + b"x" * 5_000_000)
    assert "line 2 has more than" in refusal(list, read_blocks(path, 1 << 16))
