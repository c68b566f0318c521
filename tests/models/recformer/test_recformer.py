"""Recformer: the contract, losses against the authors' code, and what it learns of texts alone."""

import numpy as np
import pytest
import torch

from recbole_idp.data.domains import load_domains
from recbole_idp.errors import UserError
from recbole_idp.models.recformer.batches import DrawnTargets
from recbole_idp.models.recformer.catalogue import source_attributes
from recbole_idp.models.recformer.masked_words import MaskedWordHead, mask_words
from recbole_idp.models.recformer.model import unit
from recbole_idp.models.recformer.pretrain import TextPretraining
from recbole_idp.models.recformer.pretraining_model import RecformerPretraining, contrastive_loss
from recbole_idp.models.recformer.schedule import rate_share
from recbole_idp.models.recformer.tokenizer import HashedWords
from recbole_idp.nn.softmax import softmax_loss
from recbole_idp.testing import ModelContract, configured, fitted
from tests.models.recformer.test_longformer import drawn_tokens, encoder_of, tokens_of
from tests.support.models import made
from tests.support.parity import equal, parity_arrays
from tests.support.scheduled import trained_in_parts
from tests.support.targets import targets_of

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

SMALL = {"n_heads": 2, "attention_window": 4, "max_tokens": 40, "epochs": 2, "second_epochs": 2}


class TestRecformer(ModelContract):
    model = "Recformer"
    changes = SMALL
    random_start = {"transfer": "scratch"}
    # The toy's items follow one another in a circle, and a history of one item has the state that is its vector: the
    # first stage alone would draw all vectors together, and the second one, in which they stay, learns the order.
    learning = {
        "epochs": 1,
        "second_epochs": 60,
        "second_stopping_step": 60,
        "epoch_steps": 16,
        "n_layers": 2,
        "hidden_size": 64,
        "initializer_range": 0.3,
        "hidden_dropout_prob": 0.0,
    }

    @pytest.mark.slow
    def test_learns_which_item_follows_which(self, domains):
        super().test_learns_which_item_follows_which(domains)

    # A history has one state: there are none at its positions.
    test_future_events_change_earlier_states_where_the_model_reads_both_directions_only = None
    # The learning rate falls to zero at the last epoch, so that twice two epochs are not four; see below.
    test_an_interrupted_training_ends_like_an_uninterrupted_one = None


def test_scores_loss_and_gradients_of_fine_tuning_are_those_of_the_authors_code():
    arrays = parity_arrays("recformer")
    encoder = encoder_of(arrays, "seqrec")
    items = encoder.first(tokens_of_items(arrays)).detach()
    equal(items, arrays["out/item_matrix"])
    states = unit(encoder.first(tokens_of(arrays))) / 0.05
    equal(states @ unit(items).t(), arrays["out/scores"])
    padded = torch.cat([torch.zeros(1, 16), unit(items)])
    loss = softmax_loss(states, padded, arrays["in/labels"].flatten() + 1)
    equal(loss, arrays["out/loss_ft"])
    loss.backward()
    for name, parameter in encoder.named_parameters():
        if f"grad_ft/longformer.{name}" in arrays:
            equal(parameter.grad, arrays[f"grad_ft/longformer.{name}"])


@pytest.mark.parametrize("saves", [1, 2, 3])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(domains, saves):
    config = configured(domains, "Recformer", transfer="scratch", **SMALL)
    whole, parts = trained_in_parts(config, domains / "latest.safetensors", saves)
    assert parts.second == 1 and parts.start_epoch == (saves - 2 if saves > 2 else 0)
    assert parts.steps == whole.steps


def tokens_of_items(arrays):
    """Returns the items of the authors' code."""
    return tokens_of(arrays, "in/items_")


def test_losses_of_pre_training_are_those_of_the_authors_code():
    arrays = parity_arrays("recformer")
    encoder = encoder_of(arrays, "pre")
    histories, items = encoder.first(tokens_of(arrays)), encoder.first(tokens_of(arrays, "in/pos_"))
    equal(unit(histories) @ unit(items).t() / 0.05, arrays["out/pre_sim"])
    loss = contrastive_loss(histories, items, torch.arange(3), 0.05)
    equal(loss, arrays["out/pre_loss_contrastive"])


