"""Token vectors of texts: from encoders and decoders, joined to few stretches, projected once, and cached."""

import numpy as np
import pytest
import torch

from recbole_idp.content.text.encoder import load_text_encoder
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.precise.keys import FusionSettings
from recbole_idp.models.precise.token_states import ProjectedTokens, StretchEncoder, token_vectors
from tests.support.encoders import write_bert

TITLES = [
    "pilot retractable gel ink pen fine point black",
    "blue pen",
    "epson wireless color printer with a large display and ink",
    "calculator",
    "",
]


def _vocabulary():
    return sorted({word for title in TITLES for word in title.split()})


def _bert(folder):
    write_bert(folder, _vocabulary())


def _llama(folder):
    """Writes an untrained decoder, without a padding token, in plain Hugging Face layout."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(["<unk>", "</s>", *_vocabulary()])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>").save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    LlamaModel(LlamaConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)


@pytest.fixture(scope="module", params=[_bert, _llama], ids=["encoder", "decoder"])
def model_folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("language-model")
    torch.manual_seed(0)
    request.param(folder)
    return folder


def last_states(folder, text):
    """Returns the last hidden states of a text's own tokens, by transformers alone; shape [T, W]."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    inputs = tokenizer(text, return_tensors="pt")
    special = torch.tensor(tokenizer.all_special_ids)
    with torch.no_grad():
        states = model(input_ids=inputs["input_ids"]).last_hidden_state[0]
    return states[~torch.isin(inputs["input_ids"][0], special)].numpy()


def test_states_are_the_language_models_last_ones_joined_in_order(model_folder):
    encoder = StretchEncoder(load_text_encoder(str(model_folder), batch_size=2), 3)
    states = encoder.encode(TITLES).reshape(5, 3, 16)
    for text, own in zip(TITLES[:4], states, strict=False):
        expected = last_states(model_folder, text)
        count = len(expected)
        assert count == len(text.split())
        for stretch in range(3):
            members = [place for place in range(count) if place * 3 // max(count, 3) == stretch]
            wanted = expected[members].mean(0) if members else np.zeros(16)
            np.testing.assert_allclose(own[stretch], wanted, atol=1e-5)
    assert not states[4].any() and not states[1, 2].any() and not states[3, 1:].any()


def test_the_projection_keeps_the_largest_variance_at_one_scale(model_folder, tmp_path):
    stretches = StretchEncoder(load_text_encoder(str(model_folder)), 3)
    projected = ProjectedTokens(stretches, 4).fit(TITLES, tmp_path)
    vectors = projected.encode(TITLES).reshape(5, 3, 4)
    # Texts of the sample are not encoded again, and get what others would.
    projected._known.clear()
    np.testing.assert_allclose(projected.encode(TITLES).reshape(5, 3, 4), vectors, atol=1e-4)
    states = stretches.encode(TITLES).reshape(5, 3, 16)
    present = states.any(-1)
    assert (vectors.any(-1) == present).all()
    found, centred = vectors[present], states[present] - states[present].mean(0)
    assert np.square(found).mean() == pytest.approx(1, rel=1e-4)
    # Distances shrink by one factor, and no further than the best four dimensions lose.
    best = np.linalg.svd(centred, compute_uv=False)[:4]
    own = np.linalg.svd(found - found.mean(0), compute_uv=False)
    np.testing.assert_allclose(own / own[0], best / best[0], rtol=1e-3)


def test_lsa_gives_one_token_and_vectors_are_cached(workplace, monkeypatch):
    from recbole_idp.config.strict import StrictConfig

    changes = {"text_encoder": "lsa", "token_count": 3, "token_width": 2, "use_gpu": False, "show_progress": False}
    config = StrictConfig("PRECISE", "shop", config_dict=changes)
    given = TextEncoding.of(config), FusionSettings.of(config)
    first = token_vectors(*given, TITLES)
    assert first.shape == (5, 3, 2) and first[:4, 0].any(-1).all() and not first[:, 1:].any() and not first[4].any()
    monkeypatch.setattr(StretchEncoder, "encode_distinct", None)
    np.testing.assert_array_equal(token_vectors(*given, TITLES), first)
