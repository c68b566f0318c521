"""Vectors that a run of PRECISE leaves, and answers by an index of them: the model's scores, whichever the route."""

import json
import shutil

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.errors import UserError
from recbole_idp.run.restore import load_data_and_model
from recbole_idp.run.run import run
from recbole_idp.serving import indexed
from recbole_idp.serving.export import as_queries, candidate_matrix
from recbole_idp.serving.trained_model import FORMAT, TrainedModel
from recbole_idp.testing import configured
from recbole_idp.testing.toy import write_dataset, write_domains
from tests.support.commands import refusal, refused
from tests.support.precise import SMALL
from tests.support.trained import change_tensors, make_trained, resealed

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

MODELS = ("PRECISE", "PRECISE_TT", "PRECISE_UT")
K = 4


def trained_on_shop(folder, model, **changes):
    """Trains on a shop of 40 items; returns the result of the run."""
    if not (folder / "wide").exists():
        write_dataset(folder, "wide", 30, n_items=40)
    short = {"pretrain_epochs": 1, "epochs": 1, "source_domains": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run(configured(folder, model, "wide", **{**SMALL, **short, **changes}))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What a run of each model leaves."""
    folder = tmp_path_factory.mktemp("shop")
    return {model: trained_on_shop(folder, model) for model in MODELS}


@pytest.fixture(scope="module")
def folder(results):
    return results["PRECISE"]["trained"]["folder"]


@pytest.fixture
def few(monkeypatch):
    """Lets few items be near, so that a pool is a part of the items."""
    monkeypatch.setattr(indexed, "NEAR", 2)
    monkeypatch.setattr(indexed, "TRIGGERS", 3)


def own_scores(result):
    """Returns the ids of users with their items, and the model's own user vectors and scores, from its checkpoint."""
    (row,) = result["variants"].values()
    _, model, _, train, _, _ = load_data_and_model(row["runs"][0]["checkpoint"])
    sequences, model = train.dataset.sequences, model.eval()
    tokens = train.dataset.field2id_token["user_id"]
    users = {
        tokens[user]: part for user, part in enumerate(sequences.items.split(sequences.lengths().tolist())) if len(part)
    }
    items = torch.nn.utils.rnn.pad_sequence([part[-10:] for part in users.values()], batch_first=True)
    lengths = (items > 0).sum(1)
    model.exclude_history = False
    with torch.no_grad():
        rows = Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths})
        return users, model(items, lengths), model.full_sort_predict(rows), train.dataset.item_tokens()


