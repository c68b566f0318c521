"""Files of vectors: each form read to known answers, and everything that is none refused in one line."""

import json
import os
import pickle

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from recbole_idp.content.text.own.column import read_column
from recbole_idp.content.text.own.files import given_hashes, read_vectors
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.errors import UserError

VECTORS = np.array([[1, 2, 3], [4, 5, 6], [0, 0, 0], [0.5, -0.5, 8]], dtype=np.float32)
IDS = ["a", "b b", "none", "ü"]


def npy(folder, vectors=VECTORS, ids=IDS, name="mine.npy", **options):
    np.save(folder / name, vectors, **options)
    if ids is not None:
        (folder / name).with_suffix(".ids.txt").write_text("".join(f"{one}\n" for one in ids), encoding="utf-8")
    return folder / name


def as_json(folder):
    path = npy(folder, VECTORS.astype(np.float64), None)
    path.with_suffix(".ids.json").write_text(json.dumps(IDS))
    return path


def tensors(folder):
    save_file({"any": torch.from_numpy(VECTORS)}, folder / "mine.safetensors", metadata={"ids": json.dumps(IDS)})
    return folder / "mine.safetensors"


def named_tensors(folder):
    """Brain floats, beside another tensor; these numbers need no more bits. The ids lie beside the file."""
    table = {"vectors": torch.from_numpy(VECTORS).bfloat16(), "other": torch.ones(2)}
    save_file(table, folder / "mine.safetensors")
    (folder / "mine.ids.txt").write_text("\r\n".join(IDS), encoding="utf-8")
    return folder / "mine.safetensors"


def parquet(folder):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [*VECTORS[:2].tolist(), None, VECTORS[3].tolist()]
    table = pa.table({"item_id": IDS, "title": ["x"] * 4, "vector": pa.array(rows, pa.list_(pa.float32()))})
    pq.write_table(table, folder / "mine.parquet", row_group_size=2)
    return folder / "mine.parquet"


def unisrec(folder):
    VECTORS[[1, 0, 3, 2]].tofile(folder / "mine.feat1CLS")
    (folder / "mine.item2index").write_text("".join(f"{IDS[one]}\t{row}\n" for row, one in enumerate([1, 0, 3, 2])))
    return folder / "mine.feat1CLS"


@pytest.mark.parametrize("write", [npy, as_json, tensors, named_tensors, parquet, unisrec])
def test_every_form_gives_the_same_vectors(write, tmp_path):
    table = read_vectors(write(tmp_path))
    rows = table.rows_of(["ü", "a", "none", "other", "b b"])
    assert (rows >= 0).tolist() == [True, True, False, False, True], "a vector of zeros is none"
    np.testing.assert_array_equal(table.take(rows[rows >= 0]), VECTORS[[3, 0, 1]])
    assert table.take(rows[rows >= 0]).dtype == np.float32


def test_a_column_of_the_item_file_gives_the_same_vectors(tmp_path):
    lines = ["item_id:token\tvec:float_seq\ttitle:token_seq", "a\t1 2 3\tx", "b b\t4 5 6\ty", "none\t\tz"]
    (tmp_path / "shop.item").write_text("\n".join([*lines, "ü\t.5 -0.5 8e0\tw"]) + "\n", encoding="utf-8")
    table = read_column(tmp_path / "shop.item", "vec", "item_id", ItemFileFormat())
    rows = table.rows_of(IDS)
    assert (rows >= 0).tolist() == [True, True, False, True]
    np.testing.assert_array_equal(table.take(rows[rows >= 0]), VECTORS[[0, 1, 3]])


def test_items_of_unisrec_may_be_row_numbers(tmp_path):
    table = read_vectors(unisrec(tmp_path))
    np.testing.assert_array_equal(table.take(table.rows_of(["1", "0", "2"])), VECTORS[[0, 1, 3]])
    (tmp_path / "mine.item2index").write_text("1\t0\n0\t1\nx\t2\ny\t3\n")
    os.utime(tmp_path / "mine.item2index", ns=(1, 1))
    with pytest.raises(UserError, match="may be its ids and its row numbers alike"):
        read_vectors(tmp_path / "mine.feat1CLS").rows_of(["0", "1"])


