"""UniSRec's pre-training: second views, its losses beside slow ones, and a folder that is found, given and checked."""

import json
import math
import shutil

import pytest
import torch
from recbole.utils import init_seed

from recbole_idp.config.derive import given_values
from recbole_idp.data.domains import load_domains
from recbole_idp.data.rows import PositionBatches
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.errors import UserError
from recbole_idp.models.unisrec.pretrain import PretrainedUniSRec, drop_words, find_or_pretrain
from recbole_idp.models.unisrec.pretraining_model import UniSRecPretraining
from recbole_idp.models.unisrec.views import ViewBatches
from recbole_idp.run.best_model import trial_settings
from recbole_idp.run.trials import trials
from recbole_idp.run.unfinished import Unfinished
from recbole_idp.storage.checkpoint import load_checkpoint
from recbole_idp.testing.models import perturbed
from recbole_idp.train.trainer import SequenceTrainer
from tests.support.targets import targets_of
from tests.support.unisrec import configured
from tests.support.unisrec_formulas import slow_adaptor, slow_state

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


def test_second_views_end_anywhere_and_drop_items_or_words():
    generator = torch.Generator().manual_seed(0)
    rows = PositionBatches(targets_of([3, 6, 9, 12]), 12, 16, generator)
    batches, dropped, reworded, cuts = ViewBatches(rows, 0.6, 0.3, generator), [], [], set()
    for _ in range(300):
        for batch in batches:
            ((items, targets),) = batch.parts
            for row in range(len(items)):
                assert targets[row, batch.cuts[row]] > 0
                cuts.add((int(items[row, 0]), int(batch.cuts[row])))
                first = items[row, : batch.cuts[row] + 1].tolist()
                second = [item for item in batch.views[row].tolist() if item]
                # Padding on the right, the first item always there, the others in their order.
                assert second == batch.views[row, : len(second)].tolist() and second[0] == first[0]
                assert sorted(set(second) & set(first)) == second
                changed = batch.reworded[row, : len(second)]
                assert not batch.reworded[row, len(second) :].any() and not (changed.any() and len(second) < len(first))
                if len(second) < len(first):
                    dropped.append(1 - (len(second) - 1) / (len(first) - 1))
                if changed.any():
                    reworded.append(float(changed.float().mean()))
    assert {cut for first, cut in cuts if first == 61} == set(range(11))
    assert len(dropped) > 200 and len(reworded) > 200


def slow_pretraining_loss(model, batch):
    """The two losses, sequence by sequence: each prefix of a row is one, as in the paper's code."""
    ((items, targets),) = batch.parts
    with torch.no_grad():
        vectors = torch.stack([slow_adaptor(model.item_encoder, vector) for vector in model.text_vectors])
        others = torch.stack([slow_adaptor(model.item_encoder, vector) for vector in model.reworded_vectors])
        prefixes = [
            (row, slow_state(model, vectors[items[row, : place + 1]]), int(targets[row, place]))
            for row in range(len(items))
            for place in range(items.shape[1])
            if targets[row, place]
        ]
        tau, own = model.temperature, [set(row.tolist()) - {0} for row in targets]
        item_losses = []
        for row, state, target in prefixes:
            positive = float(state @ vectors[target] / vectors[target].norm()) / tau
            negatives = [
                float(state @ vectors[item] / vectors[item].norm()) / tau
                for other, _, item in prefixes
                if other != row and item not in own[row]
            ]
            item_losses.append(-positive + math.log(sum(math.exp(score) for score in [positive, *negatives])))
        views = []
        for view, reworded in zip(batch.views, batch.reworded, strict=True):
            seen = [others[item] if new else vectors[item] for item, new in zip(view, reworded, strict=True) if item]
            views.append(slow_state(model, seen))
        total, weight = 0.0, 0
        for row in range(len(items)):
            cut = int(batch.cuts[row])
            state, target = slow_state(model, vectors[items[row, : cut + 1]]), targets[row, cut]
            scores = [
                float(state @ view) / tau
                for other, view in enumerate(views)
                if other == row or targets[other, batch.cuts[other]] != target
            ]
            count = int((targets[row] > 0).sum())
            total += count * (math.log(sum(math.exp(score) for score in scores)) - float(state @ views[row]) / tau)
            weight += count
    return sum(item_losses) / len(item_losses) + model.sequence_loss_weight * total / weight


@pytest.mark.slow
def test_pretraining_loss_is_that_of_the_formulas_with_exact_negatives(domains):
    config = configured(domains, n_experts=2, sequence_loss_weight=0.7, train_batch_size=40, item_drop_coefficient=0.5)
    generator = torch.Generator().manual_seed(1)
    # Two users share items, so that there are false negatives to leave out.
    sequences = Sequences.from_events([0] * 5 + [1] * 4 + [2] * 3, [1, 2, 3, 4, 5, 9, 3, 4, 8, 6, 7, 4])
    ends = torch.tensor([1, 2, 3, 4, 6, 7, 8, 10, 11])
    starts = torch.tensor([0] * 4 + [5] * 3 + [9] * 2)
    texts = torch.randn(2, 9, 6, generator=generator).numpy()

    class Rows:
        n_inputs = 10

        def num(self, field):
            return 10

        def targets(self):
            return Targets(sequences, starts, ends)

    torch.manual_seed(7)
    model = perturbed(UniSRecPretraining(config, Rows(), *texts))
    kinds = set()
    for _ in range(6):
        for batch in model.training_batches(Targets(sequences, starts, ends), config, generator):
            expected = slow_pretraining_loss(model, batch)
            assert float(model.position_loss(batch).detach()) == pytest.approx(expected, rel=1e-4)
            kinds.add(bool(batch.reworded.any()))
    assert kinds == {True, False}


