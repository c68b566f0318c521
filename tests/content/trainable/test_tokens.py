"""States of the tokens of texts, frozen or trained."""

import numpy as np
import pytest
import torch

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.content.trainable.tokens import frozen_tokens, trained_tokens
from recbole_idp.errors import UserError
from recbole_idp.testing import configured
from tests.support.encoders import write_bert

TEXTS = ["red pen", "", "wall clock red pen", "desk", "red pen"]


@pytest.fixture
def encoding(domains, tmp_path):
    folder = tmp_path / "bert"
    folder.mkdir()
    write_bert(folder, ["red", "pen", "wall", "clock", "desk"], n_layers=2)
    return TextEncoding.of(configured(domains, "MoRec", text_encoder=str(folder)))


def sums(states, mask):
    """Pools by the sum over the tokens, and tells of padding that is not zero."""
    assert not (states * (mask == 0).unsqueeze(2)).any()
    return states.sum(1)


def expected(encoder, texts):
    features = encoder.tokens(texts).batch(np.arange(len(texts)))
    with torch.no_grad():
        states = encoder.model[0](features)["token_embeddings"]
    return (states * features["attention_mask"].unsqueeze(2)).sum(1)


@pytest.mark.parametrize("kept", [False, True])
def test_states_are_those_of_the_encoder_in_half_precision(encoding, kept):
    encoder = encoding.load_encoder()
    rows = torch.tensor([3, 1, 5, 4])
    for _ in range(2):  # computed, then read
        content = frozen_tokens(encoder, TEXTS, encoding, kept)
        found = content.pooled(rows, sums)
        torch.testing.assert_close(found, expected(encoder, [TEXTS[row - 1] for row in rows]), rtol=0, atol=2e-2)
        assert list(content.state_dict()) == (["flat"] if kept else [])
    assert torch.equal(found[1], found[2])


def test_a_trained_encoder_begins_with_the_same_states(encoding):
    encoder = encoding.load_encoder()
    settings = TrainedEncoderSettings(train_encoder="last_n", trained_layers=1)
    content = trained_tokens(encoder, TEXTS, encoding, settings).eval()
    rows = torch.tensor([3, 1, 5, 4])
    found = content.pooled(rows, lambda states, mask: (states * mask.unsqueeze(2)).sum(1))
    torch.testing.assert_close(found.detach(), expected(encoder, [TEXTS[row - 1] for row in rows]), rtol=0, atol=2e-2)
    found.sum().backward()
    assert any(parameter.grad.abs().max() > 0 for parameter in content.parameters() if parameter.grad is not None)


def test_an_encoder_without_tokens_gives_one_state_a_text_and_has_none_to_train(domains):
    encoding = TextEncoding.of(configured(domains, "MoRec", text_encoder="lsa"))
    encoder = encoding.load_encoder().fit(TEXTS)
    found = frozen_tokens(encoder, TEXTS, encoding, False).pooled(
        torch.tensor([1, 3]), lambda states, mask: states[:, 0]
    )
    torch.testing.assert_close(found, torch.from_numpy(encoder.encode([TEXTS[0], TEXTS[2]])))
    with pytest.raises(UserError, match="lsa has no layers to train"):
        trained_tokens(encoder, TEXTS, encoding, TrainedEncoderSettings(train_encoder="all"))