def test_the_digest_is_that_of_ids_and_vectors_not_of_the_form(tmp_path):
    (tmp_path / "other").mkdir()
    same = read_vectors(tensors(tmp_path)).digest
    assert read_vectors(npy(tmp_path)).digest == same == read_vectors(npy(tmp_path, np.asfortranarray(VECTORS))).digest
    assert read_vectors(npy(tmp_path / "other", VECTORS + 1)).digest != same
    assert read_vectors(npy(tmp_path, ids=["a", "b", "none", "ü"])).digest != same


def test_a_changed_file_is_read_again_and_counted_otherwise(tmp_path):
    path = npy(tmp_path)
    before, hashes = read_vectors(path), given_hashes([str(path), None, "column:vec"])
    assert read_vectors(path) is before and len(hashes) == 2
    npy(tmp_path, VECTORS * 2)
    os.utime(path, ns=(5, 5))
    assert read_vectors(path).take(np.array([0])).tolist() == [[2, 4, 6]]
    assert given_hashes([str(path)]) != hashes


def with_value(value):
    wrong = VECTORS.copy()
    wrong[1, 2] = value
    return wrong


def objects(folder):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(folder / "executed"),)

    return npy(folder, np.array([Evil(), 1], dtype=object), ["a", "b"], allow_pickle=True)


def pickled(folder):
    (folder / "mine.npy").write_bytes(pickle.dumps(VECTORS))
    return folder / "mine.npy"


def zipped(folder):
    with open(folder / "mine.npy", "wb") as file:
        np.savez(file, VECTORS)
    return folder / "mine.npy"


def cut(folder):
    path = npy(folder)
    path.write_bytes(path.read_bytes()[:-8])
    return path


def both(folder):
    as_json(folder)
    return npy(folder)


def raw(name, content, **others):
    def write(folder):
        for more, text in {name: content, **others}.items():
            (folder / more).write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder / name

    return write