def test_masked_words_are_scored_by_the_token_vectors(domains):
    """The arrays of the authors' code lack their decoder, which their class does not tie to the token vectors."""
    torch.manual_seed(0)
    head, table = MaskedWordHead(6, 9), torch.randn(9, 6)
    torch.nn.init.normal_(head.bias)
    states = torch.randn(4, 6)
    hidden = torch.nn.functional.gelu(states @ head.dense.weight.t() + head.dense.bias)
    hidden = (hidden - hidden.mean(1, keepdim=True)) / (hidden.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(head(states, table), hidden @ table.t() + head.bias)
    model = pretraining(domains)
    histories = torch.tensor([[1, 2, 3], [4, 0, 0]])
    torch.manual_seed(3)
    found = model.masked_word_loss(histories)
    torch.manual_seed(3)
    items = model.encoder.items
    tokens = items(histories, int(items.lengths(histories)[0]))
    index, _, inside = items.places(histories, tokens.ids.shape[1])
    hidden, chosen = mask_words(tokens, model.words[index] & inside, 0.5, model.tokenizer.mask, model.tokenizer.size)
    assert chosen.any()
    table = model.encoder.longformer.embeddings.word_embeddings.weight
    scores = model.lm_head(model.encoder.longformer(hidden), table)[chosen]
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(scores, tokens.ids[chosen]))


def pretraining(domains):
    """Returns the model of pre-training on the toy sources, in evaluation mode."""
    config = configured(domains, "Recformer", mlm_probability=0.5, **SMALL)
    task = TextPretraining(config)
    joined = load_domains(task.config)
    attributes = source_attributes(task.encoding, joined, task.locations)
    return RecformerPretraining(
        task.config, joined.split(2, 1)[0].dataset, task.text_encoder, HashedWords(), attributes
    ).eval()


def test_pairs_of_one_item_are_no_negatives_of_one_another():
    torch.manual_seed(0)
    histories, items = torch.randn(3, 4), torch.randn(3, 4)
    found = contrastive_loss(histories, items, torch.tensor([7, 8, 7]), 0.5)
    scores = torch.nn.functional.cosine_similarity(histories.unsqueeze(1), items, dim=2) / 0.5
    rows = [(0, [0, 1]), (1, [0, 1, 2]), (2, [1, 2])]
    expected = torch.stack([scores[row, others].logsumexp(0) - scores[row, row] for row, others in rows]).mean()
    torch.testing.assert_close(found, expected)


def test_whole_words_are_masked_in_their_shares():
    torch.manual_seed(0)
    tokens = drawn_tokens(400, 30)
    begins = torch.rand(tokens.ids.shape) < 0.4
    hidden, chosen = mask_words(tokens, begins, 0.15, 99, 40)
    assert not chosen[:, 0].any() and not (chosen & ~tokens.present).any()
    # A token that begins no word shares the fate of the one before.
    inner = ~begins[:, 2:] & tokens.present[:, 2:]
    assert torch.equal(chosen[:, 2:][inner], chosen[:, 1:-1][inner])
    assert abs(float(chosen[tokens.present].float().mean()) - 0.15) < 0.02
    assert torch.equal(hidden.ids[~chosen], tokens.ids[~chosen])
    assert abs(float((hidden.ids[chosen] == 99).float().mean()) - 0.8) < 0.05
    kept = float((hidden.ids[chosen] == tokens.ids[chosen]).float().mean())
    assert abs(kept - 0.1) < 0.04


def test_one_target_is_drawn_of_each_user_and_another_one_next_time():
    targets = targets_of([7, 2, 3])
    batches = DrawnTargets(targets, 3, 2, torch.Generator().manual_seed(0))
    assert len(batches) == 2
    seen = set()
    for _ in range(60):
        rows = [
            (items[row][items[row] > 0].tolist(), int(wanted[row].max()))
            for batch in batches
            for items, wanted in batch.parts
            for row in range(len(items))
        ]
        assert len(rows) == 3
        seen |= {(*items, wanted) for items, wanted in rows}
    assert seen == {
        (1, 2),
        (1, 2, 3),
        (1, 2, 3, 4),
        (2, 3, 4, 5),
        (3, 4, 5, 6),
        (4, 5, 6, 7),
        (21, 22),
        (41, 42),
        (41, 42, 43),
    }
    late = DrawnTargets(targets, 3, 8, torch.Generator().manual_seed(0), 0.5)
    drawn = {int(wanted) for _ in range(60) for batch in late for wanted in batch.parts[0][1].amax(1)}
    assert drawn == {4, 5, 6, 7, 22, 42, 43}


def test_the_learning_rate_rises_and_falls():
    assert [round(rate_share(step, 20, 100), 3) for step in (0, 1, 2, 11, 20)] == [0.333, 0.667, 1.0, 0.5, 0.0]
    assert rate_share(0, 5, 100) == 1.0


