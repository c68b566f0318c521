"""Texts that a tokenizer does not know, and tokenizers without a padding token."""

import logging

import numpy as np
import pytest
import torch

from recbole_idp.content.text.encoder import load_text_encoder
from recbole_idp.content.text.unknown import unknown_shares, warn_of_unknown_tokens
from recbole_idp.content.trainable.text import TrainableText

WORDS = ["red", "pen", "blue", "ink", "paper", "clock"]
TEXTS = ["red pen", "blue ink paper clock red", "clock", "paper pen blue"]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    """The folder of an untrained decoder of OPT's kind, whose tokenizer knows six words and no padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import OPTConfig, OPTModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoders") / "opt"
    known = {word: number for number, word in enumerate(["</s>", "<unk>", *WORDS])}
    words = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", unk_token="<unk>")
    assert tokenizer.pad_token is None
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "word_embed_proj_dim": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = OPTConfig(vocab_size=len(known), ffn_dim=32, max_position_embeddings=32, pad_token_id=0, **sizes)
    OPTModel(config).save_pretrained(folder)
    return str(folder)


def test_a_decoder_without_a_padding_token_gives_means_over_the_texts_own_tokens(decoder):
    encoder = load_text_encoder(decoder, max_tokens=16)
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    ids = encoder.tokens(["red pen"]).batch(np.array([0]))
    states = encoder.model[0].model(**ids)[0]
    np.testing.assert_allclose(encoder.encode(["red pen"])[0], states[0].mean(0).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("layers", [None, 1])
def test_the_last_layers_of_such_a_decoder_are_trained(decoder, layers, tmp_path):
    encoder = load_text_encoder(decoder, max_tokens=16)
    content = TrainableText(encoder, TEXTS, layers, tmp_path)
    vectors = content.eval()(torch.arange(5))
    tolerance = 1e-5 if layers is None else 1e-2
    np.testing.assert_allclose(vectors[1:].detach().numpy(), encoder.encode(TEXTS), rtol=0, atol=tolerance)
    vectors.square().sum().backward()
    assert any(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in content.parameters())


def test_unknown_tokens_are_counted_and_told_in_one_line(decoder, caplog):
    caplog.set_level(logging.WARNING)
    encoder = load_text_encoder(decoder, max_tokens=16)
    assert unknown_shares(encoder, ["red pen", "красная pen", "синие чернила", "red " * 30]).tolist() == [
        [0, 2],
        [1, 2],
        [2, 2],
        [0, 16],
    ]
    warn_of_unknown_tokens(encoder, [*TEXTS, "", "red pen"])
    assert not caplog.records
    warn_of_unknown_tokens(encoder, [*TEXTS, "красная ручка", "синие чернила"])
    (record,) = caplog.records
    # 4 of 15 tokens
    assert "does not know 27 % of the tokens of texts, such as of 'красная ручка'" in record.getMessage()
    assert "\n" not in record.getMessage()
