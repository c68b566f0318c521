"""A model on NextItNet's encoder: its folder and its ONNX file give its scores, and strange sizes are refused."""

import shutil

import numpy as np
import pytest
import torch

import recbole_idp
from recbole_idp import registry
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.nn.encoder.dilated import DilatedEncoder
from recbole_idp.nn.encoder.keys import DilatedSettings
from recbole_idp.serving.export import write_encoder
from recbole_idp.serving.trained_model import FORMAT
from recbole_idp.testing.toy import write_domains
from tests.support.commands import refusal
from tests.support.trained import resealed, run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

SIZES = {"kernel_size": 3, "dilations": [1, 2], "block_num": 1}


class ConvolvedItems(SequenceModel):
    """A model of its own on this encoder."""

    settings = DilatedSettings
    encoder_kind = "NextItNet"

    def build_encoder(self, config):
        return DilatedEncoder(DilatedSettings.of(config))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of the trained model, and the model."""
    folder = tmp_path_factory.mktemp("made")
    write_domains(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_added", {})
        recbole_idp.add_model(ConvolvedItems, settings=DilatedSettings)
        result = run(folder, "ConvolvedItems", epochs=2, initializer_range=0.1, **SIZES)
    return result["trained"]["folder"]


def test_its_folder_gives_its_scores(made):
    # The run has compared them, and writes no folder where they differ.
    trained = recbole_idp.load(made).trained
    assert trained.description["encoder"] == {
        "kind": "NextItNet",
        "hidden_size": 16,
        "MAX_ITEM_LIST_LENGTH": 10,
        **SIZES,
    }
    assert recbole_idp.load(made).recommend([["si1", "si2"]], k=3)


def test_onnx_gives_its_scores_for_any_batch_and_length(made, tmp_path):
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, exc_type=ImportError)
    runtime = pytest.importorskip("onnxruntime")
    recommender = recbole_idp.load(made)
    write_encoder(recommender.trained, tmp_path / "encoder.onnx")
    session = runtime.InferenceSession(str(tmp_path / "encoder.onnx"))
    draw = np.random.default_rng(0)
    for rows, longest in ((1, 1), (1, 10), (2, 3), (7, 5), (33, 10)):
        histories = [draw.integers(1, 9, draw.integers(1, longest + 1)).tolist() for _ in range(rows)]
        lengths = np.array([len(history) for history in histories])
        items = np.zeros((rows, lengths.max()), dtype=np.int64)
        for row, history in enumerate(histories):
            items[row, : len(history)] = history
        (states,) = session.run(None, {"items": items, "lengths": lengths})
        np.testing.assert_allclose(states, recommender.states(histories).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "value", "says"),
    [
        ("block_num", 1_000_000, "fewer layers"),
        ("dilations", [1] * 1000, "fewer layers"),
        ("dilations", [0], "not positive"),
        ("dilations", "1, 4", "cannot be read"),
        ("dilations", [10**9, 1], "cannot be read"),
        ("kernel_size", 10**9, "kernel_size is 1000000000 in its description"),
    ],
)
def test_sizes_that_are_not_those_of_the_weights_are_refused(size, value, says, made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "trained")
    encoder = recbole_idp.load(made).trained.description["encoder"]
    resealed(folder, FORMAT, encoder={**encoder, size: value})
    assert says in refusal(recbole_idp.load, folder)


def test_states_after_a_history_are_those_of_its_encoder(made):
    recommender = recbole_idp.load(made)
    history = [1, 2, 3, 4]
    encoder = DilatedEncoder(DilatedSettings(hidden_size=16, **SIZES)).eval()
    encoder.load_state_dict(recommender.trained.encoder)
    with torch.no_grad():
        vectors = recommender.trained.item_vectors[history].unsqueeze(0)
        expected = encoder(vectors, torch.zeros(1, 4, dtype=torch.bool))[:, -1]
    torch.testing.assert_close(recommender.states([history]), expected)
