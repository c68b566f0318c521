"""PRECISE's universal data, its phases, and a universal model that is found, given and checked; no leak."""

import itertools

import numpy as np
import pytest
import torch
from recbole.data import create_dataset, data_preparation
from recbole.utils import init_seed

from recbole_idp.errors import UserError
from recbole_idp.models.precise.model import PRECISE_UT, transferable
from recbole_idp.models.precise.targeted_data import targeted_config
from recbole_idp.models.precise.universal import UniversalModel, UniversalTrainer, find_or_train
from recbole_idp.models.precise.universal_data import load_universal
from recbole_idp.run.prepare import data_fingerprint
from recbole_idp.run.run import run
from recbole_idp.testing.toy import write_dataset
from tests.support.precise import configured, fitted

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


def rated(folder, name="films"):
    """Writes a dataset with ratings, in which times tie: two events at a time, in the file's order."""
    draw = np.random.default_rng(5)
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(30):
        items = draw.permutation(20)[: int(draw.integers(6, 14))]
        for step, item in enumerate(items):
            lines.append(f"u{user}\ti{item}\t{draw.integers(1, 6)}\t{1000 * (user % 7) + step // 2}")
    (folder / name).mkdir()
    (folder / name / f"{name}.inter").write_text("\n".join(lines) + "\n")
    titles = [f"i{item}\tfilm number {item}" for item in range(20)]
    (folder / name / f"{name}.item").write_text("\n".join(["item_id:token\ttitle:token_seq", *titles]) + "\n")
    return [line.split("\t") for line in lines[1:]]


def split_of(folder, dataset="shop", **changes):
    config = configured(folder, dataset=dataset, **changes)
    loaders = data_preparation(config, create_dataset(config))
    return config, [loader.dataset for loader in loaders]


def events_of(domains, number=0):
    """Returns the tokens of each user's universal events in one domain, empty users left out."""
    offsets, found = domains.sequences.offsets.tolist(), []
    for begin, end in itertools.pairwise(offsets):
        items = [item for item in domains.sequences.items[begin:end].tolist() if domains.item_domain[item] == number]
        if items:
            found.append([domains.item_tokens[item] for item in items])
    return found


def test_all_events_before_what_is_held_out_are_universal_and_nothing_after(domains):
    rows = rated(domains)
    config, (train, valid, test) = split_of(domains, "films", source_domains=[])
    universal = load_universal(config, train)
    # The target's items keep their numbers, so that the universal model's rows are theirs.
    assert universal.item_tokens[: train.item_num] == train.item_tokens()
    assert set(universal.item_tokens[1:]) == {item for _, item, _, _ in rows}
    held = {}
    for part in (valid, test):
        for user, item in zip(part.user_tokens(), part.targets().items.tolist(), strict=True):
            held.setdefault(user, set()).add(part.item_tokens()[item])
    trained, expected = set(train.user_tokens()), []
    for user in dict.fromkeys(row[0] for row in rows):
        own = [(item, float(rating)) for who, item, rating, _ in rows if who == user]
        liked = [item for item, rating in own if rating >= 4]
        if user in held:
            assert held[user] <= set(liked[-2:])
        if user in trained:
            # A user of two liked films has none that is held out.
            places = [place for place, (item, _) in enumerate(own) if item in held.get(user, ())]
            first = min(places, default=len(own))
            expected.append([item for item, _ in own[:first]])
    found = events_of(universal)
    assert sorted(found) == sorted(events for events in expected if events)
    assert sum(map(len, found)) > len(train.targets()) + len(trained)


def test_only_targeted_events_are_trained_validated_and_tested_on(domains):
    rows = rated(domains)
    config, parts = split_of(domains, "films", source_domains=[])
    liked = {(user, item) for user, item, rating, _ in rows if float(rating) >= 4}
    for part in parts:
        tokens = [part.item_tokens()[item] for item in part.targets().items.tolist()]
        assert tokens and set(zip(part.user_tokens(), tokens, strict=True)) <= liked
    # A result says on which events it rests: that of a dataset without ratings is the same as without the key.
    whole = create_dataset(configured(domains, dataset="films", targeted_interval=None))
    assert data_fingerprint(parts[0]) != data_fingerprint(whole)
    config, (train, _, _) = split_of(domains)
    assert targeted_config(config) is config
    plain = create_dataset(configured(domains, targeted_interval=None))
    assert data_fingerprint(train) == data_fingerprint(plain)


