"""Flattened items: tokens of attributes, and histories of them."""

import pytest
import torch

from recbole_idp.models.recformer.items import ItemTokens, tokens_of_items
from recbole_idp.models.recformer.tokenizer import HashedWords, Pieces, Tokenizer, read_tokenizer, tokenizer_of


class Letters(Tokenizer):
    """Tokenizes by letter, a number each; spaces part words."""

    size, start, padding, mask = 40, 30, 31, 32

    def encode(self, texts):
        return [
            Pieces([ord(letter) - ord("a") for letter in text.replace(" ", "")], self._words(text)) for text in texts
        ]

    def content(self):
        return {}

    def _words(self, text):
        return [number for number, word in enumerate(text.split()) for _ in word]


ITEMS = [
    [("t", "ab cd"), ("b", "x"), ("z", "zzz")],
    [],
    [("t", "efghij"), ("b", " ")],
]


def filled(max_tokens=20, **sizes):
    """Returns the toy items, 1 to 3."""
    found = tokens_of_items(Letters(), ITEMS, **{"max_attributes": 2, "attribute_tokens": 4, **sizes})
    items = ItemTokens(max_tokens, 5)
    items.fill(found)
    return items, found


def text_of(ids):
    return "".join("^" if token == 30 else "_" if token == 31 else chr(token + ord("a")) for token in ids.tolist())


def test_names_and_values_are_cut_together_and_attributes_are_counted():
    items, found = filled()
    assert items.offsets.tolist() == [0, 0, 6, 6, 10]
    assert text_of(found["ids"]) == "tabcbxtefg"
    assert found["kinds"].tolist() == [1, 2, 2, 2, 1, 2, 1, 2, 2, 2]
    # A word begins with each name, each value and after each space.
    assert found["words"].int().tolist() == [1, 1, 0, 1, 1, 1, 1, 1, 0, 0]


def test_a_history_is_read_from_its_newest_item_on():
    items, _ = filled()
    histories = torch.tensor([[1, 3, 2], [3, 0, 0], [3, 1, 0]])
    assert items.lengths(histories).tolist() == [11, 5, 11]
    tokens = items(histories, 12)
    assert [text_of(row) for row in tokens.ids] == ["^tefgtabcbx_", "^tefg_______", "^tabcbxtefg_"]
    # The item without text has a position all the same.
    assert tokens.items.tolist()[0] == [0, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 5]
    assert tokens.items.tolist()[2] == [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 5]
    assert tokens.kinds.tolist()[1] == [0, 1, 2, 2, 2] + [3] * 7
    assert tokens.present.sum(1).tolist() == [11, 5, 11]


def test_a_sequence_is_cut_at_its_oldest_tokens():
    items, _ = filled(max_tokens=6)
    histories = torch.tensor([[1, 3]])
    assert items.lengths(histories).tolist() == [6]
    assert text_of(items(histories, 6).ids[0]) == "^tefgt"


def test_items_take_the_size_of_a_state_and_refuse_one_that_does_not_fit():
    items, _ = filled()
    other = ItemTokens(20, 5)
    other.load_state_dict(items.state_dict())
    assert torch.equal(other(torch.tensor([[1]]), 7).ids, items(torch.tensor([[1]]), 7).ids)
    state = items.state_dict()
    for name, value in (("offsets", torch.tensor([0, 5, 2])), ("kinds", state["kinds"][:1]), ("ids", -state["ids"])):
        with pytest.raises(ValueError, match="tokens of its items"):
            ItemTokens(20, 5).load_state_dict({**state, name: value})


def test_items_are_checked_against_the_encoder():
    items, _ = filled()
    items.check(32, 4)
    for vocabulary, n_inputs in ((31, 4), (32, 5)):
        with pytest.raises(ValueError, match="not those of its encoder"):
            items.check(vocabulary, n_inputs)


def test_hashed_words_ignore_case_and_need_no_vocabulary(tmp_path):
    words = HashedWords()
    first, second = words.encode(["Red pen, 5", "red PEN"])
    assert first.ids[:2] == second.ids and first.words == [0, 1, 2, 3]
    assert min(first.ids) > max(words.start, words.padding, words.mask) and max(first.ids) < words.size
    (tmp_path / "tokenizer.json").write_text(words.text())
    assert read_tokenizer(tmp_path / "tokenizer.json").encode(["red pen"]) == [second]
    with pytest.raises(ValueError, match="not known"):
        tokenizer_of({"kind": "other"})
