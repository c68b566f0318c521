"""The exported files: the scores of PyTorch, the index's recall as said, one line for each mistake."""

import dataclasses
import json
import sys

import faiss
import numpy as np
import pytest
import torch

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.serving.export import candidate_matrix, write_index
from recbole_idp.serving.recommender import Recommender
from recbole_idp.storage.files import sha256_of_file
from recbole_idp.testing.toy import write_domains
from tests.support.commands import refused
from tests.support.trained import make_trained, run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
WHY = "needs the extra export: pip install 'recbole_idp[export]'"


@pytest.fixture(scope="module")
def runtime():
    """The packages of the extra ``export``."""
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, reason=WHY, exc_type=ImportError)
    return pytest.importorskip("onnxruntime", reason=WHY, exc_type=ImportError)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_trained(tmp_path_factory.mktemp("made"), variant="scratch")


@pytest.fixture(scope="module")
def out(runtime, made):
    """What the command writes for ``made``."""
    return exported(made, made.with_name("out"))


def exported(trained, out):
    assert main(["export", f"--trained={trained}", f"--out={out}"]) == 0
    return out


def assert_same_scores(runtime, out, trained):
    """Compares ONNX and PyTorch over batches and lengths of many sizes."""
    recommender, about = recbole_idp.load(trained), json.loads((out / "export.json").read_text())
    session, vectors = runtime.InferenceSession(str(out / "user_encoder.onnx")), np.load(out / "items.npy")
    assert vectors.shape == (8, about["width"])
    draw = np.random.default_rng(0)
    for rows, longest in ((1, 1), (1, about["history_length"]), (2, 3), (7, 5), (33, about["history_length"])):
        histories = [draw.integers(1, 9, draw.integers(1, longest + 1)).tolist() for _ in range(rows)]
        lengths = np.array([len(history) for history in histories])
        items = np.zeros((rows, lengths.max()), dtype=np.int64)
        for row, history in enumerate(histories):
            items[row, : len(history)] = history
        (states,) = session.run(None, {"items": items, "lengths": lengths})
        expected = recommender.scores(histories)[:, 1:].numpy()
        np.testing.assert_allclose(states @ vectors.T, expected, rtol=1e-4, atol=1e-4)


def test_onnx_gives_the_scores_of_pytorch_for_any_batch_and_length(runtime, out, made):
    assert_same_scores(runtime, out, made)


@pytest.mark.parametrize("model", ["IDP_BERT4Rec", "IDP_GRU4Rec", "UniSRec"])
def test_onnx_gives_the_scores_of_other_encoders(model, runtime, tmp_path):
    write_domains(tmp_path / "data")
    changes = {"transfer": "scratch"} if model == "UniSRec" else {"variants": ["scratch"]}
    trained = run(tmp_path, model, **changes)["trained"]["folder"]
    assert_same_scores(runtime, exported(trained, tmp_path / "out"), trained)


def test_a_user_vector_of_all_states_is_exported_and_the_vectors_of_users_with_it(runtime, tmp_path):
    write_domains(tmp_path / "data")
    small = {"semantic_size": 8, "token_count": 2, "token_width": 4, "targeted_length": 6, "head_size": 32}
    trained = run(tmp_path, "PRECISE_TT", source_domains=[], **small)["trained"]["folder"]
    out = exported(trained, tmp_path / "out")
    assert_same_scores(runtime, out, trained)
    assert json.loads((out / "export.json").read_text())["history_length"] == 6
    users = recbole_idp.load(trained).trained.users
    assert np.array_equal(np.load(out / "users.npy"), users.vectors.numpy())
    assert (out / "users.tsv").read_text().split("\n")[1:-1] == users.tokens
    assert "users.npy" in (out / "README.md").read_text()


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_an_index_has_the_recall_that_is_said(kind, made, tmp_path):
    trained = recbole_idp.load(made).trained
    draw = torch.Generator().manual_seed(0)
    many = dataclasses.replace(
        trained,
        item_vectors=torch.randn(3001, 16, generator=draw),
        candidate_vectors=torch.randn(3001, 16, generator=draw),
        tokens=[str(number) for number in range(3000)],
    )
    vectors = candidate_matrix(many)
    about = write_index(many, vectors, tmp_path / "items.faiss", kind)
    assert about["recall"] >= 0.95 and about["recall_at"] == 10
    histories = torch.randint(1, 3001, (200, 3), generator=draw).tolist()
    states = Recommender(many).states(histories).numpy()
    found = faiss.read_index(str(tmp_path / "items.faiss")).search(states, 10)[1]
    best = np.argsort(-states @ vectors.T, axis=1)[:, :10]
    shared = [len(set(one) & set(other)) for one, other in zip(found, best, strict=True)]
    # Other queries than those on which it was measured.
    assert np.mean(shared) / 10 > about["recall"] - 0.03


def test_items_and_cards_are_there_and_whole(out):
    about = json.loads((out / "export.json").read_text())
    names = {path.name for path in out.iterdir()}
    assert names == {"user_encoder.onnx", "items.npy", "items.tsv", "items.faiss", "README.md", "export.json"}
    assert {name: sha256_of_file(out / name) for name in names - {"export.json"}} == about["sha256"]
    rows = (out / "items.tsv").read_text().splitlines()
    assert rows[0] == "item_id\ttitle" and len(rows) == 9
    card = (out / "README.md").read_text()
    assert "scratch, seed 2020" in card and f"{about['index']['recall']:.4f}" in card and "- Test: hit@1" in card


@pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 12), reason="export needs torch 2.12 or newer"
)
def test_without_onnx_one_line_says_what_to_install(made, workplace, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    refused(capfd, ["export", f"--trained={made}", "--out=out"], 'pip install "recbole_idp[export]"')
    assert not (workplace / "out").exists()


COMMANDS = [
    (["--out=out"], "export needs --trained"),
    (["--trained={made}"], "export needs --out"),
    (["--trained=nowhere", "--out=out"], "nowhere is no trained model"),
    (["--trained={made}", "--out=there"], "there exists already"),
    (["--trained={made}", "--out=out", "--index=flat"], "index takes hnsw, ivf"),
    (["--trained={made}", "--out=out", "--idnex=ivf"], "did you mean --index?"),
]


@pytest.mark.parametrize(("arguments", "says"), COMMANDS)
def test_wrong_commands_are_refused_in_one_line(arguments, says, made, workplace, capfd):
    (workplace / "there").mkdir()
    refused(capfd, ["export", *(argument.format(made=made) for argument in arguments)], says)
    assert [path.name for path in workplace.iterdir()] == ["there"]