@pytest.mark.parametrize("model", MODELS)
def test_vectors_of_users_and_items_are_the_models(model, results):
    users, states, scores, tokens = own_scores(results[model])
    trained = TrainedModel.open(results[model]["trained"]["folder"])
    assert trained.tokens == tokens[1:] and set(trained.users.tokens) == set(users) and len(users) == 30
    order = [trained.users.tokens.index(user) for user in users]
    torch.testing.assert_close(trained.users.vectors[order], states, atol=1e-5, rtol=1e-4)
    assert [trained.users.history(row) for row in order] == [items.tolist() for items in users.values()]
    products = as_queries(trained, trained.users.vectors[order]) @ candidate_matrix(trained).T
    np.testing.assert_allclose(products, scores[:, 1:].numpy(), atol=1e-4, rtol=1e-4)
    assert trained.description["only_unseen"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("triggers", [None, "history", "nearest"])
def test_answers_to_users_are_the_best_of_the_route_by_the_models_scores(model, triggers, results, few):
    users, _, scores, tokens = own_scores(results[model])
    route = {"route": "u2i"} if triggers is None else {"route": "u2i2i", "triggers": triggers}
    recommender = recbole_idp.load(results[model]["trained"]["folder"], **route)
    vectors = torch.nn.functional.normalize(recommender.trained.candidate_vectors)
    alike = vectors @ vectors.t()
    alike[:, 0] = -2
    found = recommender.recommend_users(list(users), K)
    for (_, items), own, answer in zip(users.items(), scores, found, strict=True):
        own = own.clone()
        own[0] = own[items] = -torch.inf
        pool = set(range(1, 41))
        if triggers is not None:
            latest = list(dict.fromkeys(reversed(items.tolist())))[:3]
            asked = latest if triggers == "history" else own.topk(3).indices.tolist()
            pool = {near for item in asked for near in alike[item].topk(3).indices.tolist() if near != item}
        best = [item for item in own.argsort(descending=True).tolist() if item in pool and own[item] > -torch.inf][:K]
        assert [one.item for one in answer] == [tokens[item] for item in best]
        np.testing.assert_allclose([one.score for one in answer], own[best].numpy(), atol=1e-4, rtol=1e-4)
    plain = recbole_idp.load(results[model]["trained"]["folder"], route="u2i").recommend_users(list(users), K)
    assert (plain == found) == (triggers is None)


def test_histories_get_the_same_answers_as_users_and_as_without_an_index(folder):
    plain, by_index = recbole_idp.load(folder), recbole_idp.load(folder, route="u2i")
    users = by_index.trained.users
    names = [[by_index.trained.tokens[item - 1] for item in users.history(row)] for row in range(len(users.tokens))]
    for one, other in (
        (by_index.recommend_users(users.tokens, K), plain.recommend(names, K)),
        (by_index.recommend([*names, ["nothing"], []], 40), plain.recommend([*names, ["nothing"], []], 40)),
    ):
        assert [[found.item for found in row] for row in one] == [[found.item for found in row] for row in other]
        for row, same in zip(one, other, strict=True):
            assert [found.score for found in row] == pytest.approx([found.score for found in same], rel=1e-4, abs=1e-5)
    assert by_index.recommend([]) == [] and recbole_idp.load(folder, route="u2i2i").recommend([[]]) == [[]]


def test_a_bias_of_items_counts(tmp_path):
    write_domains(tmp_path / "data")
    trained = make_trained(tmp_path, "scratch", model="IDP_BERT4Rec")
    assert TrainedModel.open(trained).item_bias is not None and TrainedModel.open(trained).users is None
    plain, histories = recbole_idp.load(trained), [["si1", "si2"], ["si5"]]
    expected = plain.recommend(histories, 8, exclude_seen=False)
    for route in ("u2i", "u2i2i"):
        found = recbole_idp.load(trained, route=route).recommend(histories, 8, exclude_seen=False)
        for row, same in zip(found, expected, strict=True):
            scores = {one.item: one.score for one in same}
            assert len(row) >= 7 and [one.score for one in row] == pytest.approx(
                [scores[one.item] for one in row], abs=1e-4
            )
            assert [one.score for one in row] == sorted((one.score for one in row), reverse=True)
    with pytest.raises(UserError, match="has no users: train with --keep_users"):
        recbole_idp.load(trained, route="u2i").recommend_users(["su1"])


@pytest.mark.parametrize("search", ["ivf", "hnsw"])
def test_approximate_indexes_give_the_models_scores(search, folder):
    exact, users = recbole_idp.load(folder, route="u2i2i"), TrainedModel.open(folder).users.tokens
    found = recbole_idp.load(folder, route="u2i2i", search=search).recommend_users(users, K)
    same = [{one.item: one.score for one in row} for row in exact.recommend_users(users, 40)]
    hits = [
        one.score == pytest.approx(scores[one.item], rel=1e-4)
        for row, scores in zip(found, same, strict=True)
        for one in row
        if one.item in scores
    ]
    assert all(hits) and len(hits) > 0.8 * K * len(users)


def test_the_command_answers_for_a_user_and_writes_a_file_by_a_route(folder, tmp_path, capsys):
    user = TrainedModel.open(folder).users.tokens[3]
    for route in ("u2i", "u2i2i"):
        assert main(["recommend", f"--trained={folder}", f"--user={user}", f"--route={route}", f"--k={K}"]) == 0
        (expected,) = recbole_idp.load(folder, route=route).recommend_users([user], K)
        lines = capsys.readouterr().out.splitlines()[1:]
        assert [line.split()[:3] for line in lines] == [
            [str(rank), one.item, f"{one.score:.4f}"] for rank, one in enumerate(expected, 1)
        ]
    (tmp_path / "users.tsv").write_text("anna\ti1 i2 i3\nbert\ti7\n")
    written = []
    for number, more in enumerate(([], ["--route=u2i"], ["--route=u2i2i", "--triggers=nearest"])):
        out = tmp_path / f"{number}.csv"
        assert (
            main(["recommend", f"--trained={folder}", f"--users={tmp_path / 'users.tsv'}", f"--out={out}", *more]) == 0
        )
        written.append([line.split(",")[:3] for line in out.read_text().splitlines()])
    assert written[0] == written[1] and written[2]


REFUSED = [
    (["--user=nobody"], "user nobody is unknown to the model"),
    (["--user=u3", "--history=i1"], "needs either --history"),
    (["--user=u3", "--triggers=nearest"], "--triggers chooses the items by which --route=u2i2i searches"),
    (["--user=u3", "--route=i2i"], "route takes u2i, u2i2i"),
    (["--user=u3", "--search=fast"], "search takes exact, hnsw, ivf"),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED)
def test_wrong_commands_are_refused_in_one_line(arguments, says, folder, capsys):
    refused(capsys, ["recommend", f"--trained={folder}", *arguments], says)
    with pytest.raises(UserError, match="route takes u2i, u2i2i, but is 'both'"):
        recbole_idp.load(folder, route="both")


def test_users_are_kept_where_they_are_asked_for(tmp_path):
    kept = trained_on_shop(tmp_path, "PRECISE_TT")["trained"]["folder"]
    assert TrainedModel.open(kept).users is not None
    assert "personal data" in (tmp_path / "saved" / kept / "README.md").read_text()
    assert trained_on_shop(tmp_path, "PRECISE_TT", keep_users=False)["trained"]["folder"] == kept
    assert TrainedModel.open(kept).users is None


def other(**tensors):
    def write(folder):
        change_tensors(folder / "users.safetensors", **tensors)
        resealed(folder, FORMAT)

    return write


def ids(change):
    def write(folder):
        path = folder / "users.tsv"
        path.write_text(change(path.read_text()))
        resealed(folder, FORMAT)

    return write


def without_ids(folder):
    (folder / "users.tsv").unlink()
    resealed(folder, FORMAT)


def longer(folder):
    encoder = json.loads((folder / "trained.json").read_text())["encoder"]
    resealed(folder, FORMAT, encoder={**encoder, "targeted_length": 10**9})


STRANGE = {
    "NaN": (other(vectors=lambda vectors: vectors * torch.nan), "not numbers"),
    "another width": (other(vectors=lambda vectors: vectors[:, 1:].contiguous()), "other than 30 vectors of 16"),
    "an item too many": (other(items=lambda items: items + 1), "histories of another form"),
    "padding": (other(items=lambda items: items * 0), "histories of another form"),
    "wide numbers": (other(items=lambda items: items.long()), "histories of another form"),
    "backwards": (other(offsets=lambda offsets: offsets.flip(0).contiguous()), "histories of another form"),
    "a user too many": (ids(lambda text: text + "more\n"), "other than 31 vectors"),
    "a user twice": (ids(lambda text: text.replace("u1\n", "u2\n")), "each once"),
    "no ids": (without_ids, "cannot be read"),
    "a huge head": (longer, "more events than its encoder"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strangers_users_are_refused_in_one_line(name, folder, tmp_path):
    change, says = STRANGE[name]
    copied = shutil.copytree(folder, tmp_path / "copied")
    change(copied)
    assert says in refusal(recbole_idp.load, copied)
