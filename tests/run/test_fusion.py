"""Late fusion: scores, the choice of the weight, results, and the trained folder."""

import functools

import numpy as np
import pytest
import torch

from recbole_idp import testing
from recbole_idp.evaluation.ranking import rank_targets
from recbole_idp.report.result import read_ranks
from recbole_idp.run.fusion import fused_model
from recbole_idp.run.run import run
from recbole_idp.storage.checkpoint import load_checkpoint
from recbole_idp.testing.models import loaders_of
from tests.support.commands import refused
from tests.support.trained import assert_serves

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
configured = functools.partial(testing.configured, fuse="TextKNN", epochs=3)


def of_result(result, config):
    """Returns the model of a result without fusion, and the loaders."""
    (row,) = result["variants"].values()
    loaders = loaders_of(config)
    model = config.model_class(config, loaders[0].dataset)
    model.load_state_dict(load_checkpoint(row["runs"][0]["checkpoint"])[0])
    return model.eval(), loaders


@pytest.mark.parametrize("model", ["PositionSASRec", "IDP_BERT4Rec"])
def test_the_weight_is_the_best_on_validation_and_test_is_measured_with_it(domains, model):
    config = configured(domains, model, fuse_weights=[0.0, 1.0, 30.0], variants=["scratch"])
    result = run(config)
    (row,) = result["variants"].values()
    fused = row["runs"][0]["fused"]
    built, (train, valid, test) = of_result(result, config)
    longest = config["MAX_ITEM_LIST_LENGTH"]
    for weight, value in fused["tried"].items():
        both = fused_model(built, config, train.dataset, float(weight))
        ranks = rank_targets(both, valid.dataset.targets(), longest).double()
        expected = torch.where(ranks <= 5, 1 / torch.log2(ranks + 1), 0.0).mean()
        assert value == pytest.approx(float(expected), abs=1e-4)
    assert fused["tried"][f"{fused['weight']:g}"] == max(fused["tried"].values()) == row["valid"]["ndcg@5"]
    both = fused_model(built, config, train.dataset, fused["weight"])
    (path,) = (domains / "results").glob("*.json")
    (ranks,) = read_ranks(path).trials.values()
    assert np.array_equal(ranks, rank_targets(both, test.dataset.targets(), longest).numpy())


@pytest.mark.parametrize("model", ["PositionSASRec", "IDP_BERT4Rec"])
def test_a_fused_model_is_served(domains, model):
    changes = {"fuse_weights": [2.0], "exclude_history": model == "PositionSASRec"}
    config = configured(domains, model, variants=["scratch"], **changes)
    result = run(config)
    built, (train, _, test) = of_result(result, config)
    both = fused_model(built, config, train.dataset, 2.0)
    assert_serves(result["trained"]["folder"], both, test.dataset.targets())


def test_fusion_is_refused_where_it_has_no_meaning(domains, capfd):
    words = ["--dataset=shop", f"--data_path={domains}", "--fuse=TextKNN"]
    sampled = ["--model=PositionSASRec", '--eval_args={"mode": "uni9"}']
    refused(capfd, [*words, *sampled], "fuse ranks all items")
    refused(capfd, [*words, "--model=TextKNN"], "the model is TextKNN")
    for model in ("NARM", "P5"):
        refused(capfd, [*words, f"--model={model}"], f"and {model} is none")
