"""The package's own reading of sentence encoders, against that of sentence-transformers."""

import json

import numpy as np
import pytest

from recbole_idp.content.text.cache import encode_cached
from recbole_idp.content.text.encoder import load_text_encoder, open_text_encoder
from recbole_idp.content.text.layout import PartError, listed_parts
from recbole_idp.content.text.parts import POOLING_MODES
from recbole_idp.testing.toy import WORDS
from tests.support.encoders import write_bert

TEXTS = [*WORDS, " ".join(WORDS * 3), "unknown"]
MODELS = "sentence_transformers.models."


def written(folder, pooling, *parts):
    """Writes a tiny encoder in the layout of sentence-transformers: a pooling, then parts of name, config, weights."""
    from safetensors.numpy import save_file

    folder.mkdir()
    write_bert(folder, sorted({word for words in WORDS for word in words.split()}))
    listed = [("Transformer", {}, {}), ("Pooling", {"word_embedding_dimension": 16, **pooling}, {}), *parts]
    modules = []
    for number, (name, config, weights) in enumerate(listed):
        path = f"{number}_{name}" if number else ""
        modules.append({"idx": number, "name": str(number), "path": path, "type": MODELS + name})
        if number:
            (folder / path).mkdir()
            (folder / path / "config.json").write_text(json.dumps(config))
        if weights:
            save_file(weights, folder / path / "model.safetensors")
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def theirs(folder):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    return sentence_transformers.SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.mark.parametrize("mode", [*POOLING_MODES, ["cls", "mean"], ["lasttoken", "max", "weightedmean"]], ids=str)
def test_poolings_are_those_of_sentence_transformers(mode, tmp_path):
    folder = written(tmp_path / "encoder", {"pooling_mode": mode})
    expected = theirs(folder).encode(TEXTS, show_progress_bar=False)
    np.testing.assert_allclose(load_text_encoder(folder).encode(TEXTS), expected, atol=1e-5)


def test_older_names_of_modes_are_known(tmp_path):
    old = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}
    one = load_text_encoder(written(tmp_path / "old", old))
    other = load_text_encoder(written(tmp_path / "new", {"pooling_mode": ["cls", "mean"]}))
    np.testing.assert_array_equal(one.encode(TEXTS), other.encode(TEXTS))


def test_further_parts_are_those_of_sentence_transformers_before_and_after_saving(tmp_path):
    draw = np.random.default_rng(0)
    dense = {"linear.weight": draw.normal(size=(6, 16)), "linear.bias": draw.normal(size=6)}
    norm = {"norm.weight": draw.normal(size=6), "norm.bias": draw.normal(size=6)}
    activation = {"activation_function": "torch.nn.modules.activation.GELU"}
    folder = written(
        tmp_path / "encoder",
        {"pooling_mode": "mean"},
        ("Dropout", {"dropout": 0.3}, {}),
        ("Dense", {"in_features": 16, "out_features": 6, **activation}, {k: v.astype("f") for k, v in dense.items()}),
        ("LayerNorm", {"dimension": 6}, {k: v.astype("f") for k, v in norm.items()}),
        ("Normalize", {}, {}),
    )
    encoder = load_text_encoder(folder)
    np.testing.assert_allclose(encoder.encode(TEXTS), theirs(folder).encode(TEXTS, show_progress_bar=False), atol=1e-5)
    encoder.save(tmp_path / "saved")
    opened = open_text_encoder(tmp_path / "saved")
    np.testing.assert_array_equal(opened.encode(TEXTS), encoder.encode(TEXTS))
    assert (opened.fingerprint, opened.cache_key) == (encoder.fingerprint, encoder.cache_key)
    np.testing.assert_allclose(theirs(tmp_path / "saved").encode(TEXTS), encoder.encode(TEXTS), atol=1e-5)


def test_a_prompt_comes_before_each_text_and_stays_in_the_saved_encoder(tmp_path):
    folder = written(tmp_path / "encoder", {"pooling_mode": "mean"})
    plain = load_text_encoder(folder).encode(["red pen"])
    about = {"prompts": {"query": "blue "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(about))
    encoder = load_text_encoder(folder)
    assert not np.allclose(encoder.encode(["red pen"]), plain)
    np.testing.assert_allclose(encoder.encode(TEXTS), theirs(folder).encode(TEXTS), atol=1e-5)
    encoder.save(tmp_path / "saved")
    np.testing.assert_array_equal(open_text_encoder(tmp_path / "saved").encode(TEXTS), encoder.encode(TEXTS))


def test_an_encoder_of_another_configuration_does_not_reach_the_vectors_of_the_first(tmp_path):
    """The same weights with other activations: equal weights, other vectors, and none in the cache of the other."""
    folder = written(tmp_path / "encoder", {"pooling_mode": "mean"})
    one = load_text_encoder(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    other = load_text_encoder(folder)
    encode_cached(other, TEXTS, tmp_path / "cache")
    vectors, report = encode_cached(one, TEXTS, tmp_path / "cache")
    assert report.from_cache == 0 and one.cache_key != other.cache_key
    np.testing.assert_allclose(vectors, one.encode(TEXTS), atol=1e-5)


def test_an_lsa_that_claims_the_fingerprint_of_another_does_not_reach_its_vectors(tmp_path):
    import copy

    one = load_text_encoder("lsa").fit(TEXTS)
    other = copy.copy(one)
    other._projection = -one._projection
    assert other.fingerprint == one.fingerprint
    encode_cached(other, TEXTS, tmp_path)
    vectors, report = encode_cached(one, TEXTS, tmp_path)
    assert report.from_cache == 0
    np.testing.assert_array_equal(vectors, one.encode(TEXTS))


def test_types_of_all_versions_of_sentence_transformers_are_known(tmp_path):
    names = [
        ("sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling"),
        (
            "sentence_transformers.base.modules.transformer.Transformer",
            "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
        ),
    ]
    for kinds in names:
        listed = [{"type": kind, "path": path} for kind, path in zip(kinds, ("", "1_Pooling"), strict=True)]
        (tmp_path / "modules.json").write_text(json.dumps(listed))
        assert listed_parts(tmp_path) == [("Transformer", ""), ("Pooling", "1_Pooling")]
    (tmp_path / "modules.json").write_text("[")
    with pytest.raises(PartError, match="damaged"):
        listed_parts(tmp_path)
