"""PeterRec keeps what a model promises."""

import json

import pytest
import torch

import recbole_idp
from recbole_idp.data.rows import Batch
from recbole_idp.models.peterrec.pretrain import NextItemPretraining, PretrainedPeterRec
from recbole_idp.run.run import run as run_job
from recbole_idp.storage.checkpoint import load_checkpoint
from recbole_idp.testing import ModelContract, configured, with_random_weights
from recbole_idp.testing.toy import settings
from tests.support.commands import refused
from tests.support.people import CLASSES, JOINED, write_people

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
SMALL = {"block_num": 1, "MAX_ITEM_LIST_LENGTH": 8, "compare_join": False}


class TestPeterRec(ModelContract):
    model = "PeterRec"
    random_start = {"transfer": "scratch"}
    learning = {"learning_rate": 0.003}


class TestPeterRecOnSASRec(ModelContract):
    model = "PeterRec"
    changes = {"encoder": "SASRec"}
    random_start = {"transfer": "scratch"}
    # It has to learn from positions which event is the last before the token: easy where there is hardly another.
    learning = {"MAX_ITEM_LIST_LENGTH": 2}


def run(folder, **changes):
    """Runs PeterRec on the films of people whose books are known; returns the result."""
    return run_job(configured(folder, "PeterRec", "films", **{**SMALL, **changes}))


@pytest.fixture
def people(workplace):
    return write_people(workplace / "data")


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["NextItNet", "SASRec"])
def test_cold_items_are_predicted_from_the_books_of_the_same_people(people, encoder):
    short = {"MAX_ITEM_LIST_LENGTH": 2} if encoder == "SASRec" else {}
    result = run(people, predicts="cold_item", encoder=encoder, epochs=25, learning_rate=0.01, **JOINED, **short)
    rows = result["variants"]
    assert list(rows) == ["scratch", "head", "full", "patches"]
    shares = {name: row["runs"][0]["trained_share"] for name, row in rows.items()}
    assert shares["scratch"] == shares["full"] == 1
    assert shares["head"] < shares["patches"] < 0.5
    assert rows["patches"]["test"]["hit@5"] > 0.8
    (folder,) = (people / "saved").glob("peterrec-books-*")
    about = PretrainedPeterRec.open(folder)
    assert about.domain_names() == ["books"]
    assert len(about.items) == 8


def test_patches_alone_change(people):
    result = run(people, predicts="cold_item", variants=["patches"], epochs=3, **JOINED)
    (folder,) = (people / "saved").glob("peterrec-books-*")
    before = PretrainedPeterRec.open(folder).state
    after, _, _ = load_checkpoint(result["variants"]["patches"]["runs"][0]["checkpoint"])
    encoder = {name.removeprefix("encoder."): value for name, value in after.items() if name.startswith("encoder.")}
    changed = {name for name, value in encoder.items() if name not in before or not torch.equal(before[name], value)}
    assert changed
    assert all(".adapter." in name or ".second_norm." in name or name == "token" for name in changed)
    assert any(".second_norm." in name for name in changed)
    assert torch.equal(after["history_embedding.weight"], before["item_embedding.weight"])


@pytest.mark.slow
def test_a_profile_is_predicted_from_the_datasets_own_sequences(people):
    task = {"source_domains": [], "predicts": "profile", "profile_field": "side", **CLASSES}
    result = run(people, variants=["patches"], epochs=40, learning_rate=0.01, **task)
    (folder,) = (people / "saved").glob("peterrec-films-*")
    assert result["variants"]["patches"]["test"]["accuracy"] > 0.6
    assert list(PretrainedPeterRec.open(folder).description["valid"]) == [f"ndcg@{k}" for k in (1, 5, 10)]
    again = run(people, variants=["head"], pretrained=str(folder), **task)
    assert again["variants"]["head"]["runs"][0]["trained_share"] < 0.5


def test_a_folder_of_other_sizes_is_refused(people, capfd):
    run(people, predicts="cold_item", variants=["head"], **JOINED)
    (folder,) = (people / "saved").glob("peterrec-books-*")
    values = settings(people, **{**SMALL, **JOINED, "predicts": "cold_item", "pretrained": str(folder)})
    for key, value in {"dilations": [1, 2], "encoder": "SASRec", "hidden_size": 8}.items():
        given = {**values, key: value}
        argv = [f"--{name}={text if isinstance(text, str) else json.dumps(text)}" for name, text in given.items()]
        refused(capfd, ["run", "--model=PeterRec", "--dataset=films", *argv], f"was pre-trained with {key}=")


@pytest.mark.slow
def test_the_next_film_is_predicted_from_books_and_films(people, capsys):
    result = run(people, variants=["scratch", "patches"], epochs=25, learning_rate=0.01, **JOINED)
    assert result["variants"]["patches"]["test"]["hit@5"] > 0.8
    assert "Trained parameters: scratch 100 %, patches " in capsys.readouterr().out
    # Films have their vectors as candidates, which are trained; books those of the pre-training.
    assert result["variants"]["patches"]["runs"][0]["trained_share"] < 0.5


def test_what_decides_on_the_pretrained_folder(people):
    def fingerprint(**changes):
        return NextItemPretraining(
            configured(people, "PeterRec", "films", **{**SMALL, **JOINED, **changes})
        ).fingerprint

    first = fingerprint()
    same = ({"transfer": "full"}, {"insertion": "parallel"}, {"n_layers": 2}, {"predicts": "cold_item"}, {"seeds": [1]})
    assert {fingerprint(**changes) for changes in same} == {first}
    others = ({"dilations": [1, 2]}, {"encoder": "SASRec"}, {"pretrain_epochs": 3}, {"hidden_size": 8})
    assert len({first, *(fingerprint(**changes) for changes in others)}) == 1 + len(others)


def test_the_penalty_of_the_table_is_that_of_the_authors_code(people):
    losses = []
    for weight in (0.0, 0.02):
        model, _ = with_random_weights(
            configured(people, "PeterRec", "films", **{**SMALL, **JOINED, "table_penalty": weight}), seed=3
        )
        rows = torch.tensor([[1, 2, 3], [4, 5, 6]])
        targets = torch.zeros_like(rows)
        targets[:, -1] = torch.tensor([4, 7])
        losses.append(model.position_loss(Batch(((rows, targets),), 2)))
    expected = 0.02 * model.item_embedding.weight.pow(2).sum() / 2
    torch.testing.assert_close(losses[1] - losses[0], expected)


OTHERS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("BSARec", "LiGR", "HSTU")]


@pytest.mark.parametrize("encoder", ["NextItNet", "SASRec", *OTHERS])
@pytest.mark.parametrize("variant", ["head", "patches"])
def test_a_trained_folder_recommends(people, encoder, variant):
    insertion = "serial" if encoder == "NextItNet" else "parallel"
    result = run(people, source_domains=["books"], variants=[variant], encoder=encoder, insertion=insertion)
    # A run that makes it has compared its scores with the model's.
    recommender = recbole_idp.load(result["trained"]["folder"])
    kind = encoder + ("Patched" if variant == "patches" else "Token")
    assert recommender.trained.description["encoder"]["kind"] == kind
    assert len(recommender.recommend([["f1", "f2"]], k=3)[0]) == 3