def test_items_are_their_texts_and_nothing_else(domains):
    path = domains / "shop" / "shop.item"
    lines = path.read_text().splitlines()
    lines[2] = lines[2].split("\t")[0] + "\t" + lines[5].split("\t")[1]
    path.write_text("\n".join(lines) + "\n")
    built, _, loaders = made(domains, "Recformer", **SMALL)
    tokens = loaders[0].dataset.item_tokens()
    twins = [tokens.index(lines[row].split("\t")[0]) for row in (2, 5)]
    with torch.no_grad():
        vectors = built.item_vectors()
    torch.testing.assert_close(vectors[twins[0]], vectors[twins[1]])
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))


def test_item_vectors_are_made_each_epoch_and_kept_in_the_second_stage(domains, monkeypatch):
    made_at = []
    from recbole_idp.models.recformer.trainer import RecformerTrainer

    train_epoch = RecformerTrainer._train_epoch

    def noted(self, *arguments, **keywords):
        before = self.model.item_matrix.clone()
        found = train_epoch(self, *arguments, **keywords)
        made_at.append((self.second, torch.equal(before, self.model.item_matrix), self.optimizer))
        return found

    monkeypatch.setattr(RecformerTrainer, "_train_epoch", noted)
    trainer, test = fitted(configured(domains, "Recformer", transfer="scratch", **SMALL))
    assert [(stage, kept) for stage, kept, _ in made_at] == [(0, False), (0, False), (1, True), (1, True)]
    assert made_at[0][2] is made_at[1][2] and made_at[1][2] is not made_at[2][2]
    trainer.evaluate(test)
    assert trainer.model.keeps_matrix


THEMES = ("red", "blue", "green", "yellow")
THINGS = ("pen", "ink", "pad", "clock", "lamp", "ruler")


def write_themes(folder, name, users, seed, shuffled=False):
    """Writes users who take things of one colour each, in any order; or the same with the titles shuffled."""
    draw = np.random.default_rng(seed)
    titles = [f"{theme} {thing}" for theme in THEMES for thing in THINGS]
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(users):
        first = int(draw.integers(len(THEMES))) * len(THINGS)
        for step, item in enumerate(draw.permutation(len(THINGS)).tolist()):
            lines.append(f"{name}{user}\t{name}{first + item}\t{step}")
    if shuffled:
        draw.shuffle(titles)
    rows = [f"{name}{item}\t{title}" for item, title in enumerate(titles)]
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}.inter").write_text("\n".join(lines) + "\n")
    (folder / name / f"{name}.item").write_text("\n".join(["item_id:token\ttitle:token_seq", *rows]) + "\n")


def test_what_is_pre_trained_recommends_by_texts_alone_and_is_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, users, shuffled in (("one", 60, False), ("two", 60, False), ("shop", 40, False), ("mixed", 40, True)):
        write_themes(tmp_path, name, users, len(name), shuffled)
    changes = {**SMALL, "source_domains": ["one", "two"], "pretrain_epochs": 3, "topk": [5], "exclude_history": True}
    found = {}
    for target in ("shop", "mixed"):
        trainer, test = fitted(configured(tmp_path, "Recformer", target, transfer="zero_shot", **changes))
        found[target] = trainer.evaluate(test)["hit@5"]
    # One thing of the colour is left for each user, among 19 things of which 18 are of other colours.
    assert found["shop"] > 0.9 and found["mixed"] < 0.6
    (folder,) = (tmp_path / "saved").glob("recformer-*")
    given = {**changes, "pretrained": str(folder), "checkpoint_dir": str(tmp_path / "other")}
    again, test = fitted(configured(tmp_path, "Recformer", "shop", transfer="zero_shot", **given))
    assert again.evaluate(test)["hit@5"] == found["shop"]
    assert not list((tmp_path / "other").glob("recformer-*"))
    with pytest.raises(UserError, match="hidden_size, n_layers, n_heads, inner_size, max_tokens"):
        fitted(configured(tmp_path, "Recformer", "shop", transfer="zero_shot", **{**given, "inner_size": 8}))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"attention_window": 5}, "attention_window"),
        ({"transfer": "new_encoder"}, "Recformer takes transfer scratch, zero_shot, fine_tune"),
    ],
)
def test_values_that_do_not_fit_are_refused_in_one_line(domains, changes, line):
    with pytest.raises(UserError, match=line) as caught:
        fitted(configured(domains, "Recformer", **{**SMALL, **changes}))
    assert "\n" not in str(caught.value)
