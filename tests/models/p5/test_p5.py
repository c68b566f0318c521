"""P5 on a target: the contract, ratings, transfer, and what is refused."""

import json

import numpy as np
import pytest
import torch

from recbole_idp.errors import UserError
from recbole_idp.models.p5.network import NetworkSizes, P5Network
from recbole_idp.models.p5.pretrain import PretrainedP5, find_or_pretrain
from recbole_idp.models.p5.ratings import training_ratings
from recbole_idp.models.p5.training import scheduled
from recbole_idp.storage.sealed import write_weights
from recbole_idp.testing import ModelContract, configured, fitted, write_domains
from tests.support.models import made
from tests.support.scheduled import trained_in_parts

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

SMALL = {"n_heads": 2, "key_size": 8, "hidden_size": 32, "inner_size": 64, "sequential_prompts": 2}
"""A network that trains in seconds."""


class TestP5(ModelContract):
    model = "P5"
    random_start = {"transfer": "scratch"}
    changes = SMALL
    learning = {
        "sequential_prompts": 25,
        **dict.fromkeys(("candidate_prompts", "next_prompts", "direct_prompts", "direct_candidate_prompts"), 0),
        "hidden_dropout_prob": 0.0,
        "attn_dropout_prob": 0.0,
        "eval_step": 20,
        # Prompts of one length: those of the test are longer than any of training, at places that are not learned.
        "MAX_ITEM_LIST_LENGTH": 3,
    }

    # The prompt is read in both directions, and there is no state at a position.
    test_future_events_change_earlier_states_where_the_model_reads_both_directions_only = None
    # Training draws prompts, and RecBole's rows are one of them.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None
    # The learning rate falls to zero at the last epoch, so that twice two epochs are not four; see below.
    test_an_interrupted_training_ends_like_an_uninterrupted_one = None


class TestP5WithExactScoresAndTitles(TestP5):
    changes = {**SMALL, "scoring": "exact", "title_words": 2, "item_numbering": "text", "test_prompt": "unseen"}

    # Trained above; the unseen prompt is not what training asks.
    test_learns_which_item_follows_which = None


@pytest.mark.parametrize("saves", [1, 2])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(domains, saves):
    config = configured(domains, "P5", transfer="scratch", **{**SMALL, "epochs": 3})
    whole, parts = trained_in_parts(config, domains / "latest.safetensors", saves)
    assert parts.start_epoch == saves and parts.taken_steps == whole.taken_steps


def test_lists_are_items_only_and_beams_beyond_the_items_find_all(domains):
    options = {**SMALL, "exclude_history": False}
    beam, _, loaders = made(domains, "P5", **options)
    exact, _, _ = made(domains, "P5", **options, scoring="exact")
    exact.load_state_dict(beam.state_dict())
    items, lengths = loaders[2].dataset.targets().histories(torch.arange(8), 10)
    rows = {beam.ITEM_SEQ: items, beam.ITEM_SEQ_LEN: lengths}
    with torch.no_grad():
        expected = exact.full_sort_predict(rows)
        torch.testing.assert_close(beam.full_sort_predict(rows), expected)
        assert expected[:, 1:].isfinite().all() and (expected[:, 0] == -torch.inf).all()
        few, _, _ = made(domains, "P5", **options, beams=5)
        few.load_state_dict(beam.state_dict())
        scores = few.full_sort_predict(rows)
    found = scores.isfinite()
    assert (found.sum(1) == 5).all() and not found[:, 0].any()
    torch.testing.assert_close(scores[found], expected[found])


def test_more_items_than_beams_are_refused_before_any_work(domains):
    with pytest.raises(UserError, match="topk asks for 50 items, and beams: 20 finds as many at most: set --beams=50"):
        configured(domains, "P5", topk=[10, 50], beams=20)
    assert configured(domains, "P5", topk=[10, 50], beams=20, scoring="exact")["beams"] == 20


def with_ratings(domains, values):
    """Writes a column of ratings into the target."""
    path = domains / "shop" / "shop.inter"
    header, *lines = path.read_text().splitlines()
    rows = [f"{line}\t{values[number % len(values)]}" for number, line in enumerate(lines)]
    path.write_text("\n".join([f"{header}\trating:float", *rows]) + "\n")