WRONG = {
    "no file": (lambda folder: folder / "mine.npy", "is no file"),
    "a folder": (lambda folder: folder, "is no file"),
    "pickle's ending": (raw("mine.pkl", b"x"), "has the ending of no file of vectors"),
    "an archive's ending": (raw("mine.npz", b"x"), "has the ending of no file of vectors"),
    "objects": (objects, "holds no numbers"),
    "a pickle": (pickled, "is no .npy file"),
    "an archive": (zipped, "is no .npy file"),
    "a cut file": (cut, "is damaged"),
    "no ids": (lambda folder: npy(folder, ids=None), "has no ids: give mine.ids.txt or mine.ids.json"),
    "two files of ids": (both, "has both files of ids"),
    "too few ids": (lambda folder: npy(folder, ids=IDS[:3]), "4 vectors and .* 3 ids"),
    "an id twice": (lambda folder: npy(folder, ids=["a", "b", "a", "c"]), "item 'a' occurs twice"),
    "an empty id": (lambda folder: npy(folder, ids=["a", "b", "", "c"]), "the id of vector 3 is empty"),
    "NaN": (lambda folder: npy(folder, with_value(np.nan)), r"item 'b b' \(number 2\) has values that are not finite"),
    "infinite": (lambda folder: npy(folder, with_value(-np.inf)), "not finite"),
    "too large": (lambda folder: npy(folder, with_value(1).astype(np.float64) * 1e300), "not finite"),
    "whole numbers": (lambda folder: npy(folder, VECTORS.astype(int)), "holds int64"),
    "texts": (lambda folder: npy(folder, VECTORS.astype(str)), "not floating-point"),
    "complex": (lambda folder: npy(folder, VECTORS.astype(complex)), "not floating-point"),
    "one dimension": (lambda folder: npy(folder, VECTORS[:, 0]), r"has shape \[4\]"),
    "three dimensions": (lambda folder: npy(folder, VECTORS[None]), r"has shape \[1, 4, 3\]"),
    "no width": (lambda folder: npy(folder, VECTORS[:, :0]), r"has shape \[4, 0\]"),
    "ids that are no list": (raw("a.safetensors", b"", **{"a.ids.txt": "a"}), "is no safetensors file"),
    "another encoding": (
        lambda folder: raw("mine.ids.txt", b"\xff\xfe\n")(folder) and npy(folder, ids=None),
        "no list of ids",
    ),
    "no Parquet": (raw("mine.parquet", b"PAR1PAR1"), "is no Parquet file|needs the package pyarrow"),
    "no list of items": (raw("mine.feat1CLS", b"\0" * 16), "mine.item2index is not beside it"),
    "another size": (
        raw("mine.feat1CLS", b"\0" * 18, **{"mine.item2index": "a\t0\nb\t1\n"}),
        "18 bytes",
    ),
    "a gap": (raw("mine.feat1CLS", b"\0" * 16, **{"mine.item2index": "a\t0\nb\t2\n"}), "are not 0 to 1, each once"),
    "no tab": (raw("mine.feat1CLS", b"\0" * 16, **{"mine.item2index": "a 0\n"}), "line 1: write an item's id"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_table_of_vectors_is_refused_in_one_line(name, tmp_path):
    write, says = WRONG[name]
    with pytest.raises(UserError, match=says) as caught:
        read_vectors(write(tmp_path))
    assert "\n" not in str(caught.value) and not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("item_id:token\ttitle:token_seq\na\tx\n", "no column 'vec': name a column of type float_seq; it has none"),
        ("item_id:token\tvec:token_seq\na\t1 2\n", "is of type token_seq"),
        ("item_id:token\tvek:float_seq\na\t1 2\n", "did you mean 'vek'"),
        ("item_id:token\tvec:float_seq\na\t1 2\nb\t1 x\n", "line 3: vec has a value that is no number"),
        ("item_id:token\tvec:float_seq\na\t1 2\nb\t1\n", "line 3: vec has 1 numbers, and 2 on lines before"),
        ("item_id:token\tvec:float_seq\na\t1 nan\n", "not finite"),
        ("item_id:token\tvec:float_seq\na\t\n", "has no vector"),
        ("item_id:token\tvec:float_seq\na\t1 2\na\t1 2\n", "occurs twice"),
    ],
)
def test_columns_that_hold_no_vectors_are_refused_in_one_line(content, says, tmp_path):
    (tmp_path / "shop.item").write_text(content)
    with pytest.raises(UserError, match=says):
        read_column(tmp_path / "shop.item", "vec", "item_id", ItemFileFormat())


def header_of(text):
    """Returns an .npy file with any text as its header."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@hypothesis_settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.one_of(
        st.binary(max_size=80),
        st.binary(max_size=60).map(header_of),
        st.text(max_size=60).map(lambda text: header_of(text.encode())),
        st.sampled_from(["|O", "<f8", "V9", "<U3", "(2,)<f4", "<i8", "<f2", ">f4", "<M8[s]"]).flatmap(
            lambda kind: st.lists(st.integers(-3, 1 << 62), max_size=3).map(
                lambda shape: (
                    header_of(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)}, }}\n".encode())
                    + b"\0" * 24
                )
            )
        ),
    ),
    ending=st.sampled_from(["npy", "safetensors", "feat1CLS", "parquet"]),
)
def test_no_content_raises_anything_but_one_line(content, ending, tmp_path):
    path = tmp_path / f"mine.{ending}"
    path.write_bytes(content)
    (tmp_path / "mine.ids.txt").write_text("a\n")
    (tmp_path / "mine.item2index").write_text("a\t0\n")
    try:
        table = read_vectors(path)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert table.take(np.array([0])).shape == (1, table.width)


def test_a_damaged_safetensors_file_is_refused_in_one_line(tmp_path):
    good = bytearray(tensors(tmp_path).read_bytes())
    draw = np.random.default_rng(0)
    for _ in range(40):
        bad = bytearray(good)
        for place in draw.integers(0, len(bad), 3):
            bad[place] = draw.integers(256)
        (tmp_path / "bad.safetensors").write_bytes(bad)
        try:
            read_vectors(tmp_path / "bad.safetensors")
        except UserError as error:
            assert "\n" not in str(error)
