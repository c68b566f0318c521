"""Prompts: their pieces, what is drawn for them, and the numbers of items."""

import numpy as np
import pytest
import torch

from recbole_idp.models.p5.batches import PromptBatches
from recbole_idp.models.p5.keys import SamplingSettings
from recbole_idp.models.p5.network import END, PAD, UNKNOWN, WHOLE_WORDS
from recbole_idp.models.p5.numbering import random_numbers, reference_numbers, text_numbers
from recbole_idp.models.p5.prompts import PromptWriter, evaluation_template
from recbole_idp.models.p5.sampling import PromptData, PromptSampler, Ratings
from recbole_idp.models.p5.templates import FAMILIES, all_words
from recbole_idp.models.p5.tokenizer import PieceTokenizer, padded, plain_words, whole_words

TITLES = ["", "Red Pen", "Blue pen (new)", "Desk lamp", "Café", "Green ink", "Clock"]
N = len(TITLES)


@pytest.fixture(scope="module")
def tokenizer():
    return PieceTokenizer.fit([" ".join(all_words())] * 9 + [title.lower() for title in TITLES], 600, 2)


@pytest.fixture
def writer(tokenizer):
    return PromptWriter(tokenizer, [0, 1682, 7, 43, 100, 5, 12], TITLES, 2, 60)


def pieces_of(tokenizer, ids):
    return [tokenizer._tokenizer.id_to_token(piece) for piece in ids]


def test_words_begin_with_a_mark_and_numbers_are_pieces_of_two_digits(tokenizer):
    assert pieces_of(tokenizer, tokenizer.text("after 1682 , 7 -> 43")) == [
        "▁after",
        "▁16",
        "82",
        "▁,",
        "▁7",
        "▁->",
        "▁43",
    ]
    assert pieces_of(tokenizer, tokenizer.word("item_1234")) == ["▁item_", "12", "34"]
    assert all(UNKNOWN not in tokenizer.word(f"item_{number}") for number in range(1000))


def test_pieces_of_one_word_share_its_number(tokenizer):
    rows = [[*tokenizer.text("user_1234 and item_7"), END], [*tokenizer.text("is"), END]]
    expected = [[1, 1, 1, 2, 3, 3, 0], [1, 0, 0, 0, 0, 0, 0]]
    assert whole_words(padded(rows), tokenizer.starts).tolist() == expected
    many = torch.tensor([tokenizer.text("is") * (WHOLE_WORDS + 5)])
    assert int(whole_words(many, tokenizer.starts).max()) == WHOLE_WORDS - 1


def test_the_same_texts_give_the_same_pieces_and_a_file_gives_them_back(tokenizer):
    again = PieceTokenizer.fit([" ".join(all_words())] * 9 + [title.lower() for title in TITLES], 600, 2)
    assert again.to_json() == tokenizer.to_json() == PieceTokenizer.from_json(tokenizer.to_json()).to_json()
    for text in (
        "",
        "{}",
        "[]",
        '{"model": 1}',
        '{"model": {"type": "WordPiece"}}',
        again.to_json().replace("<unk>", "<other>"),
    ):
        with pytest.raises(ValueError):
            PieceTokenizer.from_json(text)


def test_words_that_no_piece_is_for_are_counted_once(tokenizer):
    other = PieceTokenizer.from_json(tokenizer.to_json())
    assert other.word("本") == other.word("本") == [UNKNOWN]
    assert other.unknown == 1


def test_items_are_bare_numbers_in_lists_and_named_in_pairs(writer, tokenizer):
    question = writer.question(evaluation_template(False), [1, 2])
    words = tokenizer.text("after 1682 red pen , 7 blue pen comes item")
    assert question == [*words, END]
    assert writer.item_answer(3) == [*tokenizer.text("43"), END]
    assert writer.pair(9, 2)["thing"] == tokenizer.text("item_7 blue pen")
    assert writer.candidates([1, 2], 1) == tokenizer.text("1682 -> 7")
    assert plain_words("The Matrix (1999), uncut", 3) == "the matrix 1999"


def test_a_prompt_that_is_too_long_loses_its_earliest_events(writer):
    template = evaluation_template(False)
    whole = writer.question(template, [1, 2, 3, 4, 5, 6] * 5)
    assert len(whole) <= 60
    for count in range(1, 30):
        events = ([1, 2, 3, 4, 5, 6] * 5)[-count:]
        if writer.question(template, events) == whole:
            break
    assert writer.question(template, events[1:]) == writer.prompt(template, history=writer.history(events[1:], 0))
    assert 1 < count < 30


def test_every_prompt_can_be_written_and_the_unseen_one_is_not_drawn(writer):
    sampler = PromptSampler(data(), writer, SamplingSettings(epoch_prompts=3000, sequential_prompts=300), 1)
    drawn = {tuple(one.prompt) for one in sampler.epoch(np.random.default_rng(0))}
    unseen = writer.tokenizer.text("which item is taken after")
    assert not any(list(prompt[: len(unseen)]) == unseen for prompt in drawn)
    for family in FAMILIES.values():
        assert family.unseen not in family.trained


LINES = [np.array([1, 2, 3, 4]), np.array([2, 3]), np.array([6, 5, 4, 3, 2, 1])]


def data(ratings=False):
    stars = Ratings(np.array([0, 1]), np.array([1, 3]), np.array([5, 2]))
    return PromptData(LINES, N, 3, stars) if ratings else PromptData(LINES, N, 3)


