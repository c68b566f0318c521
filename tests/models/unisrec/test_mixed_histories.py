"""UniSRec reads histories in which items of other domains stand, by their texts."""

import pytest
import torch
from recbole.utils import get_model, init_seed

from recbole_idp.data.rows import Batch
from recbole_idp.run.run import run as run_job
from recbole_idp.testing import configured
from recbole_idp.testing.models import loaders_of
from tests.support.commands import command, refused
from tests.support.people import JOINED, write_people

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
N_FILMS = 8


@pytest.fixture
def people(workplace):
    return write_people(workplace / "data")


def made(people, model, **changes):
    settings = configured(people, model, "films", **JOINED, transfer="scratch", **changes)
    train, _, _ = loaders_of(settings)
    init_seed(1, True)
    return get_model(model)(settings, train.dataset), train.dataset, settings


@pytest.mark.parametrize("model", ["UniSRec", "UniSRec_IDt"])
def test_a_step_encodes_the_candidates_and_the_items_that_it_reads_alone(people, model):
    found, dataset, _ = made(people, model, adaptor_dropout_prob=0.0, hidden_dropout_prob=0.0, attn_dropout_prob=0.0)
    assert dataset.n_inputs == 1 + N_FILMS + 8 and len(found.text_vectors) == dataset.n_inputs
    found.eval()
    histories = torch.tensor([[1, 9, 2, 12], [3, 12, 0, 0]])
    batch = Batch(((histories, torch.tensor([[0, 0, 3, 4], [0, 5, 0, 0]])),), 3)
    table = found.encode_for([histories])
    read = [*range(1 + N_FILMS), 9, 12]
    torch.testing.assert_close(table[read], found.encode_items()[read])
    assert not table[[row for row in range(dataset.n_inputs) if row not in read]].any()
    few = found.position_loss(batch)
    with found.items_encoded_once(found.encode_items()):
        whole = super(type(found), found).position_loss(batch) if model == "UniSRec_IDt" else few
    torch.testing.assert_close(few, whole)
    assert found.candidate_vectors().shape[0] == 1 + N_FILMS


def test_a_book_and_a_film_of_one_title_start_alike(people):
    found, dataset, _ = made(people, "UniSRec")
    names = [*dataset.item_tokens(), *(item.token for item in dataset.history_items)]
    vectors = found.eval().item_vectors()
    for number in range(8):
        film, book = names.index(f"f{number}"), names.index(f"b{number}")
        torch.testing.assert_close(vectors[film], vectors[book])


@pytest.mark.parametrize("model", ["UniSRec", "UniSRec_IDt"])
def test_films_are_told_from_the_books_of_the_same_people(people, model):
    changes = {
        "transfer": "fine_tune",
        "predicts": "cold_item",
        "epochs": 20,
        "learning_rate": 0.01,
        "compare_join": False,
        **JOINED,
    }
    result = run_job(configured(people, model, "films", **changes))
    assert result["variants"][model]["test"]["hit@5"] > 0.8


def test_a_joined_domain_without_texts_is_refused(people, capfd):
    (people / "books" / "books.item").unlink()
    argv = command(people.parent, "run", "films", model="UniSRec", transfer="scratch", **JOINED)
    refused(capfd, argv, "books has no item texts: ")
