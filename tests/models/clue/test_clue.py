"""CLUE: the contract, its pre-training, and what it takes over on each of its tasks."""

import logging

import pytest
import torch
from recbole.utils import get_model, init_seed

from recbole_idp.data.domains import load_domains
from recbole_idp.data.sequences import Sequences
from recbole_idp.errors import UserError
from recbole_idp.models.clue.batches import ViewPairs
from recbole_idp.models.clue.pretrain import ViewPretraining, ViewTrainer, find_or_pretrain
from recbole_idp.models.clue.pretraining_model import CLUEPretraining
from recbole_idp.models.clue.views import VIEWS
from recbole_idp.storage.checkpoint import load_checkpoint
from recbole_idp.testing import ModelContract, configured, fitted
from recbole_idp.testing.models import loaders_of
from tests.support.targets import targets_of

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

SMALL = {"pretrain_batch_size": 16}


class TestCLUE(ModelContract):
    model = "CLUE"
    random_start = {"transfer": "scratch"}
    changes = SMALL
    # It has to learn from positions which event is the last before the token: easy where there is hardly another.
    learning = {"MAX_ITEM_LIST_LENGTH": 2}


def pairs(lengths, batch_size=4, view="dropout", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return ViewPairs(targets_of(lengths).sequences, 6, VIEWS[view], 0.3, batch_size, generator)


@pytest.mark.parametrize("users", [2, 3, 5, 9, 13])
def test_every_user_is_a_row_once_an_epoch_and_no_batch_has_one_row(users):
    batches = pairs([2 + user for user in range(users)], batch_size=2)
    found = list(batches)
    assert len(found) == len(batches) and all(batch.n_targets == len(batch.first) >= 2 for batch in found)
    # The latest events of each user, of items 20 u + 1, 20 u + 2 ...
    rows = sorted(int(row[row > 0][-1]) for batch in found for row in batch.first)
    assert rows == [20 * user + 2 + user for user in range(users)]
    assert max(batch.first.shape[1] for batch in found) == min(6, 1 + users)


def test_users_with_one_event_are_left_out_and_one_user_is_refused():
    sequences = Sequences.from_events([0, 1, 1, 2, 2], [1, 2, 3, 4, 5])
    generator = torch.Generator().manual_seed(0)
    (batch,) = ViewPairs(sequences, 6, VIEWS["dropout"], 0.3, 64, generator)
    assert sorted(batch.first[:, 0].tolist()) == [2, 4]
    with pytest.raises(UserError, match="1 user of two events or more: name sources with more users"):
        ViewPairs(Sequences.from_events([0, 1, 1], [1, 2, 3]), 6, VIEWS["dropout"], 0.3, 64, generator)


def pretraining(domains, **changes):
    settings = configured(domains, "CLUE", train_batch_size=16, **changes)
    sources = load_domains(settings)
    init_seed(1, True)
    train, _ = sources.split(0, 1)
    return settings, train, CLUEPretraining(settings, train.dataset)


def test_the_views_differ_by_dropout_alone_and_masked_events_have_a_vector_of_their_own(domains):
    _, _, model = pretraining(domains, view="mask", hidden_dropout_prob=0.0, attn_dropout_prob=0.0)
    items = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    lengths = torch.tensor([4, 2])
    assert torch.equal(model.forward(items, lengths), model.forward(items, lengths))
    masked = items.clone()
    masked[0, 1] = -1
    hidden = model.forward(masked, lengths)
    assert not torch.allclose(hidden[0], model.forward(items, lengths)[0])
    (hidden[0] * torch.arange(16)).sum().backward()
    assert model.mask_vector.grad.any() and not model.item_embedding.weight.grad[2].any()
    _, _, model = pretraining(domains)
    assert not torch.equal(model.forward(items, lengths), model.forward(items, lengths))


def test_the_state_is_read_at_the_token(domains):
    _, _, model = pretraining(domains)
    model.eval()
    with torch.no_grad():
        items, lengths = torch.tensor([[1, 2, 3, 0]]), torch.tensor([3])
        before = model.forward(items, lengths)
        model.encoder.token.add_(1)
        assert not torch.allclose(before, model.forward(items, lengths))


def test_pre_training_brings_the_views_together_and_keeps_the_users_apart(domains, caplog):
    caplog.set_level(logging.INFO)
    settings, train, model = pretraining(domains, epochs=8, hidden_dropout_prob=0.3, state="INFO")
    trainer = ViewTrainer(settings, model)
    first = {}
    _, last = trainer.fit(
        train, train, verbose=False, callback_fn=lambda *_: first or first.update(trainer.best_valid_result)
    )
    assert last["loss"] < first["loss"] - 0.05 and last["spread"] > 0.5
    assert trainer.trained_epochs == 8 and trainer.best_valid_score == 8
    assert sum("the standard deviation of the projections" in record.getMessage() for record in caplog.records) == 8


@pytest.mark.parametrize("view", ["mask", "crop", "permute"])
def test_each_view_trains_a_folder_of_its_own_that_is_found_again(domains, view):
    changes = {**SMALL, "view": view, "pretrain_epochs": 1}
    made = find_or_pretrain(configured(domains, "CLUE", **changes))
    assert made.folder.name.startswith("clue-pens-lamps-") and set(made.description["valid"]) == {"loss", "spread"}
    before = made.folder.stat().st_mtime_ns
    assert find_or_pretrain(configured(domains, "CLUE", **changes, epochs=3)).folder == made.folder
    assert made.folder.stat().st_mtime_ns == before
    assert not any(name.startswith(("projector", "predictor")) for name in made.state)
    assert made.items[:2] == [("pens", "pi3"), ("pens", "pi4")] and len(made.items) == 16
    found = made.rows_of([("lamps", "li0"), ("shop", "si0"), ("pens", "pi3")]).tolist()
    assert made.items[found[0] - 1] == ("lamps", "li0") and found[1:] == [0, 1]
    assert find_or_pretrain(configured(domains, "CLUE", **{**changes, "view_share": 0.6})).folder != made.folder


def test_what_decides_on_the_pretrained_folder(domains):
    def fingerprint(**changes):
        return ViewPretraining(configured(domains, "CLUE", **{**SMALL, **changes})).fingerprint

    first = fingerprint()
    # Nothing is held out, nothing stops the training before its end, and there are no negatives.
    same = ({"pretrain_valid_users": 3}, {"pretrain_stopping_step": 2}, {"pretrain_negatives": 5}, {"view_share": 0.9})
    same += ({"eval_step": 2}, {"valid_metric": "hit@5"}, {"exclude_history": True})
    same += ({"transfer": "scratch"}, {"epochs": 3}, {"train_batch_size": 7}, {"seeds": [1, 2]})
    for changes in same:
        assert fingerprint(**changes) == first, changes
    others = ({"view": "mask"}, {"pretrain_epochs": 7}, {"pretrain_batch_size": 8}, {"hidden_size": 8}, {"seed": 3})
    others += ({"view": "mask", "view_share": 0.9}, {"hidden_dropout_prob": 0.15}, {"pretrain_learning_rate": 0.5})
    assert len({first, *(fingerprint(**changes) for changes in others)}) == 1 + len(others)


def kept(folder, settings, sources, epochs):
    """Trains for some epochs, from the state that a folder has."""
    train, _ = sources.split(0, 1)
    init_seed(1, True)
    trainer = ViewTrainer(settings, CLUEPretraining(settings, train.dataset))
    trainer.keep_in(folder)
    trainer.epochs = epochs
    trainer.fit(train, train, verbose=False)
    return trainer


@pytest.mark.parametrize("view", ["dropout", "mask"])
def test_an_interrupted_pre_training_ends_like_an_uninterrupted_one(domains, workplace, view):
    settings = configured(domains, "CLUE", train_batch_size=16, view=view, hidden_dropout_prob=0.3)
    sources = load_domains(settings)
    whole = kept(workplace / "whole", settings, sources, 4)
    kept(workplace / "parts", settings, sources, 2)
    state = torch.get_rng_state()
    torch.rand(3)
    parts = kept(workplace / "parts", settings, sources, 4)
    torch.set_rng_state(state)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name
    assert parts.best_valid_result == whole.best_valid_result and parts.trained_epochs == whole.trained_epochs == 4
    best = [load_checkpoint(trainer.saved_model_file)[0] for trainer in (whole, parts)]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])
    # What is finished is not trained further.
    assert kept(workplace / "parts", settings, sources, 4).trained_targets == parts.trained_targets


def test_all_of_the_model_is_fine_tuned_from_the_pre_trained_encoder(domains):
    settings = configured(domains, "CLUE", **SMALL, epochs=1)
    pretrained = find_or_pretrain(settings)
    train, _, _ = loaders_of(settings)
    model = get_model("CLUE")(settings, train.dataset)
    model.start_from(pretrained.state, torch.zeros(0, dtype=torch.long))
    weights = model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in pretrained.state.items() if "encoder" in name)
    trainer, _ = fitted(settings)
    for name, value in trainer.model.state_dict().items():
        if name.startswith("encoder."):
            assert not torch.equal(value, pretrained.state[name]), f"{name} was not trained"
    with pytest.raises(UserError, match="the pre-trained CLUE does not fit this model: hidden_size, "):
        fitted(configured(domains, "CLUE", hidden_size=32, pretrained=str(pretrained.folder)))
