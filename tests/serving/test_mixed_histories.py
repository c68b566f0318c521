"""Trained folders whose histories hold items of several domains: the model's scores, names, users, and privacy."""

import json
import shutil

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from recbole.quick_start import load_data_and_model
from safetensors.torch import load_file

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.data.item_names import HistoryItem, numbers_of_names
from recbole_idp.run.run import run as run_job
from recbole_idp.serving.indexed import IndexedRecommender
from recbole_idp.serving.trained_model import FORMAT, TrainedModel
from recbole_idp.testing import configured
from tests.support.commands import refusal, refused
from tests.support.headers import ITEM_HEADER
from tests.support.people import CLASSES, JOINED, write_people
from tests.support.trained import bundle_of, change_tensors, resealed

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

SMALL = {"epochs": 1, "pretrain_epochs": 1, "MAX_ITEM_LIST_LENGTH": 12, "keep_users": True, "compare_join": False}
OF_MODEL = {
    "PositionSASRec": {},
    "PeterRec": {"variants": ["full"], "block_num": 1},
    "CLUE": {"variants": ["fine_tune"], "pretrain_batch_size": 16},
    "Conure": {"variants": ["learn"], "block_num": 1, "retrain_epochs": 1},
    "DACDR": {},
    "IDP": {"variants": ["fine_tune"]},
    "UniSRec": {"n_experts": 2},
    "Recformer": {"max_tokens": 20, "second_epochs": 1},
}


def trained_on(folder, model, **changes):
    """Trains a model on the films of people whose books are known; returns the result."""
    settings = {**SMALL, **JOINED, **OF_MODEL[model], **changes}
    return run_job(configured(folder, model, "films", **settings))


def histories_of(folder, domains):
    """Returns the full history of each user by the files: names of items, in the order of time."""
    events = {}
    for name in domains:
        for line in (folder / name / f"{name}.inter").read_text().splitlines()[1:]:
            user, item, time = line.split("\t")
            events.setdefault(user, []).append((float(time), item if name == "films" else f"{name}:{item}"))
    return {user: [item for _, item in sorted(found)] for user, found in events.items()}


def scores_of(result, names):
    """Returns the scores of the model of a result, as RecBole loads it, after histories of names; without padding."""
    (row,) = result["variants"].values()
    _, model, _, train, _, _ = load_data_and_model(row["runs"][0]["checkpoint"])
    tokens, others = train.dataset.item_tokens()[1:], train.dataset.history_items
    number = {token: place for place, token in enumerate([*tokens, *(item.name for item in others)], 1)}
    longest = max(map(len, names))
    items = torch.tensor([[number[name] for name in row] + [0] * (longest - len(row)) for row in names])
    lengths = torch.tensor([len(row) for row in names])
    with torch.no_grad():
        scores = model.eval().full_sort_predict(Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths}))
    return tokens, scores[:, 1:]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("people") / "data")