def test_without_a_targeted_interval_what_is_universal_are_the_training_events(domains):
    config, (train, valid, test) = split_of(domains)
    universal = load_universal(config, train)
    sequences, targets = train.sequences, train.targets()
    lengths = {}
    for start, end in zip(targets.starts.tolist(), targets.ends.tolist(), strict=True):
        lengths[start] = max(lengths.get(start, 0), end + 1)
    tokens = train.item_tokens()
    expected = [[tokens[item] for item in sequences.items[a:b].tolist()] for a, b in lengths.items()]
    assert sorted(events_of(universal)) == sorted(expected)
    # Both sources follow whole, apart from the target's users.
    assert [domain.name for domain in universal.domains] == ["shop", "pens", "lamps"]
    for number, name in ((1, "pens"), (2, "lamps")):
        text = (domains / name / f"{name}.inter").read_text().splitlines()[1:]
        assert sum(map(len, events_of(universal, number))) == len(text)
    held = torch.cat([valid.targets().ends, test.targets().ends])
    assert sum(map(len, expected)) + len(held) == len(sequences.items)


def test_events_of_shared_users_are_merged_in_the_order_of_time(domains):
    for name, hours in (("mine", (1, 3, 5, 7, 9)), ("other", (2, 4, 6, 8, 10))):
        (domains / name).mkdir()
        lines = [f"anna\t{name}{hour}\t{hour}" for hour in hours]
        header = "user_id:token\titem_id:token\ttimestamp:float"
        (domains / name / f"{name}.inter").write_text("\n".join([header, *lines]) + "\n")
    config, (train, _, _) = split_of(domains, "mine", source_domains=["other"], shared_users=[["mine", "other"]])
    universal = load_universal(config, train)
    tokens = [universal.item_tokens[item] for item in universal.sequences.items.tolist()]
    assert tokens == ["mine1", "other2", "mine3", "other4", "mine5", "other6", "other8", "other10"]
    apart = load_universal(configured(domains, dataset="mine", source_domains=["other"]), train)
    assert len(apart.sequences.lengths().nonzero()) == 2
    with pytest.raises(UserError, match=r"shared_users names others, .* did you mean other"):
        load_universal(configured(domains, dataset="mine", source_domains=["other"], shared_users=[["others"]]), train)


def test_of_users_that_few_shot_leaves_out_nothing_is_universal(domains):
    config, (train, _, _) = split_of(domains, train_users_share=0.2)
    assert len(events_of(load_universal(config, train))) == len(set(train.user_tokens())) == 6


def universal_training(folder, config, domains, epochs):
    train, valid = domains.split(5, 0)
    init_seed(1, True)
    model = PRECISE_UT(config, train.dataset)
    tokens = torch.randn(len(domains.item_tokens) - 1, 2, 4, generator=torch.Generator().manual_seed(2))
    model.fusion.start_tokens(tokens.numpy())
    trainer = UniversalTrainer(config, model)
    trainer.keep_in(folder)
    trainer.epochs, trainer.stopping_step = epochs, 1
    trainer.fit(train, valid, verbose=False)
    return trainer, tokens.flatten(1)


def test_token_vectors_are_trained_in_the_second_phase_only_and_ids_in_both(domains, workplace):
    config, (train, _, _) = split_of(domains, pretrain_epochs=8)
    universal = load_universal(config, train)
    config = configured(domains, model="PRECISE_UT", epochs=8)
    trainer, tokens = universal_training(workplace / "a", config, universal, 4)
    assert trainer.frozen_epochs == 4
    fusion = trainer.model.fusion
    assert torch.equal(fusion.tokens[1:], tokens) and fusion.tokens.grad is None
    assert fusion.ids.grad.abs().sum() > 0
    # Patience of one epoch has not ended the first phase; the second begins where it was left.
    ids = fusion.ids.detach().clone()
    trainer, _ = universal_training(workplace / "a", config, universal, 5)
    fusion = trainer.model.fusion
    assert trainer.start_epoch == 4
    assert not torch.equal(fusion.tokens[1:], tokens) and fusion.tokens.grad.abs().sum() > 0
    assert not torch.equal(fusion.ids, ids) and fusion.ids.grad.abs().sum() > 0


