"""Folders that version 0.1.0 wrote still open, recommend what they did, and are started from."""

import shutil

import numpy as np
import pytest

import recbole_idp
from recbole_idp.config.strict import StrictConfig
from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.models.idp.pretrain import find_or_pretrain, planned_encoder
from recbole_idp.serving.new_items import find_bundle
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.testing.toy import settings
from recbole_idp.train.pretrained_folder import TEXT_ENCODER

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


@pytest.fixture
def copies(format_1, workplace):
    """Copies of a bundle and of a model that was trained from it, both writable."""
    for name in ("bundle", "trained"):
        shutil.copytree(format_1 / name, workplace / name, copy_function=shutil.copyfile)
    return workplace


def test_a_bundle_opens_with_its_matcher_and_text_encoder(copies):
    bundle = Bundle.open(copies / "bundle")
    assert bundle.domain_names() == ["ml-100k-source"]
    assert bundle.item_embeddings.shape == (1599, 64) and len(bundle.text_vectors) == 1599
    assert bundle.titles[:2] == ["Kolya", "L.A. Confidential"] and bundle.tokens[:2] == ["242", "302"]
    config = StrictConfig("IDP", "shop", config_dict=settings(copies / "data"))
    assert bundle.matcher(TextEncoding.of(config)).vectors([], bundle.text_vectors) is bundle.text_vectors
    encoder = open_text_encoder(bundle.folder / TEXT_ENCODER)
    assert encoder.fingerprint == bundle.description["text_encoder"]["fingerprint"]
    vectors = encoder.encode(["L.A. Confidential 1997 Crime", ""])
    assert vectors.shape == (2, bundle.text_vectors.shape[1]) and vectors[0].any() and not vectors[1].any()


def test_a_bundle_is_what_a_target_starts_from(copies):
    config = StrictConfig("IDP", "shop", config_dict=settings(copies / "data", pretrained=str(copies / "bundle")))
    assert find_or_pretrain(config).folder == copies / "bundle"
    assert planned_encoder(config)["hidden_size"] == 64


def test_a_trained_model_recommends_what_it_did(copies):
    (found,) = recbole_idp.load(copies / "trained").recommend([["t1367", "t1294", "t717"]], 5)
    expected = {"t479": 5.2992, "t462": 5.1094, "t329": 5.0923, "t981": 5.0877, "t1519": 5.0117}
    assert [one.item for one in found] == list(expected)
    assert np.allclose([one.score for one in found], list(expected.values()), atol=1e-3)


def test_a_trained_model_finds_the_bundle_that_it_was_made_from(copies):
    trained = TrainedModel.open(copies / "trained")
    assert find_bundle(trained, copies / "bundle").folder == copies / "bundle"
