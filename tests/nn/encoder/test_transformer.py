"""The sequence encoder: attention in training is that of evaluation, but for the dropped weights."""

import pytest
import torch

from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.transformer import SelfAttention, TransformerEncoder


@pytest.mark.parametrize("causal", [True, False])
def test_attention_with_dropout_equals_that_without_where_nothing_is_dropped(causal):
    torch.manual_seed(0)
    # So small that it rounds to no dropped weight, but takes the path of training.
    layer = SelfAttention(hidden_size=12, n_heads=3, attn_dropout_prob=1e-9, causal=causal)
    states = torch.randn(4, 7, 12)
    padding = None if causal else torch.arange(7) >= torch.tensor([7, 5, 1, 3]).unsqueeze(1)
    with torch.no_grad():
        torch.testing.assert_close(layer.train()(states, padding), layer.eval()(states, padding))


def test_attention_drops_weights_in_training():
    torch.manual_seed(0)
    layer = SelfAttention(hidden_size=12, n_heads=3, attn_dropout_prob=0.5, causal=True).train()
    states = torch.randn(4, 7, 12)
    with torch.no_grad():
        assert not torch.allclose(layer(states, None), layer(states, None))


def test_a_bidirectional_encoder_ignores_padding_and_sees_the_future():
    torch.manual_seed(0)
    settings = TransformerSettings(hidden_size=8, n_heads=2, n_layers=2, inner_size=16)
    encoder = TransformerEncoder(settings, max_length=9, causal=False).eval()
    vectors = torch.randn(2, 6, 8)
    padding = torch.tensor([[False] * 4 + [True] * 2] * 2)
    changed = vectors.clone()
    changed[:, 4:] += torch.randn(2, 2, 8)
    with torch.no_grad():
        torch.testing.assert_close(encoder(vectors, padding)[:, :4], encoder(changed, padding)[:, :4])
        changed = vectors.clone()
        changed[:, 3] += torch.randn(2, 8)
        assert not torch.allclose(encoder(vectors, padding)[:, 0], encoder(changed, padding)[:, 0])