def test_ratings_are_those_of_the_training_events(domains):
    with_ratings(domains, [1, 2, 3.5, 4, 5])
    model, _, loaders = made(domains, "P5", **SMALL)
    dataset = loaders[0].dataset
    ratings = training_ratings(dataset, "rating")
    lines = model.sampler(dataset.targets()).data.lines
    assert len(ratings.stars) == sum(map(len, lines)) and set(ratings.stars.tolist()) == {1, 2, 4, 5}
    events = dataset.events
    expected = np.floor(np.array([1, 2, 3.5, 4, 5])[events.rows % 5] + 0.5)[events.parts == 0]
    assert (ratings.stars == expected).all()
    for user, item in zip(ratings.users.tolist(), ratings.items.tolist(), strict=True):
        assert item in lines[user]
    assert len(training_ratings(dataset, None).stars) == len(training_ratings(dataset, "price").stars) == 0


def test_a_column_of_other_numbers_is_no_rating_and_said_so(domains, caplog):
    with_ratings(domains, [0, 10])
    _, _, loaders = made(domains, "P5", **SMALL)
    assert len(training_ratings(loaders[0].dataset, "rating").stars) == 0
    assert "holds not only 1 to 5" in caplog.text


def test_the_learning_rate_grows_and_falls_to_the_end():
    factors = [scheduled(step, 100, 0.1) for step in range(100)]
    assert factors[:2] == [1 / 11, 2 / 11] and factors[10] == 1 and factors[-1] == pytest.approx(1 / 90)
    assert factors[:11] == sorted(factors[:11]) and factors[10:] == sorted(factors[10:], reverse=True)
    assert scheduled(0, 100, 0.0) == 1 and scheduled(200, 100, 0.1) == 0


def test_what_was_pretrained_starts_the_target_and_is_found_again(domains):
    changes = {**SMALL, "title_words": 2, "epochs": 1}
    zero, _ = fitted(configured(domains, "P5", **changes, transfer="zero_shot"))
    folder = find_or_pretrain(configured(domains, "P5", **changes, transfer="zero_shot"))
    assert folder.domain_names() == ["pens", "lamps"]
    for name, value in folder.state.items():
        assert torch.equal(zero.model.network.weights()[name], value), name
    tuned, test = fitted(configured(domains, "P5", **changes, transfer="fine_tune"))
    assert tuned.model.tokenizer.to_json() == folder.tokenizer.to_json()
    assert not torch.equal(tuned.model.network.t5.shared.weight, folder.state["t5.shared.weight"])
    assert tuned.model.pretrained_on == ["pens", "lamps"]
    assert 0 <= tuned.evaluate(test)["hit@5"] <= 1
    names = {path.name for path in folder.folder.iterdir()}
    assert names == {"p5.json", "weights.safetensors", "tokenizer.json", "README.md"}
    with pytest.raises(UserError, match="pens is among"):
        fitted(configured(domains, "P5", "pens", pretrained=str(folder.folder), transfer="fine_tune", **SMALL))
    path = folder.folder / "tokenizer.json"
    path.write_text(path.read_text().replace("after", "After"))
    with pytest.raises(UserError, match="damaged or was changed"):
        PretrainedP5.open(folder.folder)


def write_t5(folder, tokenizer):
    """Writes a folder as a published T5 is written."""
    sizes = NetworkSizes(len(tokenizer), width=16, inner=24, key=8, layers=1, heads=2)
    network = P5Network(sizes)
    config = network.t5.config.to_dict()
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tokenizer.to_json())
    weights = {name.removeprefix("t5."): value for name, value in network.weights().items() if name.startswith("t5.")}
    write_weights(folder / "model.safetensors", weights)
    return network


def test_weights_of_a_published_t5_start_the_network(domains, tmp_path):
    tokenizer = made(domains, "P5", **SMALL)[0].tokenizer
    network = write_t5(tmp_path / "t5", tokenizer)
    trainer, _ = fitted(configured(domains, "P5", t5_folder=str(tmp_path / "t5"), epochs=1, learning_rate=0.0))
    assert torch.equal(trainer.model.network.t5.shared.weight, network.t5.shared.weight)
    assert trainer.model.network.sizes.width == 16
    (tmp_path / "t5" / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="has no tokenizer"):
        made(domains, "P5", t5_folder=str(tmp_path / "t5"))


def test_the_numbers_of_items_are_the_same_for_every_seed_of_training(domains):
    first, second = (made(domains, "P5", **SMALL, seed=seed)[0] for seed in (1, 2))
    assert (first.catalogue.numbers == second.catalogue.numbers).all()


def test_texts_are_not_needed_where_no_prompt_names_a_title(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_domains(tmp_path / "data")
    (folder / "shop" / "shop.item").unlink()
    assert made(folder, "P5", **SMALL)[0].n_items == 9
    with pytest.raises(UserError, match="shop has no item texts"):
        made(folder, "P5", **SMALL, title_words=3)
