"""CDIM: losses against loops written from the formulas, training at each depth, interruption, and bundles."""

import functools
import json
import math
import shutil

import numpy as np
import pytest
import torch

from recbole_idp import testing
from recbole_idp.content.text.encoder import load_text_encoder
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.content.text.keys import TextSettings
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.data.sequences import Sequences
from recbole_idp.errors import UserError
from recbole_idp.models.idp.bundle import Bundle, ItemNames, bundle_card, bundle_content
from recbole_idp.models.idp.cdim.depths import SourceItems, train_matcher
from recbole_idp.models.idp.cdim.head import HeadTrainee, MatchingHead
from recbole_idp.models.idp.cdim.layers import LayersTrainee, LoRATrainee
from recbole_idp.models.idp.cdim.losses import Neighbourhoods, cdim_losses
from recbole_idp.models.idp.cdim.neighbours import NOBODY, behaviour_neighbours, recall_of_neighbours
from recbole_idp.models.idp.cdim.trainer import CdimTrainer, Schedule, held_out
from recbole_idp.models.idp.keys import MatcherSettings
from recbole_idp.models.idp.pretrain import find_or_pretrain
from recbole_idp.models.idp.source_model import SourceModel
from recbole_idp.storage.files import fingerprint
from recbole_idp.testing.toy import WORDS
from recbole_idp.train.clock import StageClock
from recbole_idp.train.pretrained_folder import write_folder
from tests.support.commands import command, refused
from tests.support.encoders import write_bert

configured = functools.partial(testing.configured, model="IDP")
KEYS = {
    "cdim_depth": "head",
    "cdim_losses": ["text", "behaviour"],
    "cdim_temperature": 0.1,
    "cdim_neighbours": 5,
    "cdim_valid_items": 60,
    "cdim_epochs": 4,
    "cdim_batch_size": 64,
    "cdim_learning_rate": 0.05,
    "cdim_dropout": 0.1,
    "cdim_layers": 1,
    "cdim_encoder_epochs": 1,
    "cdim_encoder_batch_size": 16,
    "cdim_encoder_learning_rate": 0.01,
    "cdim_lora_rank": 2,
    "cdim_lora_learning_rate": 0.05,
}


def unit(vectors):
    return vectors / vectors.norm(dim=1, keepdim=True)


# ---- losses


def loss_of_one(first, positive, negatives, temperature):
    """-log(e^(t t+) / (e^(t t+) + sum_k e^(t t_k))), each similarity over the temperature."""
    positive = math.exp(float(first @ positive) / temperature)
    return -math.log(positive / (positive + sum(math.exp(float(first @ other) / temperature) for other in negatives)))


def test_losses_are_those_of_a_loop_over_the_formulas():
    torch.manual_seed(0)
    first, second, neighbour = torch.randn(3, 9, 6).double()
    allowed = torch.rand(9, 9) > 0.3
    allowed &= allowed.T.clone()
    allowed.fill_diagonal_(False)
    has_one = torch.arange(9) % 4 > 0
    everyone = torch.ones(9, dtype=torch.bool)
    found = cdim_losses(first, {"text": (second, everyone), "behaviour": (neighbour, has_one)}, allowed, 0.2)
    for name, vectors, rows in (("text", second, everyone), ("behaviour", neighbour, has_one)):
        losses = [
            loss_of_one(unit(first)[i], unit(vectors)[i], unit(first)[allowed[i]], 0.2) for i in range(9) if rows[i]
        ]
        assert math.isclose(float(found[name]), sum(losses) / len(losses), rel_tol=1e-9)


def test_items_without_negatives_or_positives_give_neither_loss_nor_gradient():
    first = torch.randn(4, 3, requires_grad=True)
    allowed = torch.zeros(4, 4, dtype=torch.bool)
    allowed[0, 1] = allowed[1, 0] = True
    nobody = torch.zeros(4, dtype=torch.bool)
    losses = cdim_losses(first, {"text": (first * 2, ~nobody), "behaviour": (first + 1, nobody)}, allowed, 0.05)
    sum(losses.values()).backward()
    assert losses["behaviour"].item() == 0 and losses["text"].item() > 0
    assert torch.isfinite(first.grad).all() and (first.grad[2:] == 0).all() and (first.grad[:2] != 0).any()


