"""A file of vectors from any function: known answers, resumed where it was interrupted, and checked."""

import numpy as np
import pytest

import recbole_idp
from recbole_idp.content.text.own.files import read_vectors
from recbole_idp.errors import UserError

TEXTS = ["one", "three", " ", "sixteen letters."]
IDS = ["a", "b", "c", "d"]


def lengths(texts):
    return [[len(text), 1.0] for text in texts]


def write(folder, encode=lengths, ids=IDS, texts=TEXTS, chunk=2, name="mine.npy"):
    return recbole_idp.write_text_vectors(folder / name, ids, texts, encode, chunk, show_progress=False)


def test_each_text_has_its_vector_and_a_blank_one_has_none(tmp_path):
    table = read_vectors(write(tmp_path))
    rows = table.rows_of(IDS)
    assert rows.tolist() == [0, 1, -1, 3]
    np.testing.assert_array_equal(table.take(rows[rows >= 0]), [[3, 1], [5, 1], [16, 1]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.ids.txt", "mine.npy"]


def test_an_interrupted_call_goes_on_and_asks_for_no_text_twice(tmp_path):
    asked = []

    def failing(texts):
        asked.extend(texts)
        if "sixteen letters." in texts and asked.count("sixteen letters.") == 1:
            raise ConnectionError("the service is away")
        return np.array(lengths(texts), dtype=np.float64)

    with pytest.raises(ConnectionError):
        write(tmp_path, failing)
    assert not (tmp_path / "mine.npy").exists()
    write(tmp_path, failing)
    assert asked == ["one", "three", "sixteen letters.", "sixteen letters."]
    (tmp_path / "whole").mkdir()
    assert (tmp_path / "mine.npy").read_bytes() == write(tmp_path / "whole").read_bytes()


def test_what_was_kept_of_other_texts_is_not_used(tmp_path):
    def failing(texts):
        if "three" in texts:
            return lengths(texts)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        write(tmp_path, failing)
    table = read_vectors(write(tmp_path, texts=["four", "four", "", "five"]))
    np.testing.assert_array_equal(table.take(np.array([0, 1, 3])), [[4, 1], [4, 1], [4, 1]])


@pytest.mark.parametrize(
    ("encode", "says"),
    [
        (lambda texts: lengths(texts)[:1], "returns 1 vectors of 2 numbers for 2 texts"),
        (lambda texts: [[float("nan")]] * len(texts), "not finite"),
        (lambda texts: [[1e300]] * len(texts), "not finite"),
        (lambda texts: [[1.0] * len(text) for text in texts], "several widths|holds object"),
        (lambda texts: [[1.0] * (len(texts) + 1)] * len(texts), "1 vectors of 2 numbers for 1 texts, and 3 numbers"),
        (lambda texts: None, "holds object"),
        (lambda texts: [1.0] * len(texts), "has shape"),
    ],
)
def test_what_is_no_vector_a_text_is_refused_in_one_line(encode, says, tmp_path):
    with pytest.raises(UserError, match=says) as caught:
        write(tmp_path, encode)
    assert "\n" not in str(caught.value) and not (tmp_path / "mine.npy").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ids": IDS[:3]}, "3 ids and 4 texts"),
        ({"ids": ["a", "b", "a", "c"]}, "of 4 ids 1 are there twice"),
        ({"ids": ["a", "b", "c", "d\n"]}, "is no item id"),
        ({"ids": [], "texts": []}, "0 ids and 0 texts"),
        ({"texts": [" "] * 4}, "nothing to encode"),
        ({"chunk": 0}, "chunk must be 1 or more"),
        ({"name": "mine.npz"}, "name it mine.npy"),
    ],
)
def test_items_that_cannot_be_written_are_refused(changes, says, tmp_path):
    with pytest.raises(UserError, match=says):
        write(tmp_path, **changes)
