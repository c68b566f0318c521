"""Each causal encoder: pre-trained, taken over, served from a folder, exported; strange sizes are refused."""

import shutil

import numpy as np
import pytest
import torch

import recbole_idp
from recbole_idp.errors import UserError
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.nn.encoder.causal import CausalSettings, user_encoder
from recbole_idp.nn.encoder.dilated import PostActivationBlock
from recbole_idp.nn.encoder.kinds import ENCODERS
from recbole_idp.serving.encoder_sizes import CAUSAL, encoder_sizes
from recbole_idp.serving.export import write_encoder
from recbole_idp.serving.trained_model import FORMAT
from recbole_idp.serving.user_encoder import build_user_encoder
from recbole_idp.testing.toy import write_domains
from tests.support.commands import refusal
from tests.support.trained import resealed, run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


SLOW = pytest.mark.slow


@pytest.fixture(scope="module", params=["BSARec", pytest.param("LiGR", marks=SLOW), pytest.param("HSTU", marks=SLOW)])
def made(request, tmp_path_factory):
    """The kind, the data's folder, and the result of a run of IDP."""
    folder = tmp_path_factory.mktemp("made")
    write_domains(folder / "data")
    changes = {"variants": ["fine_tune"], "pretrain_epochs": 30, "pretrain_learning_rate": 0.01, "top_m": 1}
    changes |= {"generator": "paper", "source_domains": ["pens"], "MAX_ITEM_LIST_LENGTH": 5}
    return request.param, folder, run(folder, encoder=request.param, **changes)


def test_it_is_pre_trained_taken_over_and_served(made):
    kind, _, result = made
    bundle = Bundle.open(result["bundle"])
    described = bundle.description["encoder"]
    assert described.keys() == {"kind", *ENCODERS[kind].sizes} and described["kind"] == kind
    # Titles are the same in both domains: each item has the ID of its twin, and the encoder knows what follows.
    assert result["variants"]["fine_tune"]["test"]["hit@1"] > 0.9
    # The run has compared scores, and writes no folder where they differ.
    trained = recbole_idp.load(result["trained"]["folder"]).trained
    assert trained.description["encoder"] == {
        key: value for key, value in trained.description["config"].items() if key in CAUSAL[kind]
    } | {"kind": kind}


@SLOW
def test_onnx_gives_its_scores_for_any_batch_and_length(made, tmp_path):
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, exc_type=ImportError)
    runtime = pytest.importorskip("onnxruntime")
    recommender = recbole_idp.load(made[2]["trained"]["folder"])
    write_encoder(recommender.trained, tmp_path / "encoder.onnx")
    session = runtime.InferenceSession(str(tmp_path / "encoder.onnx"))
    draw = np.random.default_rng(0)
    for rows, longest in ((1, 1), (1, 5), (2, 3), (33, 5)):
        histories = [draw.integers(1, 9, draw.integers(1, longest + 1)).tolist() for _ in range(rows)]
        lengths = np.array([len(history) for history in histories])
        items = np.zeros((rows, lengths.max()), dtype=np.int64)
        for row, history in enumerate(histories):
            items[row, : len(history)] = history
        (states,) = session.run(None, {"items": items, "lengths": lengths})
        np.testing.assert_allclose(states, recommender.states(histories).numpy(), rtol=1e-4, atol=1e-5)


def test_another_encoder_is_refused_before_any_work_and_starts_anew_where_that_is_wanted(made):
    kind, folder, result = made
    other = {"BSARec": "LiGR", "LiGR": "HSTU", "HSTU": "SASRec"}[kind]
    changes = {"pretrained": str(result["bundle"]), "encoder": other, "epochs": 1, "MAX_ITEM_LIST_LENGTH": 5}
    with pytest.raises(UserError, match=f"{kind} was pre-trained and IDP is {other}.*new_encoder"):
        run(folder, variants=["fine_tune"], **changes)
    assert "new_encoder" in run(folder, variants=["new_encoder"], **changes)["variants"]


@pytest.mark.parametrize(
    ("size", "value", "says"),
    [
        ("MAX_ITEM_LIST_LENGTH", 10**9, "MAX_ITEM_LIST_LENGTH is 1000000000 in its description, and 5 in its weights"),
        ("n_layers", 10**6, "fewer layers"),
        ("n_heads", 3, "its heads do not divide its width"),
        ("n_heads", 0, "not positive"),
    ],
)
def test_sizes_that_are_not_those_of_the_weights_are_refused(size, value, says, made, tmp_path):
    folder = shutil.copytree(made[2]["trained"]["folder"], tmp_path / "trained")
    encoder = recbole_idp.load(folder).trained.description["encoder"]
    resealed(folder, FORMAT, encoder={**encoder, size: value})
    assert says in refusal(recbole_idp.load, folder)


@pytest.mark.parametrize("kind", CAUSAL)
def test_an_encoder_that_reads_the_user_at_a_token_is_built_again(kind):
    torch.manual_seed(0)
    values = {"hidden_size": 8, "n_heads": 2, "n_layers": 2, "inner_size": 16, "MAX_ITEM_LIST_LENGTH": 6}
    values |= CausalSettings.of({**values, "encoder": kind, "bsarec_alpha": 0.0}).model_dump()
    encoder = user_encoder(CausalSettings.of(values), 6, PostActivationBlock).eval()
    description = {"encoder": encoder_sizes(f"{kind}Token", values), "hidden_event": False, "temperature": None}
    vectors, items = torch.randn(9, 8), torch.tensor([[3, 1, 2], [4, 0, 0]])
    built = build_user_encoder(description, encoder.state_dict(), vectors)
    with torch.no_grad():
        expected = encoder(vectors[items], items == 0)[[0, 1], [2, 0]]
        torch.testing.assert_close(built(items, torch.tensor([3, 1])), expected)