def test_known_false_negatives_are_masked_and_positives_are_drawn_from_the_neighbours():
    draw = np.random.default_rng(0)
    neighbours = behaviour_neighbours(draw.normal(size=(40, 3)), 6)
    neighbours[:5] = NOBODY
    neighbours[5:20, 3:] = NOBODY
    texts = draw.integers(0, 25, 40)
    trained = draw.random(40) > 0.2
    hoods = Neighbourhoods(neighbours, texts, trained)
    rows = torch.from_numpy(draw.permutation(40)[:30])
    for _ in range(2):  # nothing of one batch may stay for the next
        allowed = hoods.negatives_allowed(rows)
        for i, one in enumerate(rows.tolist()):
            for k, other in enumerate(rows.tolist()):
                together = one == other or texts[one] == texts[other]
                together = together or other in neighbours[one] or one in neighbours[other]
                assert bool(allowed[i, k]) == (not together)
        rows = rows.flip(0)[:17]

    generator = torch.Generator().manual_seed(0)
    drawn = {item: set() for item in range(40)}
    for _ in range(300):
        positives, has_one = hoods.draw(torch.arange(40), generator)
        for item in range(40):
            if has_one[item]:
                drawn[item].add(int(positives[item]))
    for item in range(40):
        assert drawn[item] == {other for other in neighbours[item] if other != NOBODY and trained[other]}


# ---- the head


def test_an_untrained_head_leaves_the_vectors_as_they_are():
    vectors = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    vectors[3] = 0
    head = MatchingHead(6)
    assert (head.apply_to(vectors) == vectors).all()
    torch.nn.init.normal_(head.change.weight)
    torch.nn.init.ones_(head.change.bias)
    changed = head.apply_to(vectors)
    assert (changed[3] == 0).all() and (changed != vectors)[np.arange(20) != 3].any(1).all()


def two_clusters(items=400):
    """Items of two kinds, which behaviour tells apart and texts hardly do: one component of eight does."""
    draw = np.random.default_rng(0)
    kind = np.arange(items) % 2
    behaviour = np.stack([kind, 1 - kind], 1) + draw.normal(0, 0.1, (items, 2))
    texts = draw.normal(size=(items, 8))
    texts[:, 0] = (kind - 0.5) * 1.2 + draw.normal(0, 0.05, items)
    return kind, behaviour, texts.astype(np.float32)


def kept_in(folder):
    """Returns the settings of texts whose vectors are kept in a folder."""
    return TextEncoding(TextSettings(), ItemFileFormat(), "cpu", folder, show_progress=False, target="", data_path="")


def trainer_of(tmp_path, trainee=None, seed=3, **changes):
    """Returns a trainer for the two clusters."""
    settings = MatcherSettings(**{**KEYS, **changes})
    _, behaviour, texts = two_clusters()
    trainee = trainee or HeadTrainee(texts, settings.cdim_dropout)
    schedule = Schedule(settings.cdim_epochs, settings.cdim_batch_size, settings.cdim_learning_rate)
    neighbours = behaviour_neighbours(behaviour, settings.cdim_neighbours)
    checkpoint = tmp_path / "cdim.safetensors"
    return CdimTrainer(settings, trainee, schedule, neighbours, np.arange(len(texts)), checkpoint, seed)


def purity(vectors):
    """Returns how many of the ten nearest items are of the same kind."""
    kind, _, _ = two_clusters()
    vectors = torch.from_numpy(vectors)
    similarity = unit(vectors) @ unit(vectors).T
    nearest = similarity.fill_diagonal_(-9).topk(10).indices.numpy()
    return float((kind[nearest] == kind[:, None]).mean())


