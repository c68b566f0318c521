"""TransRec's parts, beside what the authors' code gives."""

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from recbole_idp.models.transrec.item_encoder import IMAGE, NOTHING, TEXT, TextHead, by_modality
from recbole_idp.models.transrec.loss import pairwise, predictive_coding
from recbole_idp.models.transrec.user_encoder import BidirectionalEncoder
from recbole_idp.nn.encoder.keys import TransformerSettings
from tests.support.parity import equal, parity_arrays

_TITLE = "item_encoder.txt_embeddings.text_encoders.title."
_SIZES = {"hidden_size": 8, "inner_size": 12, "n_layers": 2, "n_heads": 2}


def linear(arrays, name, layer):
    """Gives a layer the weights of one of the authors'."""
    layer.load_state_dict({part: arrays[f"transrec/{name}.{part}"] for part in ("weight", "bias")})


def text_head(arrays):
    head = TextHead(12, 8, n_heads=2, head_size=20, pool_size=6, dropout_prob=0.0)
    for name, layer in (("W_Q", head.query), ("W_K", head.key), ("W_V", head.value)):
        linear(arrays, f"{_TITLE}multihead_attention.{name}", layer)
    linear(arrays, f"{_TITLE}additive_attention.att_fc1", head.weigh)
    linear(arrays, f"{_TITLE}additive_attention.att_fc2", head.weight)
    linear(arrays, "item_encoder.txt_embeddings.reduce_dim_linear", head.dense)
    return head


def token_states(arrays, tokens):
    """Returns the states of the authors' text encoder, a stock BERT."""
    sizes = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    bert = BertModel(BertConfig(vocab_size=30, max_position_embeddings=8, **sizes), add_pooling_layer=False).eval()
    prefix = f"transrec/{_TITLE}bert_model."
    bert.load_state_dict({key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)})
    ids, _, mask = tokens.chunk(3, 1)
    return bert(input_ids=ids, attention_mask=mask).last_hidden_state


def user_encoder(arrays):
    encoder = BidirectionalEncoder(
        TransformerSettings(**_SIZES, hidden_dropout_prob=0.0, attn_dropout_prob=0.0), max_length=5
    )
    encoder.position_embedding.weight.data = arrays["transrec/embeddings.position_embeddings"][0].clone()
    for number, block in enumerate(encoder.blocks):
        own = f"user_encoder.user_layer.{number}"
        parts = [f"transrec/{own}.attention.self.{part}" for part in ("query", "key", "value")]
        joined = {name: torch.cat([arrays[f"{part}.{name}"] for part in parts]) for name in ("weight", "bias")}
        block.attention.query_key_value.load_state_dict(joined)
        linear(arrays, f"{own}.attention.output.dense", block.attention.dense)
        linear(arrays, f"{own}.attention.output.LayerNorm", block.attention_norm)
        linear(arrays, f"{own}.intermediate.dense", block.inner)
        linear(arrays, f"{own}.output.dense", block.outer)
        linear(arrays, f"{own}.output.LayerNorm", block.feed_forward_norm)
    return encoder


