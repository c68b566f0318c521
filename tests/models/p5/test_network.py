"""The network of P5, against the arrays of the authors' code."""

import pytest
import torch

from recbole_idp.models.p5.network import END, PAD, WHOLE_WORDS, NetworkSizes, P5Network
from recbole_idp.models.p5.stepping import SteppingDecoder
from tests.support.parity import equal, parity_arrays

SIZES = NetworkSizes(vocabulary=50, width=16, inner=24, key=8, layers=2, heads=2, buckets=8, distance=16)


@pytest.fixture
def arrays():
    return parity_arrays("p5")


@pytest.fixture
def network(arrays):
    """The network with the weights of the authors' code."""
    network = P5Network(SIZES).eval()
    state, words = {}, "encoder.whole_word_embeddings.weight"
    for name, value in arrays.items():
        if name.startswith("p5/"):
            name = name.removeprefix("p5/")
            state["t5." + name] = value
    table = torch.zeros(WHOLE_WORDS, SIZES.width)
    table[:16] = state.pop(f"t5.{words}[:16]")
    state["whole_words.weight"] = table
    for tied in ("t5.encoder.embed_tokens.weight", "t5.decoder.embed_tokens.weight", "t5.lm_head.weight"):
        state[tied] = state["t5.shared.weight"]
    network.load_state_dict(state)
    return network


def inputs(arrays):
    answers = arrays["in/labels"].clone()
    answers[answers == -100] = PAD
    return arrays["in/input_ids"], arrays["in/whole_word_ids"], answers


def test_states_are_the_authors_with_whole_words_and_without(network, arrays):
    pieces, words, _ = inputs(arrays)
    there = (pieces != PAD).unsqueeze(-1)
    equal(network.encode(pieces, words) * there, arrays["out/encoder"] * there)
    equal(network.encode(pieces, None) * there, arrays["out/encoder_no_ww"] * there)


def test_logits_losses_and_gradients_are_the_authors(network, arrays):
    pieces, words, answers = inputs(arrays)
    states = network.encode(pieces, words)
    equal(network.logits(states, pieces, answers), arrays["out/logits"])
    losses = network.piece_losses(pieces, words, answers)
    equal(losses.flatten(), arrays["out/token_loss"])
    equal(losses.sum(1) / (answers != PAD).sum(1), arrays["out/example_loss"])
    loss = network.loss(pieces, words, answers, arrays["in/loss_weights"])
    equal(loss, arrays["out/loss"])
    equal(network.log_likelihood(pieces, words, answers), arrays["out/seq_logprob"])
    loss.backward()
    equal(network.whole_words.weight.grad[:16], arrays["grad/encoder.whole_word_embeddings.weight[:16]"])


@pytest.mark.parametrize("gated", [False, True])
def test_a_piece_at_a_time_gives_what_the_whole_answer_gives(gated):
    torch.manual_seed(1)
    sizes = NetworkSizes(vocabulary=30, width=12, inner=20, key=5, layers=2, heads=3, gated=gated, scaled=not gated)
    network = P5Network(sizes).eval()
    pieces = torch.randint(3, 30, (2, 7))
    pieces[1, 5:] = PAD
    words = torch.arange(7).expand(2, 7)
    answers = torch.randint(3, 30, (2, 4, 5))  # four answers to each prompt
    answers[:, :, -1] = END
    with torch.no_grad():
        states = network.encode(pieces, words)
        decoder = SteppingDecoder(network, states, pieces == PAD)
        rows = torch.arange(4).expand(2, 4)
        before, total = None, torch.zeros(2, 4)
        step = torch.full((2, 4), PAD)
        for place in range(5):
            scores, before = decoder.advance(step, rows, before)
            step = answers[:, :, place]
            total += scores.gather(2, step.unsqueeze(2)).squeeze(2)
        expected = [network.log_likelihood(pieces, words, answers[:, number]) for number in range(4)]
    torch.testing.assert_close(total, torch.stack(expected, 1))


def test_sizes_of_a_published_t5_are_read():
    small = {"vocab_size": 32128, "d_model": 512, "d_ff": 2048, "d_kv": 64, "num_layers": 6, "num_heads": 8}
    sizes = NetworkSizes.of_t5({**small, "relative_attention_num_buckets": 32})
    assert (sizes.width, sizes.layers, sizes.gated, sizes.scaled) == (512, 6, False, True)
    newer = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "num_decoder_layers": 6}
    sizes = NetworkSizes.of_t5({**small, "relative_attention_num_buckets": 32, **newer})
    assert (sizes.gated, sizes.scaled) == (True, False)
    with pytest.raises(ValueError, match="number of blocks"):
        NetworkSizes.of_t5({**small, "num_decoder_layers": 3})