def test_the_head_learns_what_tells_behaviour_apart(tmp_path):
    _, _, texts = two_clusters()
    trainer = trainer_of(tmp_path, trainee := HeadTrainee(texts, 0.1), cdim_epochs=10)
    trainer.fit()
    before, after = trainer.history[0], trainer.history[trainer.best_epoch]
    assert trainer.best_epoch > 0 and len(trainer.history) == 11
    # Within a kind nothing tells the neighbours apart: 50 of 200 items hold a quarter of them, of 400 an eighth.
    assert before["recall@50"] < 0.18 and after["recall@50"] > 0.23
    assert purity(texts) < 0.8 and purity(trainee.vectors()) > 0.99


def test_the_best_epoch_is_kept_and_none_where_training_only_harms(tmp_path):
    _, behaviour, _ = two_clusters()
    vectors = behaviour.astype(np.float32)  # the frozen vectors are perfect
    trainer = trainer_of(tmp_path, trainee := HeadTrainee(vectors, 0.5), cdim_losses=["text"], cdim_learning_rate=3.0)
    trainer.fit()
    assert trainer.best_epoch == 0
    assert trainer.history[0]["recall@50"] > max(quality["recall@50"] for quality in trainer.history[1:])
    assert (trainee.vectors() == vectors).all()


def test_the_trainee_holds_what_the_best_epoch_gave(tmp_path):
    _, _, texts = two_clusters()
    trainer = trainer_of(tmp_path, trainee := HeadTrainee(texts, 0.1))
    trainer.fit()
    quality = recall_of_neighbours(trainee.vectors(), trainer._neighbours, trainer.valid, [10, 50])
    assert quality == trainer.history[trainer.best_epoch]


def test_each_loss_alone_is_an_ablation(tmp_path, caplog):
    caplog.set_level("INFO")
    heads = {}
    for losses in (["text"], ["behaviour"], ["text", "behaviour"]):
        _, _, texts = two_clusters()
        trainee = HeadTrainee(texts, 0.1)
        caplog.clear()
        trainer_of(tmp_path / "-".join(losses), trainee, cdim_losses=losses, cdim_epochs=1).fit()
        (line,) = [record.getMessage() for record in caplog.records if "epoch 1/1" in record.getMessage()]
        assert [f"{name} loss" in line for name in ("text", "behaviour")] == [
            "text" in losses,
            "behaviour" in losses,
        ]
        assert "recall@10" in line and "recall@50" in line and line.endswith(" s")
        heads["-".join(losses)] = trainee.vectors()
    assert not np.array_equal(heads["text"], heads["behaviour"])
    assert not np.array_equal(heads["behaviour"], heads["text-behaviour"])


def test_items_kept_out_are_neither_trained_on_nor_drawn(tmp_path):
    seen = []

    class Watched(HeadTrainee):
        def encode(self, rows):
            seen.append(rows)
            return super().encode(rows)

    trainer = trainer_of(tmp_path, Watched(two_clusters()[2], 0.1), cdim_epochs=2)
    trainer.fit()
    seen = set(torch.cat(seen).tolist())
    assert len(trainer.valid) == 60 and not seen & set(trainer.valid.tolist())
    assert len(seen) == 340


def test_what_is_kept_out_is_at_most_a_fifth_of_the_items_with_neighbours():
    neighbours = np.zeros((50, 2), dtype=np.int64)
    neighbours[20:] = NOBODY
    texts = np.arange(50)
    texts[[1, 30]] = -1
    valid, train = held_out(neighbours, texts, 2000, 0)
    assert len(valid) == 4 and valid.max() < 20
    assert sorted([*valid, *train]) == [item for item in range(50) if item not in {1, 30} - set(valid)]
    assert len(held_out(neighbours[:4], texts[:4], 2000, 0)[0]) == 0


# ---- interruption


