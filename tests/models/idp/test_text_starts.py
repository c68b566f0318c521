"""The starts from the target's own texts: the contract, where they start, and what training may change."""

import pytest
import torch

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.idp.components import component_directions
from recbole_idp.models.idp.generation import principal_components
from recbole_idp.models.idp.keys import TextStartSettings
from recbole_idp.models.idp.text_delta import bounded
from recbole_idp.models.idp.text_pca import text_components
from recbole_idp.run.run import run
from recbole_idp.testing import ModelContract, configured, fitted
from recbole_idp.testing.models import loaders_of

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestTextProjectionSASRec(ModelContract):
    model = "TextProjectionSASRec"


class TestTextDeltaSASRec(ModelContract):
    model = "TextDeltaSASRec"
    changes = {"delta_bound": 2.0}


@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("model", ["TextProjectionSASRec", "TextDeltaSASRec"])
def test_they_start_where_text_pca_does(domains, model, whitening):
    # Wider than the texts: 16 words at most tell the toy's items apart.
    config = configured(domains, model, text_whitening=whitening, generated_spread=1.5, hidden_size=32)
    train, _, _ = loaders_of(config)
    found = config.model_class(config, train.dataset).eval().item_vectors().detach()[1:]
    expected = text_components(TextStartSettings.of(config), TextEncoding.of(config), train.dataset)
    assert expected.square().sum(1).mean().sqrt().item() == pytest.approx(1.5, rel=1e-5)
    # Float32 here and float64 there; whitening scales up directions in which texts hardly vary.
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_whitened_components_vary_alike_and_plain_ones_as_the_texts():
    draw = torch.Generator().manual_seed(0)
    texts = (torch.randn(400, 6, generator=draw) * torch.tensor([9.0, 5, 3, 2, 1, 0.5])).double()
    texts -= texts.mean(0)
    variances = [(texts @ component_directions(texts, 4, share)).square().sum(0) for share in (0.0, 0.5, 1.0)]
    assert (variances[0].diff() < 0).all()
    torch.testing.assert_close(variances[1].square() / variances[1][0].square(), variances[0] / variances[0][0])
    torch.testing.assert_close(variances[2], variances[2][0].expand(4))


def test_a_direction_without_variance_is_not_blown_up():
    texts = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) @ torch.randn(3, 8)
    components = principal_components(texts.numpy(), 8, 1.0, whitening=1.0)
    assert components.isfinite().all() and components[:, 3:].abs().max() < 0.01


@pytest.mark.parametrize("bound", [0.5, 3.0])
def test_a_change_stays_below_its_bound_and_small_ones_as_they_are(bound):
    vectors = torch.randn(20, 5) * torch.logspace(-3, 4, 20).unsqueeze(1)
    lengths = bounded(vectors, bound).norm(dim=1)
    assert (lengths <= bound * (1 + 1e-6)).all() and lengths[-1] > 0.99 * bound
    torch.testing.assert_close(bounded(vectors[:1], bound), vectors[:1], atol=1e-4, rtol=1e-3)


def test_training_leaves_the_texts_and_moves_items_within_the_bound(domains):
    changes = {"delta_bound": 0.2, "epochs": 30, "learning_rate": 0.01}
    trainer, _ = fitted(configured(domains, "TextDeltaSASRec", **changes))
    model = trainer.model.eval()
    moved = (model.item_vectors() - model.texts)[1:].detach().norm(dim=1)
    assert 0.02 < moved.max() < 0.2 and "texts" not in dict(model.named_parameters())


def test_a_baseline_is_still_idps_control_where_texts_are_whitened(domains):
    changes = {"text_whitening": 1.0, "hidden_size": 32, "generated_spread": 2.0}
    own = run(configured(domains, "TextPCASASRec", **changes))["variants"]["TextPCASASRec"]["test"]
    control = run(configured(domains, "IDP", variants=["text_pca"], **changes))["variants"]["text_pca"]["test"]
    assert own == control