def drawn_of(writer, family, seed=0, **more):
    """Returns many prompts of one family as texts, prompt and answer."""
    none = {key: 0 for key in SamplingSettings.model_fields if key.endswith("_prompts") and key != "epoch_prompts"}
    assert f"{family}_prompts" in none
    settings = SamplingSettings(**{**none, f"{family}_prompts": 200, "epoch_prompts": 100_000, **more})
    sampler = PromptSampler(data(ratings=True), writer, settings, seed)
    names = {number: piece for piece, number in writer.tokenizer._tokenizer.get_vocab().items()}

    def text(pieces):
        return "".join(names[piece] for piece in pieces[:-1]).replace("▁", " ").strip()

    return [(text(one.prompt), text(one.answer)) for one in sampler.epoch(np.random.default_rng(seed))]


@pytest.fixture
def bare(tokenizer):
    """Writes items by their numbers alone, which are those of the model."""
    return PromptWriter(tokenizer, range(N), [""] * N, 0, 200)


def events(prompt):
    return [int(word) for word in prompt.split() if word.isdigit()]


def test_histories_are_what_stands_before_the_target_and_begin_near_the_start(bare):
    for prompt, answer in drawn_of(bare, "sequential"):
        history, target = events(prompt), int(answer)
        fits = [
            line.tolist()
            for line in LINES
            for end in range(1, len(line))
            if line[end] == target and line[max(0, end - len(history)) : end].tolist() == history
        ]
        assert fits and 1 <= len(history) <= 3
    recent = {
        (answer, len(events(prompt))) for prompt, answer in drawn_of(bare, "sequential", sequence_targets="recent")
    }
    # Of the line of six the last three are targets; of shorter ones those from the third event on, or the only one.
    assert {answer for answer, _ in recent} == {"3", "4", "2", "1"}


def test_candidates_hold_the_target_once_and_nothing_else_of_the_user(bare):
    for prompt, answer in drawn_of(bare, "direct_candidate", prompt_candidates=3):
        listed = events(prompt)
        assert listed.count(int(answer)) == 1 and len(set(listed)) == len(listed) <= 3
        assert any({int(answer)} == set(listed) & set(line.tolist()) for line in LINES)
    assert {len(events(prompt)) for prompt, _ in drawn_of(bare, "direct_candidate", prompt_candidates=3)} == {1, 3}


def test_half_of_the_questions_are_about_an_item_that_the_user_did_not_take(bare):
    answers = [answer for _, answer in drawn_of(bare, "direct")]
    assert set(answers) == {"yes", "no"} and 0.4 < answers.count("yes") / len(answers) < 0.6
    for prompt, answer in drawn_of(bare, "next"):
        assert answer in ("yes", "no") and events(prompt)


def test_ratings_are_jittered_numbers_or_words(bare):
    answers = drawn_of(bare, "rating")
    stars = {answer for _, answer in answers if answer[0].isdigit()}
    assert {min(5.0, max(1.0, float(answer))) for answer in stars} == {float(answer) for answer in stars}
    assert all(1.0 <= float(answer) <= 3.2 or 4.0 <= float(answer) <= 5.0 for answer in stars) and len(stars) > 5
    assert {answer for _, answer in answers} - stars == {"yes", "no", "like", "dislike"}
    likes = {(("item_1" in prompt), answer) for prompt, answer in answers if answer in ("like", "dislike")}
    assert likes == {(True, "like"), (False, "dislike")}


def test_titles_are_asked_for_where_they_are_named(writer, bare):
    answers = dict(drawn_of(writer, "title"))
    assert any(prompt.endswith("red pen ?") and answer == "1682" for prompt, answer in answers.items())
    assert drawn_of(bare, "title") == []


def test_an_epoch_is_drawn_anew_the_same_from_the_same_seed(bare):
    sampler = PromptSampler(data(), bare, SamplingSettings(epoch_prompts=20), 1)
    assert len(sampler) == 20 < sampler.available

    def epochs():
        batches = PromptBatches(sampler, 8, torch.Generator().manual_seed(3))
        return [[(batch.pieces.tolist(), batch.answers.tolist()) for batch in batches] for _ in range(2)]

    first, second = epochs()
    assert epochs() == [first, second] and first != second
    assert len(first) == 3 == len(PromptBatches(sampler, 8, torch.Generator()))
    assert all(row[-1] in (END, PAD) for batch in first for row in batch[0])


def test_a_user_who_took_everything_has_questions_all_the_same(bare):
    line = np.arange(1, N)
    sampler = PromptSampler(PromptData([line], N, 3), bare, SamplingSettings(), 1)
    assert len(list(sampler.epoch(np.random.default_rng(0)))) == len(sampler)


def test_numbers_are_each_given_once(caplog):
    vectors = np.random.default_rng(0).normal(size=(9, 4))
    events_ = [3, 5, 9, 2, 9]
    for numbers in (random_numbers(10, 1), text_numbers(vectors), reference_numbers(events_, 10)):
        assert numbers[0] == 0 and sorted(numbers[1:].tolist()) == list(range(1, 10))
    assert "leak the next item" in caplog.text
    assert reference_numbers(events_, 10)[[3, 5, 9, 2]].tolist() == [1, 2, 3, 4]
    assert (random_numbers(10, 1) == random_numbers(10, 1)).all()
    assert (random_numbers(10, 1) != random_numbers(10, 2)).any()


def test_like_texts_get_near_numbers():
    draw = np.random.default_rng(1)
    centres = np.eye(4) * 5
    kinds = draw.permutation(np.arange(40) % 4)
    numbers = text_numbers(centres[kinds] + draw.normal(size=(40, 4)) * 0.1)[1:]
    for kind in range(4):
        own = np.sort(numbers[kinds == kind])
        assert own[-1] - own[0] == 9
    assert (text_numbers(np.zeros((5, 3)))[1:] == np.arange(1, 6)).all()