class Interrupted(HeadTrainee):
    """Is interrupted in the middle of an epoch, as by Ctrl-C."""

    calls_left = 12

    def encode(self, rows):
        self.calls_left -= 1
        if not self.calls_left:
            raise KeyboardInterrupt
        return super().encode(rows)


def test_resumed_training_equals_training_without_interruption(tmp_path, caplog):
    _, _, texts = two_clusters()
    whole = trainer_of(tmp_path / "whole", whole_trainee := HeadTrainee(texts, 0.1))
    whole.fit()
    assert (tmp_path / "whole" / "cdim.safetensors").is_file()

    with pytest.raises(KeyboardInterrupt):
        trainer_of(tmp_path / "cut", Interrupted(texts, 0.1)).fit()
    torch.rand(100)  # what else draws random numbers in between does not matter
    caplog.set_level("INFO")
    resumed = trainer_of(tmp_path / "cut", resumed_trainee := HeadTrainee(texts, 0.1))
    resumed.fit()
    assert "The training of CDIM resumes after epoch 1" in caplog.text and "before training" not in caplog.text
    assert resumed.history == whole.history and len(whole.history) == 5
    assert (resumed_trainee.vectors() == whole_trainee.vectors()).all()


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(tmp_path):
    vectors = []
    for number, seed in enumerate((3, 3, 4)):
        trainee = HeadTrainee(two_clusters()[2], 0.1)
        trainer_of(tmp_path / str(number), trainee, seed=seed).fit()
        vectors.append(trainee.vectors())
    assert (vectors[0] == vectors[1]).all() and not np.array_equal(vectors[0], vectors[2])


@pytest.mark.parametrize("damage", [b"", b"something else", None])
def test_a_checkpoint_that_does_not_fit_is_not_taken(tmp_path, caplog, damage):
    _, _, texts = two_clusters()
    expected = trainer_of(tmp_path / "new")
    expected.fit()
    path = tmp_path / "old" / "cdim.safetensors"
    path.parent.mkdir()
    if damage is None:
        narrow = trainer_of(tmp_path / "old", HeadTrainee(texts[:, :4], 0.1), cdim_epochs=1)
        narrow.fit()
    else:
        path.write_bytes(damage)
    trainer = trainer_of(tmp_path / "old")
    trainer.fit()
    assert "starts again from the beginning" in caplog.text
    assert trainer.history == expected.history


# ---- layers of a transformer


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory):
    """The folder of an untrained BERT of three layers."""
    folder = tmp_path_factory.mktemp("encoders") / "bert"
    folder.mkdir()
    words = {word for text in WORDS for word in text.split()} | {str(number) for number in range(40)}
    write_bert(folder, sorted(words), n_layers=3)
    return folder


def shop(items=120):
    """Texts of different lengths, two of them blank, and behaviour that their first word decides on."""
    texts = [f"{WORDS[item % 8]} {item // 8}" + " pen" * (item % 5) for item in range(items)]
    texts[7] = texts[50] = ""
    draw = np.random.default_rng(0)
    behaviour = np.eye(8)[np.arange(items) % 8] + draw.normal(0, 0.05, (items, 8))
    return texts, torch.from_numpy(behaviour).float()


@pytest.fixture(scope="module")
def trained(tiny_bert, tmp_path_factory):
    """Returns a function that trains a matcher on the shop's items at a depth."""
    folder = tmp_path_factory.mktemp("trained")
    encoder = load_text_encoder(tiny_bert)
    texts, behaviour = shop()
    items = of_one_domain(behaviour, texts, encoder.encode(texts))

    def train(depth, **changes):
        settings = MatcherSettings(**{**KEYS, "cdim_depth": depth, "cdim_valid_items": 20, **changes})
        checkpoint = folder / f"{depth}-{fingerprint(changes)}"
        return encoder, items, *train_matcher(settings, items, encoder, kept_in(folder), checkpoint, seed=3)

    return train


