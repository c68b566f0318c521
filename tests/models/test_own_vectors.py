"""Vectors of one's own in the place of a text encoder, in every model that takes them, and in trained folders.

The vectors of the encoder's own are given as a file: every number must be the one that the texts give.
"""

import json
import os
import shutil

import numpy as np
import pytest
import torch

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.content.text.lsa import LsaEncoder
from recbole_idp.content.text.stored import SETTINGS_FILE
from recbole_idp.errors import UserError
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.testing import configured
from recbole_idp.testing.toy import title, write_domains
from tests.support.commands import command, refused
from tests.support.headers import ITEM_HEADER
from tests.support.trained import bundle_of, make_trained, run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

DOMAINS = {"pens": "p", "lamps": "l", "shop": "s"}


def write_vectors(folder, encoder, n_items=8, domains=DOMAINS):
    """Writes an encoder's vectors of the titles of the toy domains; returns the keys that give them."""
    files = {name: folder / f"{name}.npy" for name in domains}
    for name, path in files.items():
        np.save(path, encoder.encode([title(item) for item in range(n_items)]))
        path.with_suffix(".ids.txt").write_text("".join(f"{DOMAINS[name]}i{item}\n" for item in range(n_items)))
    sources = {name: str(path) for name, path in files.items() if name != "shop"}
    return {"text_vectors": str(files["shop"]), "source_text_vectors": sources}


def encoder_of(folder):
    """Returns the text encoder that a run on texts has kept; else one that is fitted as it was."""
    if kept := sorted((folder / "data" / "saved").rglob(SETTINGS_FILE)):
        return open_text_encoder(kept[0].parent)
    from recbole.data import create_dataset

    tokens = create_dataset(configured(folder / "data", "TextKNN")).field2id_token["item_id"][1:]
    return LsaEncoder().fit([title(int(token[2:])) for token in tokens])


def without_texts(folder):
    for name in DOMAINS:
        (folder / "data" / name / f"{name}.item").unlink()


def figures(result):
    return {name: (row["test"], row["valid"]) for name, row in result["variants"].items()}


SLOW = pytest.mark.slow
CASES = {
    "IDP": {"variants": ["text_pca", "zero_shot", "fine_tune"]},
    "UniSRec": {"item_drop_coefficient": 1},
    "MoRec": {"transfer": "fine_tune", "train_encoder": "none"},
    "TCF": {"transfer": "scratch"},
    "TextKNN": {},
    "TextPCASASRec": {},
}


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=SLOW if name in ("MoRec", "TCF") else ()) for name in CASES]
)
def test_vectors_of_the_texts_give_the_numbers_of_the_texts(model, tmp_path):
    write_domains(tmp_path / "texts" / "data")
    texts = run(tmp_path / "texts", model, **CASES[model])
    given = write_vectors(tmp_path, encoder_of(tmp_path / "texts"))
    write_domains(tmp_path / "vectors" / "data")
    without_texts(tmp_path / "vectors")
    vectors = run(tmp_path / "vectors", model, **CASES[model], **given)
    assert figures(texts) == figures(vectors)
    assert all(any(value for value in test.values()) for test, _ in figures(texts).values())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with IDP trained on vectors of one's own, without any text, and the vectors beside the data."""
    folder = tmp_path_factory.mktemp("own")
    write_domains(folder / "data")
    given = write_vectors(folder, LsaEncoder().fit([title(item) for item in range(12)]))
    without_texts(folder)
    make_trained(folder, **given)
    return folder, given


def test_pretrained_results_count_the_vectors_by_content(place, tmp_path):
    folder, given = place
    made = bundle_of(folder / "data" / "saved")
    # The same vectors from another file, by ids in another order, are found; others are not.
    order = np.random.default_rng(0).permutation(8)
    moved = {"pens": str(tmp_path / "moved.npy"), "lamps": given["source_text_vectors"]["lamps"]}
    np.save(moved["pens"], np.load(given["source_text_vectors"]["pens"]))
    (tmp_path / "moved.ids.json").write_text(json.dumps([f"pi{item}" for item in range(8)]))
    run(folder, variants=["zero_shot"], **{**given, "source_text_vectors": moved})
    assert bundle_of(folder / "data" / "saved") == made
    np.save(moved["pens"], np.load(given["source_text_vectors"]["pens"])[order])
    run(folder, variants=["zero_shot"], **{**given, "source_text_vectors": moved}, checkpoint_dir=str(tmp_path))
    assert bundle_of(tmp_path).name != made.name


