"""The variant auto: which start it takes, what it averages, how it resumes, and what is served."""

import itertools
import json

import numpy as np
import pytest
import torch

from recbole_idp import testing
from recbole_idp.evaluation.ranking import rank_targets
from recbole_idp.models.base.fused import FusedModel
from recbole_idp.report.result import read_ranks
from recbole_idp.run import auto
from recbole_idp.run.auto import mixtures
from recbole_idp.run.best_model import trial_settings
from recbole_idp.run.run import run
from recbole_idp.run.trials import Trial
from recbole_idp.serving.recommender import Recommender
from recbole_idp.storage.checkpoint import load_checkpoint
from recbole_idp.testing.models import loaders_of
from tests.support.commands import refused
from tests.support.trained import assert_serves

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

STARTS = {"auto_starts": ["scratch", "text_pca", "fine_tune"], "auto_rungs": [1, 2], "epochs": 3}


def configured(domains, **changes):
    """Returns the configuration of a run with the variant auto."""
    options = {"variants": ["auto"], "pretrain_epochs": 2, "exclude_history": False, **STARTS, **changes}
    return testing.configured(domains, "IDP", **options)


def average_of(result, config):
    """Returns the average that a result names, of its checkpoints, and the loaders."""
    (run_of_auto,) = result["variants"]["auto"]["runs"]
    loaders, models = loaders_of(config), []
    members = run_of_auto["auto"]["members"]
    for member in members:
        settings = trial_settings(config, Trial(member["variant"], member["seed"]))
        model = config.model_class(settings, loaders[0].dataset)
        model.load_state_dict(load_checkpoint(member["checkpoint"])[0])
        models.append(model.eval())
    return FusedModel(models, [member["weight"] for member in members]), loaders


def test_mixtures_are_all_multiples_of_a_part_and_begin_with_single_models():
    found = list(mixtures(3, 2))
    assert set(found[:3]) == {(2.0, 0.0, 0.0), (0.0, 2.0, 0.0), (0.0, 0.0, 2.0)} and len(found) == 6
    assert all(sum(weights) == 4 for weights in mixtures(4)) and len(list(mixtures(4))) == 35
    assert sorted(mixtures(2, 1)) == [(0.0, 1.0), (1.0, 0.0)]


def test_what_validation_prefers_is_kept_averaged_tested_and_served(domains):
    config = configured(domains, auto_seeds=2)
    result = run(config)
    (found,) = result["variants"]["auto"]["runs"]
    (rung,) = found["auto"]["rungs"]
    # Three starts are halved once, to the two that are trained to the end at least.
    assert rung["epochs"] == 1 and set(rung["valid"]) == set(STARTS["auto_starts"])
    assert sorted(rung["kept"], key=STARTS["auto_starts"].index) == rung["kept"] and len(rung["kept"]) == 2
    assert min(rung["valid"][name] for name in rung["kept"]) >= sorted(rung["valid"].values())[1]
    members = found["auto"]["members"]
    assert {member["variant"] for member in members} <= set(rung["kept"])
    assert {member["seed"] for member in members} <= {2020, 3020}
    assert sum(member["weight"] for member in members) == pytest.approx(1)
    average, (_, valid, test) = average_of(result, config)
    longest = config["MAX_ITEM_LIST_LENGTH"]
    ranks = rank_targets(average, valid.dataset.targets(), longest).double()
    value = torch.where(ranks <= 5, 1 / torch.log2(ranks + 1), 0.0).mean()
    assert found["valid"]["ndcg@5"] == pytest.approx(float(value), abs=1e-4)
    (path,) = (domains / "results").glob("*.json")
    (tested,) = read_ranks(path).trials.values()
    assert np.array_equal(tested, rank_targets(average, test.dataset.targets(), longest).numpy())
    assert_serves(result["trained"]["folder"], average, test.dataset.targets())
    # Nothing is left of what is not averaged.
    assert not list((domains / "saved").glob("unfinished-*"))
    kept = {member["checkpoint"].rsplit("/", 1)[-1] for member in members}
    assert {file.name for file in (domains / "saved").glob("IDP-*.safetensors")} == kept


def test_a_single_start_gives_the_numbers_of_its_own_row(domains):
    options = {"auto_starts": ["text_pca"], "variants": ["text_pca", "auto"]}
    rows = run(configured(domains, **options))["variants"]
    assert rows["auto"]["test"] == rows["text_pca"]["test"] and rows["auto"]["valid"] == rows["text_pca"]["valid"]


@pytest.mark.slow
@pytest.mark.parametrize("ended", [1, 2, 3, 4])
def test_an_interrupted_choice_goes_on_with_the_same_numbers(domains, monkeypatch, ended):
    def numbers(result):
        (found,) = result["variants"]["auto"]["runs"]
        members = [{**member, "checkpoint": ""} for member in found["auto"]["members"]]
        return json.dumps([found["auto"]["rungs"], members, found["test"], found["valid"]])

    places = {"result_dir": str(domains / "whole"), "checkpoint_dir": str(domains / "apart")}
    expected = numbers(run(configured(domains, **places)))
    count, train = itertools.count(1), auto.train

    def interrupted(*arguments):
        training = train(*arguments)
        if next(count) == ended:
            raise KeyboardInterrupt
        return training

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(auto, "train", interrupted)
        run(configured(domains))
    assert numbers(run(configured(domains))) == expected
    left = {path.name.rsplit("-IDP", 1)[-1] for path in (domains / "saved").glob("IDP-*.safetensors")}
    assert len(left) == len(json.loads(expected)[1])


@pytest.mark.slow
def test_the_average_may_be_fused_with_text_neighbours(domains):
    result = run(configured(domains, fuse="TextKNN", fuse_weights=[0.0, 2.0]))
    (found,) = result["variants"]["auto"]["runs"]
    assert found["fused"]["weight"] in (0.0, 2.0) and found["auto"]["members"]
    assert Recommender.open(result["trained"]["folder"]).scores([[1, 2]]).shape[0] == 1


def test_what_has_no_meaning_is_refused(domains, capfd):
    words = ["--dataset=shop", f"--data_path={domains}", "--model=IDP", "--variants=auto"]
    refused(capfd, [*words, '--eval_args={"mode": "uni9"}'], "auto ranks all items")
    refused(capfd, [*words, "--auto_rungs=[5, 3]"], "auto_rungs has to rise")
    refused(capfd, [*words, "--auto_members=4", "--auto_seeds=3"], "auto averages 8 models at most")
    # One rung halves four starts once.
    once = ["--auto_rungs=[3]", "--auto_members=1", "--auto_seeds=5"]
    refused(capfd, [*words, *once], "auto averages 8 models at most", "2 starts with 5 seeds")
    refused(capfd, [*words, "--auto_starts=[zero_shot]"], "auto_starts")