def of_one_domain(embeddings, texts, vectors):
    """Returns source items of one domain, each with an event, and nothing that follows another."""
    alone = Sequences.from_events(np.arange(len(texts)), np.arange(1, len(texts) + 1))
    return SourceItems(embeddings, np.ones(len(texts)), texts, vectors, np.zeros(len(texts), dtype=int), alone)


def layers_trainee(encoder, layers, folder):
    return LayersTrainee(encoder, shop()[0], layers, folder)


@pytest.mark.parametrize("layers", [1, 2, 3, None])
def test_untrained_layers_give_the_vectors_of_the_encoder(tiny_bert, tmp_path, layers):
    encoder = load_text_encoder(tiny_bert)
    texts, _ = shop()
    expected = encoder.encode(texts)
    trainee = layers_trainee(encoder, layers, tmp_path)
    assert np.abs(trainee.vectors() - expected).max() < (2e-3 if layers else 1e-5)  # lower layers in half precision
    assert (trainee.vectors()[[7, 50]] == 0).all()
    assert len(list(trainee.module.parameters())) > 0
    tuned = trainee.tuned_encoder()
    assert (tuned.encode(texts) == expected).all() and tuned.fingerprint == encoder.fingerprint


def test_the_two_passes_of_an_item_drop_other_states(tiny_bert, tmp_path):
    for layers in (1, None):
        trainee = layers_trainee(load_text_encoder(tiny_bert), layers, tmp_path)
        first, second = trainee.encode(torch.tensor([4, 4]))
        assert not torch.allclose(first, second) and first.requires_grad
        assert (trainee.vectors() == trainee.vectors()).all()


