"""IDP reads histories in which events of source domains stand, with the IDs of its pre-training."""

import shutil

import pytest
import torch

from recbole_idp.data.item_names import HistoryItem
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.models.idp.co_occurrence import behaviour_vectors, following
from recbole_idp.run.run import run as run_job
from recbole_idp.storage.checkpoint import load_checkpoint
from recbole_idp.testing import configured
from tests.support.commands import command, refused
from tests.support.people import JOINED, write_people

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
N_FILMS = 8


@pytest.fixture
def people(workplace):
    return write_people(workplace / "data")


def run(folder, model="IDP", **changes):
    """Runs IDP on the films of people whose books are known; returns the result, and the bundle."""
    result = run_job(configured(folder, model, "films", compare_join=False, **{**JOINED, **changes}))
    return result, result["bundle"] and Bundle.open(result["bundle"])


def trained(result, variant):
    """The weights of a variant's only run."""
    return load_checkpoint(result["variants"][variant]["runs"][0]["checkpoint"])[0]


@pytest.mark.parametrize("model", ["IDP", "IDP_GRU4Rec"])
def test_pre_trained_ids_of_history_items_stay_to_the_last_bit_where_they_are_frozen(people, model):
    result, bundle = run(people, model, variants=["fine_tune"], epochs=3, learning_rate=0.01)
    weights = trained(result, "fine_tune")["item_embedding.weight"]
    assert weights.shape[0] == 1 + N_FILMS + 8
    items = [HistoryItem("books", token) for token in bundle.tokens]
    assert torch.equal(weights[1 + N_FILMS :], bundle.ids_of(sorted(items, key=lambda item: order_of(people, item)))[0])
    assert not torch.equal(weights[1 : 1 + N_FILMS], trained(result, "fine_tune")["generated"][1 : 1 + N_FILMS])


def order_of(people, item):
    """The place of a book's first event in the file, which is the order of the history items."""
    rows = (people / "books" / "books.inter").read_text().splitlines()[1:]
    return [row.split("\t")[1] for row in rows].index(item.token)


def test_they_are_trained_and_held_by_the_prior_where_the_key_says_so(people):
    moved = {}
    for prior in (0, 1e6):
        changes = {"history_ids": "trained", "generated_prior": prior, "variants": ["fine_tune"]}
        result, _ = run(people, epochs=3, learning_rate=0.01, **changes)
        weights = trained(result, "fine_tune")
        moved[prior] = float((weights["item_embedding.weight"] - weights["generated"])[1 + N_FILMS :].norm())
    assert moved[0] > 3 * moved[1e6]


def test_controls_without_sources_learn_the_ids_of_history_items(people):
    variants = ["scratch", "text_pca"]
    found = []
    for rate in (1e-9, 0.01):
        result, _ = run(people, variants=variants, learning_rate=rate)
        # Read at once: a run in the same second has files of the same name.
        found.append([trained(result, variant) for variant in variants])
    for still, moved in zip(*found, strict=True):
        first, last = (weights["item_embedding.weight"][1 + N_FILMS :] for weights in (still, moved))
        assert ((first - last).abs() > 1e-3).any(1).all()
        # The prior does not draw them to zero.
        assert not moved["generated"][1 + N_FILMS :].any()
        assert float(last.norm()) > 0.9 * float(first.norm())


def test_films_are_told_from_the_books_of_the_same_people(people):
    changes = {"variants": ["fine_tune"], "epochs": 30, "learning_rate": 0.01, "predicts": "cold_item"}
    result, _ = run(people, **changes)
    assert result["variants"]["fine_tune"]["test"]["hit@5"] > 0.8


def test_a_prediction_of_the_gain_reads_the_target_alone():
    # Films 1 to 3; 4 is a book.
    sequences = Sequences(torch.tensor([1, 4, 2, 3, 2, 4, 1, 2]), torch.tensor([0, 4, 8]))
    targets = Targets(sequences, torch.tensor([0, 0, 4, 4]), torch.tensor([2, 3, 6, 7]))
    before, after = following(targets, slice(None), 3)
    assert before.tolist() == [1, 0] and after.tolist() == [2, 1]
    assert behaviour_vectors(targets, 3, seed=0).shape[0] == 3


def test_an_item_that_was_not_pre_trained_has_the_mean_of_its_domain(people):
    _, bundle = run(people, variants=["zero_shot"])
    ids, missing = bundle.ids_of([HistoryItem("books", "b3"), HistoryItem("books", "new")])
    assert missing == 1
    assert torch.equal(ids[0], bundle.item_embeddings[bundle.tokens.index("b3")])
    torch.testing.assert_close(ids[1], bundle.item_embeddings.mean(0))


def test_a_bundle_without_a_joined_domain_is_refused_before_any_work(people, capfd):
    _, bundle = run(people, variants=["zero_shot"])
    shutil.copytree(people / "books", people / "songs")
    for path in (people / "songs").iterdir():
        path.rename(path.with_name(path.name.replace("books", "songs")))
    changes = {"source_domains": ["books", "songs"], "shared_users": [["films", "songs"]]}
    argv = command(people.parent, "run", "films", model="IDP", pretrained=str(bundle.folder), **changes)
    refused(capfd, argv, f"shared_users joins films with songs, and {bundle.folder} has none of its items: pre-train")