def test_the_parts_are_the_authors():
    arrays = parity_arrays("transrec")
    head, encoder = text_head(arrays), user_encoder(arrays)
    image = nn.Linear(512, 8)
    linear(arrays, "item_encoder.vis_embeddings.reduce_dim_linear", image)

    def vectors(side):
        """Encodes the clicks or the candidates; padded titles take part, as in the authors' code."""
        kinds = arrays[f"in/{side}_pos_ids"].flatten()
        states = token_states(arrays, arrays[f"in/{side}_txt_item"]).detach()
        # A stand-in for ResNet-18: a convolution of one pixel, then the mean over the picture.
        weight = arrays["transrec/item_encoder.vis_embeddings.model.0.weight"].flatten(1)
        bias = arrays["transrec/item_encoder.vis_embeddings.model.0.bias"]
        pictures = (arrays[f"in/{side}_vis_item"].flatten(2).transpose(1, 2) @ weight.t() + bias).mean(1)
        place = {TEXT: (kinds == 1).cumsum(0) - 1, IMAGE: (kinds == 0).cumsum(0) - 1}
        modality = torch.where(kinds == 1, TEXT, torch.where(kinds == 0, IMAGE, NOTHING))
        encoders = {
            TEXT: lambda rows: head(states[place[TEXT][rows]], torch.ones(len(rows), 4)),
            IMAGE: lambda rows: image(pictures[place[IMAGE][rows]]),
        }
        found = by_modality(torch.arange(len(kinds)), modality, encoders, 8)
        return found.view(*arrays[f"in/{side}_pos_ids"].shape, 8)

    clicks, candidates = vectors("log"), vectors("cand")
    equal(clicks, arrays["out/log_vec"])
    equal(candidates, arrays["out/cand_vec"])
    mask = arrays["in/log_mask"]
    states = encoder(clicks, mask == 0)
    equal(states[mask == 1], arrays["out/user_states"][mask == 1])
    users = states[torch.arange(3), mask.sum(1) - 1]
    scores = (candidates @ users.unsqueeze(2)).squeeze(2)
    equal(scores[:, 0] - scores[:, 2], arrays["out/c"])
    there = torch.ones(3, 2, dtype=torch.bool)
    equal(pairwise(scores[:, :2], there, scores[:, 2:], there), arrays["out/loss_bpr"])
    loss = predictive_coding(scores[:, :2], there, scores[:, 2:], there)
    equal(loss, arrays["out/loss_bce"])
    loss.backward()
    equal(encoder.position_embedding.weight.grad, arrays["grad/embeddings.position_embeddings"][0])
    equal(head.dense.weight.grad, arrays["grad/item_encoder.txt_embeddings.reduce_dim_linear.weight"])
    query = encoder.blocks[0].attention.query_key_value.weight.grad[:8]
    equal(query, arrays["grad/user_encoder.user_layer.0.attention.self.query.weight"])


def test_a_texts_vector_does_not_depend_on_its_padding():
    torch.manual_seed(0)
    head = TextHead(12, 8, n_heads=2, head_size=5, pool_size=6, dropout_prob=0.0)
    states = torch.randn(2, 4, 12)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    alone = head(states[1:, :2], torch.ones(1, 2))
    torch.testing.assert_close(head(states, mask)[1:], alone)
    # The authors' code reads padding as tokens.
    assert not torch.allclose(head(states, torch.ones(2, 4))[1:], alone, atol=1e-3)


def test_the_user_is_formed_by_all_events_and_first_positions_are_zero():
    torch.manual_seed(0)
    encoder = BidirectionalEncoder(TransformerSettings(**_SIZES), max_length=5).eval()
    encoder.draw_weights()
    assert not encoder.position_embedding.weight.any()
    vectors, padding = torch.randn(1, 4, 8), torch.tensor([[False, False, True, True]])
    torch.testing.assert_close(encoder(vectors, padding)[:, :2], encoder(vectors[:, :2], padding[:, :2]))
    assert not torch.allclose(encoder(vectors, padding)[:, 0], encoder(vectors[:, :1], padding[:, :1])[:, 0], atol=1e-3)


def test_rows_with_fewer_next_items_count_those_that_they_have():
    positive, negative = torch.tensor([[1.0, 2.0], [3.0, 9.0]]), torch.tensor([[0.0, -1.0], [1.0, 9.0]])
    there = torch.tensor([[True, True], [True, False]])
    expected = nn.functional.softplus(-torch.tensor([1.0, 2.0, 3.0])).mean()
    expected = expected + nn.functional.softplus(torch.tensor([0.0, -1.0, 1.0])).mean()
    found = predictive_coding(positive, there, negative, there)
    assert float(found) == pytest.approx(float(expected))
    expected = nn.functional.softplus(torch.tensor([-1.0, -2.0])).mean()
    assert float(pairwise(positive, there, negative, there)) == pytest.approx(float(expected))