def test_outputs_of_lower_layers_are_computed_once(tiny_bert, tmp_path, monkeypatch):
    from recbole_idp.content.trainable import lower_layers

    monkeypatch.setattr(lower_layers, "_BLOCK_TEXTS", 32)
    encoder = load_text_encoder(tiny_bert)
    first = layers_trainee(encoder, 1, tmp_path).vectors()
    (folder,) = tmp_path.iterdir()
    blocks = sorted(folder.glob("*.npy"))
    assert len(blocks) == 4
    times = {path: path.stat().st_mtime_ns for path in blocks}
    blocks[1].unlink()
    blocks[2].write_bytes(blocks[2].read_bytes()[:-100])
    assert (layers_trainee(encoder, 1, tmp_path).vectors() == first).all()
    made = [path for path in blocks if path.stat().st_mtime_ns != times[path]]
    assert made == blocks[1:3]
    # What others have written, or for another place, does not count.
    times = {path: path.stat().st_mtime_ns for path in blocks}
    shutil.copy(blocks[1], blocks[2])
    content = bytearray(blocks[3].read_bytes())
    content[len(content) // 2] ^= 1
    blocks[3].write_bytes(content)
    assert (layers_trainee(encoder, 1, tmp_path).vectors() == first).all()
    assert [path for path in blocks if path.stat().st_mtime_ns != times[path]] == blocks[2:]
    layers_trainee(encoder, 2, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def changed_layers(encoder, tuned):
    """Returns what has other weights: ``embeddings`` and the numbers of layers."""
    before, after = encoder.model.state_dict(), tuned.model.state_dict()
    names = [name for name in before if not torch.equal(before[name], after[name])]
    return {int(name.split(".layer.")[1][0]) if ".layer." in name else "embeddings" for name in names}


@pytest.mark.parametrize(
    ("depth", "layers", "changed"),
    [
        ("last_n", 1, {2}),
        ("last_n", 2, {1, 2}),
        ("full", 1, {"embeddings", 0, 1, 2}),
        ("lora", 1, {0, 1, 2}),
    ],
)
def test_layers_learn_and_the_others_stay(tiny_bert, trained, caplog, depth, layers, changed):
    caplog.set_level("INFO")
    digits = load_text_encoder(tiny_bert).fingerprint
    encoder, items, matcher, about = trained(depth, cdim_layers=layers, cdim_encoder_epochs=3)
    assert f"CDIM {depth}: about " in caplog.text and "minutes on this machine" in caplog.text
    assert about["matcher"] == "encoder" and about["after"]["recall@10"] > about["before"]["recall@10"]
    assert encoder.copy().fingerprint == digits != matcher.encoder.fingerprint
    assert changed_layers(encoder, matcher.encoder) == changed
    vectors = matcher.vectors(items.texts, items.frozen_vectors)
    assert (vectors == matcher.encoder.encode(items.texts)).all() and (vectors[[7, 50]] == 0).all()


def test_layers_resume_where_they_stood(tiny_bert, tmp_path):
    encoder = load_text_encoder(tiny_bert)
    texts, behaviour = shop()
    neighbours = behaviour_neighbours(behaviour, 5, np.array([bool(text) for text in texts]))
    numbers = np.array([texts.index(text) if text else -1 for text in texts])

    def trained(folder, interrupt_at=None):
        trainee = LayersTrainee(encoder, texts, 1, tmp_path / "cache")
        encode = trainee.encode

        def counted(rows, calls=[0]):  # noqa: B006, it counts
            calls[0] += 1
            if calls[0] == interrupt_at:
                raise KeyboardInterrupt
            return encode(rows)

        trainee.encode = counted
        schedule, checkpoint = Schedule(3, 16, 0.001), tmp_path / folder / "c"
        trainer = CdimTrainer(MatcherSettings(**KEYS), trainee, schedule, neighbours, numbers, checkpoint, seed=3)
        trainer.fit()
        return trainer.history, trainee.vectors()

    history, vectors = trained("whole")
    with pytest.raises(KeyboardInterrupt):
        trained("cut", interrupt_at=10)
    assert (tmp_path / "cut" / "c").is_file()
    resumed, resumed_vectors = trained("cut")
    assert resumed == history and (resumed_vectors == vectors).all()


def test_measuring_how_long_it_takes_changes_nothing(tmp_path):
    histories = []
    for asked in (False, True):
        trainer = trainer_of(tmp_path / str(asked))
        if asked:
            assert trainer.estimate() > 0
        trainer.fit()
        histories.append(trainer.history)
    assert histories[0] == histories[1]


@pytest.mark.parametrize("depth", ["last_n", "full", "lora"])
def test_layers_are_trained_on_all_items_with_text_that_are_not_held_out(tiny_bert, tmp_path, monkeypatch, depth):
    seen = []
    encode = LayersTrainee.encode
    monkeypatch.setattr(LayersTrainee, "encode", lambda self, rows: seen.append(rows) or encode(self, rows))
    monkeypatch.setattr(CdimTrainer, "estimate", lambda self: 0)
    encoder, (texts, behaviour) = load_text_encoder(tiny_bert), shop()
    items = of_one_domain(behaviour, texts, encoder.encode(texts))
    settings = MatcherSettings(**{**KEYS, "cdim_depth": depth, "cdim_valid_items": 20})
    train_matcher(settings, items, encoder, kept_in(tmp_path), tmp_path / "c", seed=3)
    seen = set(torch.cat(seen).tolist())
    assert len(seen) == len(texts) - 2 - 20 and not seen & {7, 50}


def test_untrained_low_rank_changes_give_the_vectors_of_the_encoder_and_are_all_that_is_trained(tiny_bert, tmp_path):
    encoder, (texts, _) = load_text_encoder(tiny_bert), shop()
    trainee = LoRATrainee(encoder, texts, 2, tmp_path)
    assert np.abs(trainee.vectors() - encoder.encode(texts)).max() < 1e-5
    layers = 3
    assert sum(weight.numel() for weight in trainee.module.parameters()) == layers * 2 * 2 * (2 * encoder.width)
    trainee.encode(torch.tensor([1, 2])).square().sum().backward()
    assert all(weight.grad is not None for weight in trainee.module.parameters())
    assert not any(tmp_path.iterdir())


def test_the_tuned_encoder_has_the_low_rank_changes_in_its_weights(tiny_bert, tmp_path):
    encoder, (texts, _) = load_text_encoder(tiny_bert), shop()
    trainee = LoRATrainee(encoder, texts, 2, tmp_path)
    with torch.no_grad():
        for weight in trainee.module.parameters():
            weight.normal_(std=0.5)
    expected = trainee.vectors()
    assert np.abs(expected - encoder.encode(texts)).max() > 0.01
    tuned = trainee.tuned_encoder()
    assert tuned.model.state_dict().keys() == encoder.model.state_dict().keys()
    np.testing.assert_allclose(tuned.encode(texts), expected, atol=1e-5)


# ---- the bundle


def staged(folder, **changes):
    """Finds or makes a bundle; returns it, the stages that this took, and the configuration."""
    clock = StageClock()
    config = configured(folder, **changes)
    return find_or_pretrain(config, clock), set(clock.stages), config


@pytest.mark.parametrize("depth", ["none", "head", "last_n", "full", "lora"])
def test_bundles_keep_what_was_learned(domains, trained, depth):
    bundle, _, config = staged(domains, cdim_depth="none")
    encoder, _, matcher, about = trained(depth)
    frozen = encoder.encode(bundle.titles)
    vectors = frozen, matcher.vectors(bundle.titles, frozen)
    source = SourceModel(bundle.item_embeddings, bundle.encoder, bundle.description["valid"])
    names = ItemNames(bundle.domains, bundle.tokens, bundle.titles)
    content = bundle_content(source, [], names, vectors, (encoder, matcher), {})
    description = {**bundle.description, "cdim": about}
    write_folder(domains / "changed", Bundle.folder_format, content, description, bundle_card(description))
    opened = Bundle.open(domains / "changed")
    files = {"none": set(), "head": {"cdim/head.safetensors"}}
    assert files.get(depth, {"cdim/model.safetensors", "cdim/config.json"}) <= set(opened.description["sha256"])
    assert opened.description["cdim"] == about
    assert (opened.text_vectors == frozen).all() and (opened.adapted_vectors == vectors[1]).all()
    assert np.array_equal(opened.adapted_vectors, frozen) == (depth == "none")
    for n in (1, 16):
        found = opened.matcher(TextEncoding.of(config)).vectors(bundle.titles[:n], frozen[:n])
        assert np.allclose(found, opened.adapted_vectors[:n], atol=1e-6)
    card = (domains / "changed" / "README.md").read_text()
    assert ("the text encoder as it is" if depth == "none" else f"CDIM, depth {depth}; behaviour") in card


def test_bundles_of_the_first_format_match_by_the_frozen_vectors(domains):
    bundle, _, config = staged(domains, cdim_depth="none")
    path = bundle.folder / "bundle.json"
    description = json.loads(path.read_text())
    for key in ("checksum", "cdim", "pretrain_fingerprint"):
        del description[key]
    description["version"] = 1
    path.write_text(json.dumps({**description, "checksum": fingerprint(description)}))
    opened = Bundle.open(bundle.folder)
    assert (opened.adapted_vectors == bundle.text_vectors).all()
    assert opened.matcher(TextEncoding.of(config)).vectors([], bundle.text_vectors) is bundle.text_vectors


def test_changing_the_matcher_alone_does_not_train_the_sequence_model_again(domains):
    first, stages, _ = staged(domains, cdim_depth="none")
    assert {"pretrain", "cdim"} <= stages
    second, stages, _ = staged(domains, cdim_depth="head")
    assert "pretrain" not in stages and "cdim" in stages
    assert second.folder != first.folder and torch.equal(second.item_embeddings, first.item_embeddings)
    assert all(torch.equal(second.encoder[name], value) for name, value in first.encoder.items())
    assert second.description["valid"] == first.description["valid"]
    assert second.description["pretrain_fingerprint"] == first.description["pretrain_fingerprint"]
    # texts decide on the matcher only
    assert "pretrain" not in staged(domains, text_length=5)[1]
    assert "pretrain" in staged(domains, seed=1)[1]
    # a key that the depth does not look at decides on nothing
    assert staged(domains, cdim_depth="head", cdim_layers=1, cdim_lora_rank=3)[1] == set()
    assert staged(domains, cdim_depth="head", cdim_positives="next_items")[1] == {"read", "encode", "cdim"}
    assert staged(domains, cdim_depth="head", cdim_temperature=0.1)[1] == {"read", "encode", "cdim"}
    assert staged(domains, cdim_depth="none")[1] == set()


def test_a_damaged_bundle_is_not_where_the_sequence_model_is_taken_from(domains):
    first, _, _ = staged(domains, cdim_depth="none")
    (first.folder / "items.safetensors").write_bytes(b"")
    second, stages, _ = staged(domains, cdim_depth="head")
    assert "pretrain" in stages and len(second.item_embeddings) == 16


def test_an_interrupted_matcher_does_not_lose_the_sequence_model(domains, monkeypatch):
    from recbole_idp.models.idp.cdim import trainer

    whole, _, _ = staged(domains, checkpoint_dir=str(domains / "whole"))
    quality, calls = trainer.CdimTrainer._quality, []

    def interrupted(trainer):
        calls.append(trainer)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return quality(trainer)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer.CdimTrainer, "_quality", interrupted)
        staged(domains)
    (unfinished,) = (domains / "saved").glob("unfinished-pretrain-*")
    assert {path.name.split("-")[0] for path in unfinished.iterdir()} == {"source", "cdim"}
    resumed, stages, _ = staged(domains)
    assert "pretrain" not in stages and not unfinished.exists()
    assert torch.equal(resumed.item_embeddings, whole.item_embeddings)
    assert (resumed.adapted_vectors == whole.adapted_vectors).all()
    assert resumed.description["cdim"] == whole.description["cdim"]


def test_too_few_items_leave_the_frozen_vectors(domains, caplog):
    vectors = np.eye(4, dtype=np.float32)
    items = of_one_domain(torch.eye(4), ["a", "b", "c", "d"], vectors)
    matcher, about = train_matcher(
        MatcherSettings(**KEYS), items, None, kept_in(domains), domains / "checkpoint", seed=3
    )
    assert about["matcher"] == "none" and matcher.vectors(items.texts, vectors) is vectors
    assert "too few source items" in caplog.text


# ---- bad input


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cdim_depth": "last_n"}, ["cdim_depth last_n", "lsa has none", "use head or none"]),
        ({"cdim_depth": "full"}, ["cdim_depth full", "lsa has none", "use head or none"]),
        ({"cdim_depth": "lora"}, ["cdim_depth lora", "lsa has none", "use head or none"]),
        ({"cdim_depth": "last_n", "cdim_layers": 4, "text_encoder": "bert"}, ["cdim_layers is 4", "has 3 layers"]),
    ],
)
def test_depths_that_the_encoder_does_not_have_are_refused_before_any_work(domains, tiny_bert, capfd, changes, says):
    if "text_encoder" in changes:
        changes = {**changes, "text_encoder": str(tiny_bert)}
    refused(capfd, command(domains.parent, "pretrain", **changes), *says)
    assert not list((domains / "saved").glob("*pretrain*"))


def test_layers_that_cannot_be_run_apart_are_refused(tiny_bert, tmp_path, monkeypatch):
    encoder = load_text_encoder(tiny_bert)
    expected = encoder.encode
    # as a model whose upper layers need what the lower ones computed
    monkeypatch.setattr(encoder, "encode", lambda texts: np.roll(expected(texts), 1, axis=1))
    with pytest.raises(UserError, match="give other vectors when they are run apart"):
        layers_trainee(encoder, 1, tmp_path)