def test_items_without_a_vector_are_counted_and_have_a_zero(place, tmp_path, caplog):
    folder, given = place
    vectors = np.load(given["text_vectors"])
    np.save(tmp_path / "some.npy", vectors[:6])
    (tmp_path / "some.ids.txt").write_text("".join(f"si{item}\n" for item in range(6)))
    result = run(folder, "TextKNN", text_vectors=str(tmp_path / "some.npy"))
    assert "2 of 8 items have no vector in" in caplog.text and "theirs is zero" in caplog.text
    assert result["variants"]["TextKNN"]["test"]


def test_new_items_bring_their_vectors(place, tmp_path, capfd):
    folder, given = place
    trained = folder / "data" / "saved" / "mine-fine_tune"
    assert str(folder) not in (trained / "trained.json").read_text()
    (tmp_path / "new.item").write_text("item_id:token\nsi1\ntwin\nother\nblank\n")
    np.save(tmp_path / "new.npy", np.load(given["text_vectors"])[[4, 5]])
    (tmp_path / "new.ids.txt").write_text("twin\nother\n")
    adding = ["add-items", f"--trained={trained}", f"--items={tmp_path / 'new.item'}", f"--out={tmp_path / 'more'}"]
    adding.append(f"--pretrained={bundle_of(folder / 'data' / 'saved')}")
    refused(capfd, adding, "was trained on vectors of your own", "--text_vectors=FILE")
    assert main([*adding, f"--text_vectors={tmp_path / 'new.npy'}"]) == 0
    assert "1 items that the model has already, 1 without a vector" in capfd.readouterr().err
    model = TrainedModel.open(tmp_path / "more")
    vector = dict(zip(model.tokens, model.candidate_vectors[1:], strict=True))
    assert model.tokens[-2:] == ["twin", "other"] and not torch.allclose(vector["twin"], vector["other"])
    np.save(tmp_path / "new.npy", np.ones((2, 5), dtype=np.float32))
    os.utime(tmp_path / "new.npy", ns=(1, 1))
    shutil.rmtree(tmp_path / "more")
    refused(capfd, [*adding, f"--text_vectors={tmp_path / 'new.npy'}"], "5 numbers", "trained on ones of 128")


def test_new_items_of_zero_shot_get_what_those_of_the_same_vector_have(place, tmp_path):
    folder, given = place
    trained = make_trained(folder, "zero_shot", **given)
    (tmp_path / "new.item").write_text("item_id:token\ttitle:token_seq\ntwin\tA name\n")
    np.save(tmp_path / "new.npy", np.load(given["text_vectors"])[[4]])
    (tmp_path / "new.ids.txt").write_text("twin\n")
    opened = TrainedModel.open(trained)
    model, new = opened.with_items(
        tmp_path / "new.item", bundle_of(folder / "data" / "saved"), str(tmp_path / "new.npy")
    )
    vector = dict(zip(model.tokens, model.item_vectors[1:], strict=True))
    torch.testing.assert_close(vector["twin"], vector["si4"])
    assert new.titles == ["A name"]


@pytest.mark.slow
def test_morec_takes_new_items_by_vectors_alone(tmp_path, capfd):
    write_domains(tmp_path / "data")
    given = write_vectors(tmp_path, LsaEncoder().fit([title(item) for item in range(12)]))
    run(tmp_path, "MoRec", transfer="scratch", train_encoder="none", trained_dir=str(tmp_path / "mine"), **given)
    (tmp_path / "new.item").write_text(ITEM_HEADER + "twin\twall clock 0\n")
    np.save(tmp_path / "new.npy", np.load(given["text_vectors"])[[4]])
    (tmp_path / "new.ids.txt").write_text("twin\n")
    adding = ["add-items", f"--trained={tmp_path / 'mine'}", f"--items={tmp_path / 'new.item'}"]
    refused(capfd, [*adding, f"--out={tmp_path / 'no'}"], "was trained on vectors of your own")
    assert main([*adding, f"--out={tmp_path / 'more'}", f"--text_vectors={tmp_path / 'new.npy'}"]) == 0
    model = TrainedModel.open(tmp_path / "more")
    vector = dict(zip(model.tokens, model.item_vectors[1:], strict=True))
    torch.testing.assert_close(vector["twin"], vector["si4"])