def test_words_are_dropped_at_the_ratio_and_never_all_of_them():
    texts = ["one", "", " ".join(f"word{number}" for number in range(2000))]
    dropped = drop_words(texts, 0.15, seed=1)
    assert dropped[:2] == ["one", ""] and len(dropped[2].split()) == pytest.approx(1700, abs=60)
    assert drop_words(texts, 0.15, seed=1) == dropped and drop_words(["a b"], 1.0, 0) == ["a"]


def resumable(folder, settings_, domains, epochs):
    train, valid = domains.split(5, 0)
    init_seed(1, True)
    texts = torch.randn(2, train.dataset.num(None) - 1, 6, generator=torch.Generator().manual_seed(2)).numpy()
    trainer = SequenceTrainer(settings_, UniSRecPretraining(settings_, train.dataset, *texts))
    trainer.keep_in(folder)
    trainer.epochs, trainer.stopping_step = epochs, 10
    trainer.fit(train, valid, verbose=False)
    return trainer


@pytest.mark.slow
def test_an_interrupted_pre_training_ends_like_an_uninterrupted_one(domains, workplace):
    config = configured(domains)
    sources = load_domains(config)
    whole = resumable(workplace / "whole", config, sources, 4)
    resumable(workplace / "parts", config, sources, 2)
    state = torch.get_rng_state()
    torch.rand(3)
    parts = resumable(workplace / "parts", config, sources, 4)
    torch.set_rng_state(state)
    for own, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(own, other)
    assert parts.best_valid_result == whole.best_valid_result
    best = [load_checkpoint(trainer.saved_model_file)[0] for trainer in (whole, parts)]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])
    # What is finished is not trained further.
    assert resumable(workplace / "parts", config, sources, 4).trained_targets == parts.trained_targets


@pytest.mark.slow
def test_pre_training_is_found_again_and_can_be_given(domains):
    first = find_or_pretrain(configured(domains))
    assert first.folder.parent == domains / "saved" and first.folder.name.startswith("unisrec-pens-lamps-")
    assert not list((domains / "saved").glob("unfinished-*"))
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    assert find_or_pretrain(configured(domains, model="UniSRec_IDt", training_rows="prefix")).folder == first.folder
    given = find_or_pretrain(configured(domains, pretrained=str(first.folder), source_domains=["nowhere"]))
    assert before == {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    assert all(torch.equal(first.state[name], given.state[name]) for name in first.state)
    assert find_or_pretrain(configured(domains, temperature=0.1, item_drop_coefficient=1)).folder != first.folder
    # Trials of one run share what is pre-trained, whatever their seeds.
    for trial in trials(["UniSRec"], [1, 2]):
        settings_ = trial_settings(configured(domains), trial)
        assert settings_["seed"] == trial.seed and find_or_pretrain(settings_).folder == first.folder
    assert find_or_pretrain(configured(domains, pretrain_seed=5)).folder != first.folder
    with pytest.raises(UserError, match=r"pens is among the pre-trained UniSRec's source domains \(pens, lamps\)"):
        pens = configured(domains, dataset="pens", pretrained=str(first.folder))
        find_or_pretrain(pens)


def test_a_damaged_folder_or_another_kind_is_refused_in_one_line(domains):
    folder = find_or_pretrain(configured(domains)).folder
    weights = folder / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"x")
    with pytest.raises(UserError, match=r"weights\.safetensors is damaged or was changed"):
        PretrainedUniSRec.open(folder)
    weights.unlink()
    with pytest.raises(UserError, match=r"lacks weights\.safetensors"):
        PretrainedUniSRec.open(folder)
    weights.write_bytes(content)
    description = json.loads((folder / "unisrec.json").read_text())
    (folder / "unisrec.json").write_text(json.dumps({**description, "seed": 1}))
    with pytest.raises(UserError, match=r"unisrec\.json is damaged or was changed"):
        find_or_pretrain(configured(domains))
    with pytest.raises(UserError, match=r"is no pre-trained UniSRec: it has no unisrec\.json; give a folder"):
        find_or_pretrain(configured(domains, pretrained=str(domains / "pens")))


def test_trials_from_another_pre_training_are_not_taken_and_those_from_a_copy_are(domains):
    first = find_or_pretrain(configured(domains)).folder
    other = find_or_pretrain(configured(domains, seed=7)).folder
    copy = shutil.copytree(first, domains / "copy")
    values = [given_values(configured(domains, pretrained=str(folder))) for folder in (first, other, copy)]
    kept = [Unfinished(value, "data").folder for value in values]
    assert kept[0] == kept[2] != kept[1]