@pytest.fixture(scope="module")
def made(data):
    """The result of a model with mixed histories, which keeps its users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(data.parent)
        return trained_on(data, "PositionSASRec")


@pytest.fixture
def folder(made, workplace):
    return made["trained"]["folder"]


def test_a_user_of_the_folder_gets_the_scores_of_the_model_for_the_full_mixed_history(data, made):
    histories = histories_of(data, ["books", "films"])
    users = sorted(histories)[:12]
    tokens, expected = scores_of(made, [histories[user] for user in users])
    indexed = recbole_idp.load(made["trained"]["folder"], route="u2i")
    assert sorted(indexed.trained.users.tokens) == sorted(histories)
    found = indexed.recommend_users(users, k=100, exclude_seen=False)
    for row, one in zip(expected, found, strict=True):
        assert {item.item: item.score for item in one} == pytest.approx(
            dict(zip(tokens, row.tolist(), strict=True)), abs=1e-5
        )
    plain = recbole_idp.load(made["trained"]["folder"])
    for user, one in zip(users, plain.recommend([histories[user] for user in users], k=100), strict=True):
        assert {item.item for item in one} == {f"f{number}" for number in range(8)} - set(histories[user])


@pytest.mark.parametrize("model", list(OF_MODEL)[1:])
def test_each_model_keeps_a_folder_with_its_own_scores(workplace, model):
    data = write_people(workplace / "data")
    result = trained_on(data, model)
    histories = [["books:b1", "f2", "books:b3"], ["f5"], ["books:b7", "books:b0"]]
    _, expected = scores_of(result, histories)
    recommender = recbole_idp.load(result["trained"]["folder"])
    assert recommender.trained.domains == ["books"] and len(recommender.trained.history_items) == 8
    found = recommender.scores([recommender.numbers(history) for history in histories])[:, 1:]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model", list(OF_MODEL))
def test_a_cold_start_folder_reads_other_domains_alone(workplace, model, capfd):
    data = write_people(workplace / "data")
    result = trained_on(data, model, predicts="cold_item")
    folder = result["trained"]["folder"]
    books = {user: [item for item in row if ":" in item] for user, row in histories_of(data, ["books"]).items()}
    users = sorted(books)[:5]
    tokens, expected = scores_of(result, [books[user] for user in users])
    found = recbole_idp.load(folder, route="u2i").recommend_users(users, k=100, exclude_seen=False)
    for row, one in zip(expected, found, strict=True):
        assert {item.item: item.score for item in one} == pytest.approx(
            dict(zip(tokens, row.tolist(), strict=True)), abs=1e-5
        )
    recommender = recbole_idp.load(folder)
    mixed, alone = recommender.recommend([["f1", "books:b1", "f2"], ["books:b1"]], k=8)
    # What the target's items tell is that they were seen.
    assert [one for one in alone if one.item not in ("f1", "f2")] == mixed and len(alone) == 8
    assert recommender.recommend([["f1"]]) == [[]]
    line = "which reads no items of films in a history: items of other domains are named as domain:item, of books"
    refused(capfd, ["recommend", f"--trained={folder}", "--history=f1,f2"], line)
    near = IndexedRecommender(TrainedModel.open(folder), "u2i2i")
    assert near.recommend([["books:b1"]], k=3)[0] and near.recommend([["f1", "books:b1"]], k=3)[0]


def test_a_folder_of_classes_is_not_kept_and_says_so(workplace, caplog):
    data = write_people(workplace / "data")
    caplog.set_level("INFO")
    result = trained_on(
        data, "PositionSASRec", predicts="profile", profile_field="side", state="INFO", shared_users=[], **CLASSES
    )
    assert result["trained"] is None
    assert [line for line in caplog.messages if "no trained model is kept" in line] == [
        "no trained model is kept: it ranks the classes of side, and recommend ranks items"
    ]


def test_names_are_the_targets_ids_first(workplace):
    others = [HistoryItem("books", "1"), HistoryItem("books", "a:b"), HistoryItem("films", "2")]
    numbers = numbers_of_names("films", ["1", "books:1", "2"], others)
    assert numbers["1"] == 1 and numbers["books:1"] == 2 and numbers["books:a:b"] == 5
    # An item of another domain that bears the target's name goes before.
    assert numbers["films:1"] == 1 and numbers["films:2"] == 6
    assert "a:b" not in numbers


def test_histories_of_several_domains_on_the_command_line(folder, workplace, capfd):
    assert main(["recommend", f"--trained={folder}", "--history=books:b1, films:f2,f3", "--k=20"]) == 0
    shown = [line.split()[1] for line in capfd.readouterr().out.splitlines()[1:]]
    assert sorted(shown) == ["f0", "f1", "f4", "f5", "f6", "f7"]
    domains = "items of other domains are named as domain:item, of books"
    for history in ("b1", "songs:b1", "books:b99", "books:", ":b1", "nothing,books:x"):
        refused(capfd, ["recommend", f"--trained={folder}", f"--history={history}"], domains)
    assert main(["recommend", f"--trained={folder}", "--history=books:b1,songs:s1"]) == 0
    assert "songs:s1 (its ids are like f" in (told := capfd.readouterr().err) and domains in told


def test_a_file_of_users_takes_mixed_histories_in_both_formats(folder, workplace, capfd):
    (workplace / "users.tsv").write_text("one\tbooks:b1 f2\ntwo\tbooks:b4 songs:s1\nthree\tsongs:s2\n")
    rows = ["user_id:token\titem_id:token\ttimestamp:float", "one\tf2\t2", "one\tbooks:b1\t1", "two\tbooks:b4\t3"]
    (workplace / "users.inter").write_text("\n".join(rows) + "\n")
    (one, two) = recbole_idp.load(folder).recommend([["books:b1", "f2"], ["books:b4"]], k=3)
    for name in ("users.tsv", "users.inter"):
        argv = ["recommend", f"--trained={folder}", f"--users={name}", f"--out={name}.jsonl", "--k=3"]
        assert main(argv) == 0
        found = {
            row["user"]: row["items"] for row in map(json.loads, (workplace / f"{name}.jsonl").read_text().splitlines())
        }
        assert found["one"] == [item.item for item in one] and found["two"] == [item.item for item in two]
        assert found.get("three", []) == []
        told = capfd.readouterr().err
        assert ("2 events with items that the model does not know were skipped" in told) == (name == "users.tsv")
        assert ("domain:item, of books" in told) == (name == "users.tsv")


def test_a_batch_equals_the_loop_of_singles(folder):
    draw = np.random.default_rng(1)
    names = [f"f{number}" for number in range(8)] + [f"books:b{number}" for number in range(8)]
    histories = [draw.choice(names, size).tolist() for size in draw.integers(1, 16, 30)]
    for recommender in (recbole_idp.load(folder), recbole_idp.load(folder, route="u2i2i")):
        together = recommender.recommend(histories, k=4)
        for history, found in zip(histories, together, strict=True):
            (alone,) = recommender.recommend([history], k=4)
            assert [one.item for one in alone] == [one.item for one in found]
            assert not {one.item for one in found} & set(history)
            assert all(one.item.startswith("f") for one in found)


def test_items_that_are_added_stand_before_those_of_other_domains(workplace):
    data = write_people(workplace / "data")
    folder = trained_on(data, "IDP")["trained"]["folder"]
    (workplace / "new.item").write_text(ITEM_HEADER + "n1\tblue pen\nn2\tdesk ruler\n")
    argv = [f"--items={workplace / 'new.item'}", f"--pretrained={bundle_of(data / 'saved')}"]
    assert main(["add-items", f"--trained={folder}", f"--out={workplace / 'more'}", *argv]) == 0
    before, after = recbole_idp.load(folder), recbole_idp.load(workplace / "more")
    assert after.trained.tokens == [*before.trained.tokens, "n1", "n2"]
    assert after.trained.history_items == before.trained.history_items and len(after.trained.history_items) == 8
    assert after.trained.item_vectors.shape == (19, 16) and after.trained.candidate_vectors.shape == (11, 16)
    assert "candidate_vectors" not in load_file(workplace / "more" / "model.safetensors")
    histories = [["books:b1", "f2"], ["f3", "books:b0", "books:b2"], ["f1"]]
    scores = [one.scores([one.numbers(history) for history in histories])[:, 1:9] for one in (before, after)]
    torch.testing.assert_close(*scores)
    assert {"n1", "n2"} <= {one.item for one in after.recommend(histories, k=20)[0]}
    assert after.recommend([["n1", "books:b1"]], k=3)[0]
    assert named(before.trained) == named(after.trained)


def named(trained):
    """Returns the history of each user by names."""
    names = ["", *trained.tokens, *(item.name for item in trained.history_items)]
    return [[names[number] for number in trained.users.history(user)] for user in range(len(trained.users.tokens))]


def test_an_export_scores_mixed_histories_without_python(folder, workplace):
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, exc_type=ImportError)
    runtime = pytest.importorskip("onnxruntime", exc_type=ImportError)
    assert main(["export", f"--trained={folder}", "--out=out"]) == 0
    about = json.loads((workplace / "out" / "export.json").read_text())
    assert about["items"] == 8 and about["history_items"] == 8 and about["reads_own"] is True
    _, *items = (workplace / "out" / "items.tsv").read_text().splitlines()
    _, *others = (workplace / "out" / "history_items.tsv").read_text().splitlines()
    number = {line.split("\t")[0]: row + 1 for row, line in enumerate(items)}
    number |= {line.replace("\t", ":"): row + about["items"] + 1 for row, line in enumerate(others)}
    assert "counted from 0, is the row plus 9;" in (workplace / "out" / "README.md").read_text()
    session, vectors = runtime.InferenceSession("out/user_encoder.onnx"), np.load("out/items.npy")
    history = ["books:b3", "f1", "books:b7"]
    asked = {"items": np.array([[number[name] for name in history]]), "lengths": np.array([3])}
    recommender = recbole_idp.load(folder)
    expected = recommender.scores([recommender.numbers(history)])[:, 1:].numpy()
    np.testing.assert_allclose(session.run(None, asked)[0] @ vectors.T, expected, rtol=1e-4, atol=1e-4)


def test_a_folder_to_give_away_holds_no_user(workplace):
    data = write_people(workplace / "data")
    for path in data.rglob("*.*"):
        path.write_text(path.read_text().replace("\nu", "\nperson-"))
    users = sorted(histories_of(data, ["films"]))
    assert len(users) == 60 and all(user.startswith("person-") for user in users)
    for model in OF_MODEL:
        folder = trained_on(data, model, keep_users=False)["trained"]["folder"]
        trained = TrainedModel.open(folder)
        assert trained.users is None
        contents = {path.name: path.read_bytes() for path in trained.folder.iterdir()}
        # IDP keeps what its items were generated from.
        generated = {"transfer.safetensors", "source_items.tsv"} if model == "IDP" else set()
        if model == "Recformer":
            # Its histories are texts, whose tokens new items need as well.
            generated = {"tokenizer.json"}
        usual = {"README.md", "history_items.tsv", "items.tsv", "model.safetensors", "trained.json"}
        assert set(contents) == usual | generated
        assert not [name for name, content in contents.items() if b"person" in content]
        # Nothing has a row for each user or each event.
        tensors = [value for path in trained.folder.glob("*.safetensors") for value in load_file(path).values()]
        sizes = {size for tensor in tensors for size in tensor.shape}
        assert not sizes & {60, 61, 360, 720}
    # Nor do those that are pre-trained and given to other runs.
    made = sorted(path.name.partition("-")[0] for path in (data / "saved").iterdir() if path.is_dir())
    assert made == [
        *("cache", "clue", "conure", "conure", "peterrec", "pretrain", "recformer"),
        *["trained"] * 8,
        "unisrec",
    ]
    files = [path for path in (data / "saved").glob("*/**/*") if path.is_file()]
    assert len(files) > 30 and not [path for path in files if b"person" in path.read_bytes()]
    kept = trained_on(data, "PositionSASRec", keep_users=True)["trained"]["folder"]
    assert any(b"person-1\n" in path.read_bytes() for path in TrainedModel.open(kept).folder.iterdir())


def test_a_folder_from_before_opens_as_before(folder, workplace):
    """Without history items the format is the old one: no file of theirs, and no key for what is read."""
    data = workplace / "data"
    write_people(data)
    plain = trained_on(data, "PositionSASRec", shared_users=[], trained_dir=str(workplace / "plain"))
    old = workplace / "plain"
    description = json.loads((old / "trained.json").read_text())
    del description["reads_own"]
    resealed(old, FORMAT, description)
    assert "history_items.tsv" not in description["sha256"]
    _, expected = scores_of(plain, [["f1", "f2"]])
    recommender = recbole_idp.load(old)
    torch.testing.assert_close(recommender.scores([recommender.numbers(["f1", "f2"])])[:, 1:], expected)
    assert recommender.trained.domains == [] and recommender.unknown(["books:b1"]) == ["books:b1"]


DAMAGED = {
    "an item less": ("domain\titem_id\n" + "".join(f"books\tb{n}\n" for n in range(7)), "item_vectors has shape"),
    "an item twice": ("domain\titem_id\n" + "books\tb1\n" * 8, "each item once"),
    "another header": ("domain\tid\n" + "".join(f"books\tb{n}\n" for n in range(8)), "no list of domains and ids"),
    "a column less": ("domain\titem_id\n" + "".join(f"b{n}\n" for n in range(8)), "no list of domains and ids"),
    "an empty id": ("domain\titem_id\nbooks\t\n" + "".join(f"books\tb{n}\n" for n in range(7)), "each item once"),
}


def without_users(folder):
    for name in ("users.safetensors", "users.tsv"):
        (folder / name).unlink()
    return folder


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_list_of_history_items_is_refused(folder, workplace, name):
    text, says = DAMAGED[name]
    copy = without_users(shutil.copytree(folder, workplace / "copy"))
    (copy / "history_items.tsv").write_text(text)
    resealed(copy, FORMAT)
    assert says in refusal(recbole_idp.load, copy)


def test_parts_that_do_not_fit_are_refused(folder, workplace):
    copy = shutil.copytree(folder, workplace / "copy")
    (copy / "history_items.tsv").unlink()
    assert "lacks history_items.tsv" in refusal(recbole_idp.load, copy)
    resealed(copy, FORMAT)
    # The users' histories hold items that are no longer there.
    assert "histories of another form" in refusal(recbole_idp.load, copy)
    resealed(without_users(copy), FORMAT)
    assert "item_vectors has shape [17, 16] and not [9, 16]" in refusal(recbole_idp.load, copy)
    change_tensors(copy / "model.safetensors", item_vectors=lambda vectors: vectors[:9].clone())
    resealed(copy, FORMAT, reads_own=False)
    assert "reads items of other domains alone, and knows none" in refusal(recbole_idp.load, copy)
    resealed(copy, FORMAT, reads_own="yes")
    assert "reads_own is not true or false" in refusal(recbole_idp.load, copy)