@pytest.mark.slow
def test_the_targets_validated_users_tell_the_best_epoch_and_no_training_event_is_left_out(domains):
    config, (train, valid, _) = split_of(domains, source_domains=[])
    universal = load_universal(config, train)
    everything, nothing = universal.split(0, 0)
    assert len(everything) == (universal.sequences.lengths() - 1).clamp(min=0).sum()
    assert len(nothing) == 0
    found = find_or_train(config, train, valid)
    assert len(valid.targets()) > config["pretrain_valid_users"]
    assert find_or_train(config, train).folder != found.folder
    every = {"source_domains": [], "pretrain_valid_users": len(valid.targets())}
    found = find_or_train(configured(domains, **every), train, valid)
    _, trainer, _ = fitted(domains, "PRECISE_UT", **every)
    assert trainer.best_valid_result["mrr"] == pytest.approx(found.description["valid"]["mrr"], abs=1e-4)


@pytest.mark.slow
def test_an_interrupted_universal_training_ends_like_an_uninterrupted_one(domains, workplace):
    config, (train, _, _) = split_of(domains)
    universal, config = load_universal(config, train), configured(domains, model="PRECISE_UT", epochs=4)
    whole, _ = universal_training(workplace / "whole", config, universal, 4)
    for epochs in (1, 3, 4):
        parts, _ = universal_training(workplace / "parts", config, universal, epochs)
    for own, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(own, other)


@pytest.mark.slow
def test_the_universal_model_is_found_again_shared_and_given(domains):
    config, (train, _, _) = split_of(domains)
    first = find_or_train(config, train)
    assert first.folder.name.startswith("precise-shop-pens-lamps-")
    assert not list((domains / "saved").glob("unfinished-*"))
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    model, _, _ = fitted(domains, "PRECISE_UT", learning_rate=0.5, targeted_rows=3)
    taken = transferable(model)
    rows = first.rows(train.item_tokens())
    assert torch.equal(taken["fusion.ids"], first.state["fusion.ids"][rows])
    assert torch.equal(taken["encoder.norm.weight"], first.state["encoder.norm.weight"])
    given, _ = split_of(domains, pretrained=str(first.folder), source_domains=["nowhere"])
    assert find_or_train(given, train).folder == first.folder
    assert before == {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    other, _ = split_of(domains, fusion="mean")
    assert find_or_train(other, train).folder != first.folder
    # With another split what was trained on might be tested.
    shifted, _ = split_of(domains, pretrained=str(first.folder), item_inter_num_interval="[1,inf)")
    with pytest.raises(UserError, match="trained for shop with another split"):
        find_or_train(shifted, train)
    with pytest.raises(UserError, match="does not fit this model: hidden_size, n_layers"):
        fitted(domains, "PRECISE", pretrained=str(first.folder), n_layers=2)


@pytest.mark.slow
def test_a_damaged_folder_is_refused_in_one_line(domains):
    config, (train, _, _) = split_of(domains)
    folder = find_or_train(config, train).folder
    (folder / "items.tsv").write_text("domain\titem\n")
    with pytest.raises(UserError, match=r"items\.tsv is damaged or was changed"):
        UniversalModel.open(folder)
    with pytest.raises(UserError, match=r"is no universal PRECISE: it has no precise\.json"):
        UniversalModel.open(domains / "pens")


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["id_only", "concat"])
def test_both_stages_run_with_other_fusions_and_without_sources(domains, fusion):
    write_dataset(domains, "wide", 20, n_items=12)
    _, trainer, test = fitted(domains, "PRECISE", "wide", fusion=fusion, source_domains=[], epochs=1)
    assert 0 <= trainer.evaluate(test)["hit@1"] <= 1
    assert not list((domains / "saved").glob("*-experts.svg"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PRECISE", "PRECISE_UT", "PRECISE_TT"])
def test_a_run_leaves_what_is_served_like_the_model(domains, name):
    result = run(configured(domains, model=name, pretrain_epochs=1, epochs=1))
    assert set(result["variants"]) == {name} and 0 <= result["variants"][name]["test"]["ndcg@5"] <= 1
    assert result["trained"]["trial"] == f"{name}-2020"


@pytest.mark.slow
def test_the_universal_models_training_is_counted_when_it_is_found_as_when_it_is_made(domains):
    for found in (False, True):
        assert bool(list((domains / "saved").glob("precise-*"))) == found
        result = run(configured(domains, model="PRECISE_UT", source_domains=[], pretrain_epochs=5, keep_trained=False))
        (folder,) = (domains / "saved").glob("precise-*")
        assert result["variants"]["PRECISE_UT"]["seconds"] > UniversalModel.open(folder).description["seconds"] > 0
