"""The cache of text vectors, with the lsa encoder and a count of what it is asked to encode."""

import logging
import multiprocessing
import shutil

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from recbole_idp.content import vector_cache
from recbole_idp.content.text import cache
from recbole_idp.content.text.cache import encode_cached
from recbole_idp.content.text.encoder import load_text_encoder
from recbole_idp.content.text.lsa import LsaEncoder
from recbole_idp.storage import signature
from tests.support.encoders import write_bert

TEXTS = [f"{colour} {thing} number {n}" for n in range(5) for colour in ("red", "blue") for thing in ("pen", "lamp")]


class CountingEncoder(LsaEncoder):
    """An lsa encoder that keeps the texts it has encoded, and stops like Ctrl-C after ``limit`` of them."""

    def __init__(self, limit=None):
        super().__init__(width=8)
        self.encoded, self.limit = [], limit

    def encode_distinct(self, texts, advance):
        if self.limit is not None and len(self.encoded) + len(texts) > self.limit:
            raise KeyboardInterrupt
        self.encoded.extend(texts)
        return super().encode_distinct(texts, advance)


@pytest.fixture
def encoder():
    return CountingEncoder().fit(TEXTS)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(cache, "BLOCK_TEXTS", 6)


def _shards(folder):
    return sorted(folder.rglob("shard-*.safetensors"))


def test_the_second_run_encodes_nothing(encoder, tmp_path):
    texts = [*TEXTS, "", TEXTS[0], "  "]
    first, report = encode_cached(encoder, texts, tmp_path)
    assert (report.encoded, report.from_cache) == (20, 0)
    assert report.items_per_second > 0 and report.seconds > 0
    np.testing.assert_allclose(first, encoder.encode(texts), atol=1e-6)
    assert first.dtype == np.float32 and not first[20].any() and not first[22].any()
    encoder.encoded.clear()
    second, report = encode_cached(encoder, texts[::-1], tmp_path)
    assert (report.encoded, report.from_cache, report.items_per_second) == (0, 20, 0.0)
    assert not encoder.encoded
    np.testing.assert_array_equal(second, first[::-1])


def test_only_new_texts_are_encoded(encoder, tmp_path):
    encode_cached(encoder, TEXTS[:15], tmp_path)
    encoder.encoded.clear()
    _, report = encode_cached(encoder, TEXTS[10:], tmp_path)
    assert (report.encoded, report.from_cache) == (5, 5)
    assert sorted(encoder.encoded) == sorted(TEXTS[15:])


def test_encoders_do_not_share_vectors(encoder, tmp_path):
    encode_cached(encoder, TEXTS, tmp_path)
    other = CountingEncoder().fit(TEXTS[:9])
    assert encode_cached(other, TEXTS, tmp_path)[1].encoded == 20


def test_nothing_to_encode(encoder, tmp_path):
    vectors, report = encode_cached(encoder, ["", " "], tmp_path)
    assert vectors.shape == (2, 8) and not vectors.any() and report.encoded == report.from_cache == 0
    assert encode_cached(encoder, [], tmp_path)[0].shape == (0, 8)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, small_blocks):
    with pytest.raises(KeyboardInterrupt):
        encode_cached(CountingEncoder(limit=13).fit(TEXTS), TEXTS, tmp_path)
    assert len(_shards(tmp_path)) == 2
    assert not list(tmp_path.rglob("*.tmp"))
    encoder = CountingEncoder().fit(TEXTS)
    vectors, report = encode_cached(encoder, TEXTS, tmp_path)
    assert (report.encoded, report.from_cache) == (8, 12)
    np.testing.assert_allclose(vectors, encoder.encode(TEXTS), atol=1e-6)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_cut, _flip, _empty])
def test_a_damaged_shard_is_reported_and_encoded_again(encoder, tmp_path, small_blocks, caplog, damage):
    expected, _ = encode_cached(encoder, TEXTS, tmp_path)
    damage(_shards(tmp_path)[1])
    with caplog.at_level(logging.WARNING):
        vectors, report = encode_cached(encoder, TEXTS, tmp_path)
    assert 2 <= report.encoded <= 6 and report.encoded + report.from_cache == 20
    assert len(caplog.records) == 1 and "is damaged" in caplog.text
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


@pytest.fixture
def as_stranger(monkeypatch, tmp_path_factory):
    """Returns a function that calls another one as a user with other settings, who has another secret."""

    def call(function, *arguments):
        with monkeypatch.context() as patch:
            patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("stranger")))
            signature._key.cache_clear()
            found = function(*arguments)
        signature._key.cache_clear()
        return found

    return call


def _poison(encoder, folder):
    """Puts wrong vectors for all texts into a cache, as whoever can write there can."""
    hashes = np.frombuffer(b"".join(map(cache._hash, TEXTS)), dtype=np.uint8).reshape(-1, 16)
    vector_cache._write_shard(folder / encoder.cache_key, hashes, np.ones((len(TEXTS), encoder.width), np.float32))


