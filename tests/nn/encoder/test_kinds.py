"""The causal encoders: what each promises, and its formulas."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from recbole_idp.nn.encoder.ages import by_age
from recbole_idp.nn.encoder.bsarec import BSARecEncoder, low_pass_response
from recbole_idp.nn.encoder.keys import EncoderSettings
from recbole_idp.nn.encoder.kinds import ENCODERS, sequence_encoder

N = 12


def settings(kind, **values):
    return EncoderSettings(encoder=kind, hidden_size=8, n_heads=2, n_layers=2, inner_size=16, **values)


def encoder_of(kind, max_length=N, **values):
    torch.manual_seed(0)
    encoder = sequence_encoder(settings(kind, **values), max_length)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return encoder.eval()


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_state_depends_on_no_later_event_and_on_no_padding(kind):
    encoder, vectors = encoder_of(kind), torch.randn(3, 9, 8)
    with torch.no_grad():
        states = encoder(vectors, torch.zeros(3, 9, dtype=torch.bool))
        for length in range(1, 9):
            changed = torch.cat([vectors[:, :length], torch.randn(3, 9 - length, 8)], 1)
            padding = (torch.arange(9) >= length).expand(3, 9)
            torch.testing.assert_close(encoder(changed, padding)[:, :length], states[:, :length])
            alone = encoder(vectors[:, :length], padding[:, :length])
            torch.testing.assert_close(alone, states[:, :length])


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_weight_is_trained_and_every_earlier_event_counts(kind):
    encoder, vectors = encoder_of(kind), torch.randn(2, N, 8, requires_grad=True)
    encoder(vectors, torch.zeros(2, N, dtype=torch.bool))[:, -1].square().sum().backward()
    assert vectors.grad.abs().amax(2).min() > 0
    assert all(parameter.grad.abs().max() > 0 for parameter in encoder.parameters())


@pytest.mark.parametrize("window, kept", [(12, 1), (12, 3), (11, 5), (12, 4), (12, 99)])
def test_the_filter_is_the_papers_at_the_last_place_of_a_window_padded_before_the_first_event(window, kept):
    places = np.arange(window)
    fourier = np.exp(-2j * np.pi * np.outer(places, places) / window)
    frequency = np.minimum(places, window - places)
    low = (fourier.conj().T @ np.diag(frequency < kept // 2 + 1) @ fourier).real / window
    found = by_age(low_pass_response(window, kept), window).tril().numpy()
    events = np.random.default_rng(0).normal(size=(window, 3))
    for last in range(window):
        padded = np.zeros((window, 3))
        padded[window - 1 - last :] = events[: last + 1]
        np.testing.assert_allclose((found @ events)[last], (low @ padded)[-1], atol=1e-6)


def dense_block(weights, states, alpha, low, heads):
    """One block of BSARec for a single sequence, written as the paper's equations."""
    width = states.shape[1]

    def norm(values, name):
        return functional.layer_norm(values, (width,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

    def linear(values, name):
        return values @ weights[f"{name}.weight"].t() + weights[f"{name}.bias"]

    smooth = low @ states
    scaled = smooth + weights["filter.beta"] ** 2 * (states - smooth)
    filtered = norm(states + scaled, "filter.norm")
    query, key, value = linear(states, "attention.query_key_value").chunk(3, 1)
    read = []
    for part in np.split(np.arange(width), heads):
        scores = query[:, part] @ key[:, part].t() / len(part) ** 0.5
        scores[torch.ones_like(scores).triu(1).bool()] = -torch.inf
        read.append(scores.softmax(1) @ value[:, part])
    attended = norm(states + linear(torch.cat(read, 1), "attention.dense"), "attention_norm")
    mixed = alpha * filtered + (1 - alpha) * attended
    fed = linear(functional.gelu(linear(mixed, "inner")), "outer")
    return norm(mixed + fed, "feed_forward_norm")


def test_bsarec_is_what_its_equations_say():
    encoder = encoder_of("BSARec", bsarec_alpha=0.3, bsarec_c=3)
    assert isinstance(encoder, BSARecEncoder)
    vectors = torch.randn(1, 7, 8)
    low = by_age(low_pass_response(N, 3), 7).tril()
    norm = encoder.norm
    with torch.no_grad():
        states = functional.layer_norm(
            vectors[0] + encoder.position_embedding.weight[:7], (8,), norm.weight, norm.bias, 1e-12
        )
        for block in encoder.blocks:
            states = dense_block(block.state_dict(), states, 0.3, low, heads=2)
        torch.testing.assert_close(encoder(vectors, torch.zeros(1, 7, dtype=torch.bool))[0], states)


def test_alpha_chooses_between_filter_and_attention():
    """With alpha 0 it is SASRec; with alpha 1 attention is not read."""
    vectors, padding = torch.randn(2, 6, 8), torch.zeros(2, 6, dtype=torch.bool)
    sasrec, bsarec = encoder_of("SASRec"), encoder_of("BSARec", bsarec_alpha=0.0)
    bsarec.load_state_dict(sasrec.state_dict(), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(bsarec(vectors, padding), sasrec(vectors, padding))
        filtered = encoder_of("BSARec", bsarec_alpha=1.0)
        before = filtered(vectors, padding)
        for block in filtered.blocks:
            block.attention.dense.weight.zero_()
        torch.testing.assert_close(filtered(vectors, padding), before)
