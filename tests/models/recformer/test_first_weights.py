"""Recformer's first weights: those of a Longformer or of a BERT, or token vectors alone."""

from types import SimpleNamespace

import pytest
import torch

from recbole_idp.content.text.encoder import load_text_encoder
from recbole_idp.errors import UserError
from recbole_idp.models.recformer.first_weights import (
    principal_components,
    start_as_mean,
    start_layers,
    start_tokens,
)
from recbole_idp.models.recformer.longformer import Longformer, LongformerSizes, Tokens
from recbole_idp.models.recformer.tokenizer import read_tokenizer, tokenizer_for
from tests.support.encoders import write_bert

SIZES = LongformerSizes(
    vocabulary=30, hidden_size=16, n_layers=2, n_heads=2, inner_size=32, attention_window=4, max_tokens=20, max_items=5
)


def plain_tokens(longformer, ids, padding):
    """Returns tokens whose kinds and item positions add nothing."""
    with torch.no_grad():
        longformer.embeddings.token_type_embeddings.weight.zero_()
        longformer.embeddings.item_position_embeddings.weight.zero_()
    return Tokens(ids, torch.zeros_like(ids), torch.zeros_like(ids), ids != padding)


def test_the_weights_of_a_longformer_give_its_states():
    from transformers import LongformerConfig, LongformerModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    config = LongformerConfig(vocab_size=30, attention_window=4, max_position_embeddings=40, **sizes, pad_token_id=1)
    theirs = LongformerModel(config).eval()
    theirs.encoder.layer = theirs.encoder.layer[:2]
    with torch.no_grad():
        theirs.embeddings.token_type_embeddings.weight.zero_()
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1 * (parameter.abs().sum() > 0))
    ours = Longformer(SIZES, config.layer_norm_eps).eval()
    start_layers(ours, SimpleNamespace(name="tiny", model=[SimpleNamespace(model=theirs)]))
    ids = torch.randint(2, 30, (3, 17))
    ids[1, 11:] = 1
    mask = (ids != 1).long()
    first = torch.zeros_like(ids)
    first[:, 0] = 1
    expected = theirs(ids, attention_mask=mask, global_attention_mask=first).last_hidden_state
    found = ours(plain_tokens(ours, ids, 1))
    torch.testing.assert_close(found * mask.unsqueeze(2), expected * mask.unsqueeze(2), atol=1e-5, rtol=1e-5)


@pytest.fixture
def bert(tmp_path):
    """An untrained BERT with a tokenizer."""
    write_bert(tmp_path, ["red", "pen", "title", "p", "##en", "##s"])
    return load_text_encoder(tmp_path)


def sizes_of(bert, **changes):
    return LongformerSizes(**{**vars(SIZES), "vocabulary": tokenizer_for(bert).size, **changes})


def test_the_weights_of_a_bert_give_its_states_within_a_window(bert):
    theirs = bert.model[0].model
    ours = Longformer(sizes_of(bert, attention_window=64), 1e-12).eval()
    start_layers(ours, bert)
    ids = torch.tensor([[2, 5, 6, 7, 8, 9]])
    with torch.no_grad():
        theirs.embeddings.token_type_embeddings.weight.zero_()
        expected = theirs(ids).last_hidden_state
        torch.testing.assert_close(ours(plain_tokens(ours, ids, 0)), expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(UserError, match="does not fit this model"):
        start_layers(Longformer(sizes_of(bert, inner_size=24)), bert)
    with pytest.raises(UserError, match="no such weights there"):
        start_layers(Longformer(sizes_of(bert, n_layers=3)), bert)


def test_token_vectors_are_reduced_to_their_principal_components(bert):
    table = bert.model[0].model.get_input_embeddings().weight.detach()
    ours = Longformer(sizes_of(bert, hidden_size=8))
    start_tokens(ours, bert)
    reduced = ours.embeddings.word_embeddings.weight.detach()
    centred = table - table.mean(0)
    _, _, directions = torch.linalg.svd(centred)
    torch.testing.assert_close(reduced.abs(), (centred @ directions[:8].t()).abs(), atol=1e-5, rtol=1e-4)
    assert torch.equal(principal_components(table, 8), reduced)
    whole = Longformer(sizes_of(bert))
    start_tokens(whole, bert)
    assert torch.equal(whole.embeddings.word_embeddings.weight, table)
    with pytest.raises(UserError, match="give hidden_size=16 or less"):
        start_tokens(Longformer(sizes_of(bert, hidden_size=32)), bert)


def test_the_start_token_begins_as_the_mean_of_the_others():
    torch.manual_seed(0)
    longformer = Longformer(SIZES).eval()
    for parameter in longformer.parameters():
        torch.nn.init.normal_(parameter, std=0.001) if parameter.dim() == 2 else None
    longformer.embeddings.word_embeddings.weight.data.normal_()
    start_as_mean(longformer)
    words = torch.tensor([[0, 5, 6, 7], [0, 7, 5, 6], [0, 5, 6, 9], [0, 20, 21, 22]])
    states = longformer.first(plain_tokens(longformer, words, -1))
    near = torch.nn.functional.cosine_similarity(states[:1], states)
    assert near[1] > 0.99 and near[1] > near[2] > near[3]


def test_newer_items_weigh_more_at_first():
    torch.manual_seed(0)
    longformer = Longformer(SIZES).eval()
    torch.nn.init.normal_(longformer.embeddings.word_embeddings.weight, std=0.08)
    start_as_mean(longformer)
    ids = torch.tensor([[0, 5, 6], [0, 5, 5], [0, 6, 6]])
    items = torch.tensor([[0, 1, 4]] * 3)
    states = longformer.first(Tokens(ids, torch.ones_like(ids), items, ids >= 0))
    states = states - states.mean(0)
    near = torch.nn.functional.cosine_similarity(states[:1], states)
    assert near[1] > near[2]


def test_words_of_a_subword_tokenizer_and_its_file(bert, tmp_path):
    tokenizer = tokenizer_for(bert)
    (found,) = tokenizer.encode(["red pens"])
    assert found.words == [0, 1, 1] and (tokenizer.start, tokenizer.padding, tokenizer.mask) == (2, 0, 4)
    (tmp_path / "tokens.json").write_text(tokenizer.text())
    again = read_tokenizer(tmp_path / "tokens.json")
    assert again.encode(["red pens"]) == [found] and again.fingerprint == tokenizer.fingerprint
    (tmp_path / "tokens.json").write_text(tokenizer.text().replace('"size": ', '"size": -'))
    with pytest.raises(UserError, match="is no tokenizer"):
        read_tokenizer(tmp_path / "tokens.json")
