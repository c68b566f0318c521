"""Recformer's encoder against the authors' code, and its ways of computing against each other."""

import pytest
import torch

from recbole_idp.models.recformer.longformer import Longformer, LongformerSizes, Tokens
from tests.support.parity import equal, parity_arrays

SIZES = LongformerSizes(
    vocabulary=40, hidden_size=16, n_layers=2, n_heads=2, inner_size=24, attention_window=4, max_tokens=38, max_items=5
)


def encoder_of(arrays, part):
    """Returns the encoder with the weights of the authors' code."""
    encoder, prefix = Longformer(SIZES), f"{part}/longformer."
    encoder.load_state_dict({name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)})
    return encoder.eval()


def tokens_of(arrays, which="in/"):
    """Returns the authors' input."""
    parts = ("input_ids", "token_type_ids", "item_position_ids")
    return Tokens(*(arrays[which + part] for part in parts), arrays[which + "attention_mask"] == 1)


def drawn_tokens(batch, length):
    """Returns tokens of sequences of several lengths."""
    draw = torch.Generator().manual_seed(0)
    lengths = torch.randint(length // 2, length + 1, (batch, 1), generator=draw)
    present = torch.arange(length) < lengths
    ids, kinds, items = (torch.randint(size, (batch, length), generator=draw) for size in (40, 4, 6))
    return Tokens(ids, kinds, items, present)


def test_embeddings_and_states_are_those_of_the_authors_code():
    arrays = parity_arrays("recformer")
    encoder, tokens = encoder_of(arrays, "seqrec"), tokens_of(arrays)
    present = tokens.present.unsqueeze(2)
    equal(encoder.embeddings(tokens) * present, arrays["out/embedding"] * present)
    equal(encoder(tokens) * present, arrays["out/last_hidden"] * present)
    equal(encoder.first(tokens), arrays["out/cls"])


@pytest.mark.parametrize("length", [1, 5, 16])
def test_the_start_tokens_state_is_that_among_all_states(length):
    torch.manual_seed(0)
    encoder, tokens = Longformer(SIZES).eval(), drawn_tokens(3, length)
    torch.testing.assert_close(encoder.first(tokens), encoder(tokens)[:, 0])


@pytest.mark.parametrize(("window", "length"), [(4, 23), (2, 9), (8, 38)])
def test_blocks_give_what_the_dense_mask_gives(monkeypatch, window, length):
    torch.manual_seed(0)
    encoder = Longformer(LongformerSizes(**{**vars(SIZES), "attention_window": window})).eval()
    tokens = drawn_tokens(4, length)
    present = tokens.present.unsqueeze(2)
    dense = encoder(tokens) * present
    monkeypatch.setattr("recbole_idp.models.recformer.longformer._DENSE_LENGTH", 0)
    torch.testing.assert_close(encoder(tokens) * present, dense)


def test_padding_changes_nothing():
    torch.manual_seed(0)
    encoder, tokens = Longformer(SIZES).eval(), drawn_tokens(1, 12)
    count = int(tokens.present.sum())
    short = Tokens(*(part[:, :count] for part in vars(tokens).values()))
    torch.testing.assert_close(encoder(tokens)[:, :count], encoder(short))


def test_a_token_reaches_its_window_and_the_start_token_alone():
    torch.manual_seed(0)
    one = Longformer(LongformerSizes(**{**vars(SIZES), "n_layers": 1})).eval()
    ids = torch.arange(12).unsqueeze(0)
    everywhere = torch.ones_like(ids)
    changed = ids.clone()
    changed[0, 6] = 39
    before, after = (one(Tokens(values, everywhere, everywhere, everywhere == 1))[0] for values in (ids, changed))
    moved = (before - after).abs().amax(1) > 1e-6
    assert moved.nonzero().flatten().tolist() == [0, 4, 5, 6, 7, 8]