def test_vectors_of_a_stranger_are_not_used(encoder, tmp_path, as_stranger, caplog):
    as_stranger(_poison, encoder, tmp_path)
    vectors, report = encode_cached(encoder, TEXTS, tmp_path)
    assert report.encoded == 20 and "written by another user" in caplog.text
    np.testing.assert_array_equal(vectors, encode_cached(encoder, TEXTS, tmp_path / "clean")[0])
    again, report = encode_cached(encoder, TEXTS, tmp_path)
    assert report.encoded == 0
    np.testing.assert_array_equal(again, vectors)


@pytest.mark.parametrize("kept", [{}, {"digest"}, {"signature"}, {"digest", "signature"}])
def test_vectors_behind_a_copied_signature_are_not_used(encoder, tmp_path, kept):
    expected, _ = encode_cached(encoder, TEXTS, tmp_path)
    (path,) = _shards(tmp_path)
    with safe_open(path, framework="np") as shard:
        metadata = {**shard.metadata(), "digest": "0" * 32, "signature": "é"}
        metadata |= {name: value for name, value in shard.metadata().items() if name in kept}
        tensors = {"hashes": shard.get_tensor("hashes"), "vectors": shard.get_tensor("vectors") + 1}
    path.write_bytes(save(tensors, metadata=metadata))
    vectors, report = encode_cached(encoder, TEXTS, tmp_path)
    assert report.encoded == 20
    np.testing.assert_array_equal(vectors, expected)


def test_shards_of_another_encoder_are_not_used(encoder, tmp_path):
    other = CountingEncoder().fit(TEXTS[:9])
    encode_cached(other, TEXTS, tmp_path)
    shutil.copytree(tmp_path / other.cache_key, tmp_path / encoder.cache_key)
    vectors, report = encode_cached(encoder, TEXTS, tmp_path)
    assert report.encoded == 20
    np.testing.assert_allclose(vectors, encoder.encode(TEXTS), atol=1e-6)


def test_merging_leaves_the_shards_of_others(encoder, tmp_path, as_stranger, monkeypatch):
    as_stranger(_poison, encoder, tmp_path)
    (theirs,) = _shards(tmp_path)
    monkeypatch.setattr(cache, "BLOCK_TEXTS", 1)
    encode_cached(encoder, TEXTS, tmp_path)
    assert theirs in _shards(tmp_path) and len(_shards(tmp_path)) == 2


def test_many_small_shards_are_merged(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "BLOCK_TEXTS", 1)
    expected, _ = encode_cached(encoder, TEXTS, tmp_path)
    assert len(_shards(tmp_path)) == 1
    vectors, report = encode_cached(encoder, TEXTS, tmp_path)
    assert report.encoded == 0
    np.testing.assert_array_equal(vectors, expected)


def _encode_in_process(texts, folder):
    cache.BLOCK_TEXTS = 1
    encode_cached(CountingEncoder().fit(TEXTS), texts, folder)


@pytest.mark.slow
def test_two_processes_share_a_cache(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_encode_in_process, args=(TEXTS[::step], tmp_path)) for step in (1, -1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    encoder = CountingEncoder().fit(TEXTS)
    vectors, report = encode_cached(encoder, TEXTS, tmp_path)
    assert report.encoded == 0
    np.testing.assert_allclose(vectors, encoder.encode(TEXTS), atol=1e-6)


@pytest.mark.slow
def test_a_large_cache_of_several_shards_is_found_whole(tmp_path):
    encoder = CountingEncoder().fit(TEXTS)
    encoder.width = 384
    texts = [f"text {n}" for n in range(81_000)]
    hashes = np.frombuffer(b"".join(map(cache._hash, texts)), dtype=np.uint8).reshape(-1, 16)
    vectors = np.arange(len(texts) * 384, dtype=np.float32).reshape(-1, 384)
    for start in range(0, len(texts), 30_000):
        rows = slice(start, start + 30_000)
        vector_cache._write_shard(tmp_path / encoder.cache_key, hashes[rows], vectors[rows])
    found, report = encode_cached(encoder, texts, tmp_path)
    assert report.encoded == 0
    assert np.array_equal(found, vectors)


@pytest.mark.slow
def test_two_workers_of_ray_give_the_vectors_of_one_process(small_blocks, tmp_path, ray_cluster):
    (tmp_path / "bert").mkdir()
    write_bert(tmp_path / "bert", sorted({word for text in TEXTS for word in text.split()}))
    small_encoder = load_text_encoder(str(tmp_path / "bert"))
    alone, _ = encode_cached(small_encoder, TEXTS, tmp_path / "alone")
    small_encoder.blocks = 2
    shared, report = encode_cached(small_encoder, TEXTS, tmp_path / "shared")
    assert report.encoded == 20 and len(_shards(tmp_path / "shared")) == 2
    np.testing.assert_array_equal(shared, alone)