def test_what_was_pretrained_on_texts_takes_no_vectors_and_the_other_way_round(place, tmp_path, capfd, monkeypatch):
    folder, _ = place
    bundle = str(bundle_of(folder / "data" / "saved"))
    write_domains(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    argv = command(tmp_path, variants=["zero_shot"], pretrained=bundle)
    refused(capfd, argv, "was pre-trained on vectors of your own", "--text_vectors=FILE")
    narrow = write_vectors(tmp_path, LsaEncoder(7).fit([title(item) for item in range(8)]))["text_vectors"]
    refused(capfd, [*argv, f"--text_vectors={narrow}"], "vectors of 7 numbers", "pre-trained on ones of 128")
    run(tmp_path, variants=["zero_shot"])
    argv = command(tmp_path, variants=["zero_shot"], pretrained=str(bundle_of(tmp_path / "data" / "saved")))
    refused(capfd, [*argv, f"--text_vectors={narrow}"], "was pre-trained on texts by lsa: leave text_vectors out")


def given_narrow(folder, given):
    """Vectors of another width for one source."""
    narrow = write_vectors(folder, LsaEncoder(7).fit([title(0), title(1)]), domains=["lamps", "shop"])
    sources = {**given["source_text_vectors"], "lamps": narrow["source_text_vectors"]["lamps"]}
    return {**given, "source_text_vectors": sources}


REFUSED = {
    "PRECISE": ("PRECISE", None, "reads several token vectors"),
    "Recformer": ("Recformer", None, "reads items as words"),
    "P5": ("P5", None, "reads items as words"),
    "TransRec_MoM": ("TransRec_MoM", None, "reads the tokens"),
    "Adapter4Rec": ("Adapter4Rec", None, "tunes adapters inside a text encoder"),
    "a source without": ("IDP", {"source_text_vectors": {}}, "no vectors of pens are given: add it to"),
    "no sources": ("IDP", {"source_text_vectors": None}, "no vectors of pens are given: add it to"),
    "no target": ("IDP", {"text_vectors": None}, "no vectors of shop are given: --text_vectors=FILE"),
    "a name": ("IDP", {"source_text_vectors": {"penz": "x"}}, "names penz, which is none of source_domains: did you"),
    "no map": ("IDP", {"source_text_vectors": "x.npy"}, "source_text_vectors must be"),
    "no file": ("IDP", {"text_vectors": "x.npy"}, "text_vectors: x.npy is no file"),
    "no column": ("TextKNN", {"text_vectors": "column:vec"}, "names a column of it"),
    "words": ("UniSRec", {}, "give --item_drop_coefficient=1"),
    "layers": ("IDP", {"cdim_depth": "last_n"}, "trains layers, of which vectors of your own has none"),
    "encoders": ("IDP", {"text_encoders": ["lsa"]}, "text_encoders compares encoders"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(name, place, tmp_path):
    folder, given = place
    model, changes, says = REFUSED[name]
    with pytest.raises(UserError, match=says) as caught:
        run(folder, model, **{**given, "checkpoint_dir": str(tmp_path / "new"), **(changes or {})})
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "new").glob("*[!g]*-*-*/*.safetensors"))


def test_domains_of_other_widths_are_refused(place, tmp_path):
    folder, given = place
    with pytest.raises(UserError, match=r"lamps.npy has vectors of 7 numbers \(lamps\), and .*pens.npy of 128"):
        run(folder, **given_narrow(tmp_path, given), checkpoint_dir=str(tmp_path / "new"))


def test_vectors_of_no_item_are_refused(place, tmp_path):
    folder, given = place
    with pytest.raises(UserError, match="a vector of none of the 8 items of shop"):
        run(folder, "TextKNN", text_vectors=given["source_text_vectors"]["pens"])


def test_a_column_of_the_item_file_is_read(tmp_path):
    write_domains(tmp_path / "data")
    encoder = LsaEncoder().fit([title(item) for item in range(12)])
    given = write_vectors(tmp_path, encoder)
    whole = run(tmp_path, "TextKNN", text_vectors=given["text_vectors"])
    rows = [
        f"si{item}\t{' '.join(map(repr, vector.tolist()))}"
        for item, vector in enumerate(np.load(given["text_vectors"]))
    ]
    (tmp_path / "data" / "shop" / "shop.item").write_text("item_id:token\tvec:float_seq\n" + "\n".join(rows) + "\n")
    assert figures(run(tmp_path, "TextKNN", text_vectors="column:vec")) == figures(whole)


def test_a_written_file_is_taken(tmp_path):
    write_domains(tmp_path / "data")
    encoder = LsaEncoder().fit([title(item) for item in range(12)])
    ids, texts = [f"si{item}" for item in range(8)], [title(item) for item in range(8)]
    path = recbole_idp.write_text_vectors(tmp_path / "w.npy", ids, texts, encoder.encode, 3, show_progress=False)
    given = write_vectors(tmp_path, encoder)
    whole = run(tmp_path, "TextKNN", text_vectors=given["text_vectors"])
    assert figures(run(tmp_path, "TextKNN", text_vectors=str(path))) == figures(whole)


def test_pretraining_needs_the_vectors_of_the_sources_alone(place, tmp_path, monkeypatch):
    folder, given = place
    monkeypatch.chdir(tmp_path)
    argv = command(folder, "pretrain", source_text_vectors=given["source_text_vectors"], checkpoint_dir=str(tmp_path))
    assert main(argv) == 0
    assert bundle_of(tmp_path).name == bundle_of(folder / "data" / "saved").name
