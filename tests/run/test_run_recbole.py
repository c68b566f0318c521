"""RecBole's own functions, as its users call them, work with our models after ``import recbole_idp``."""

import numpy as np
import pytest
import torch

import recbole_idp  # noqa: F401, it registers the models
from recbole_idp.testing.toy import settings
from tests.support.commands import refusal


@pytest.fixture
def plain(domains, monkeypatch):
    """The toy configuration as a dict, and a command line without options, since RecBole reads sys.argv."""
    monkeypatch.setattr("sys.argv", ["recbole"])
    return settings(domains)


def test_run_recbole_trains_and_its_checkpoint_is_opened(plain, workplace):
    from recbole.quick_start import load_data_and_model, run_recbole
    from recbole.utils.case_study import full_sort_topk

    outcome = run_recbole(model="IDP", dataset="shop", config_dict=plain)
    assert 0 <= outcome["test_result"]["hit@5"] <= 1
    assert not list(workplace.rglob("*.pth"))
    (checkpoint,) = (workplace / "data" / "saved").glob("IDP-*.safetensors")
    config, model, dataset, _, _, test = load_data_and_model(model_file=str(checkpoint))
    assert config["model"] == "IDP"

    from recbole_idp.train.trainer import SequenceTrainer

    again = SequenceTrainer(config, model).evaluate(test, load_best_model=False)
    assert dict(again) == dict(outcome["test_result"])

    users = dataset.token2id(dataset.uid_field, ["su0", "su1"])
    scores, items = full_sort_topk(users, model, test, k=3, device=config["device"])
    assert scores.shape == items.shape == (2, 3)
    assert (np.diff(scores.detach().numpy(), axis=1) <= 0).all()
    assert (items > 0).all()


@pytest.mark.parametrize(
    ("model", "values", "says"),
    [
        ("IDP", {"epoch": 1}, "unknown key epoch in config_dict: did you mean epochs?"),
        ("PositionSASRec", {"top_m": 3}, "unknown key top_m in config_dict"),
        ("UniSRec", {"enable_amp": True}, "enable_amp is True in config_dict, but the training of UniSRec does"),
        ("PRECISE", {"threshold": {"rating": 4}}, "threshold is {'rating': 4} in config_dict"),
    ],
)
def test_keys_are_checked_before_anything_is_read(plain, model, values, says, workplace):
    from recbole.quick_start import run_recbole

    assert says in refusal(run_recbole, model=model, dataset="shop", config_dict=values)
    assert not list(workplace.rglob("*.log"))


def test_keys_of_files_are_checked_as_well(plain, tmp_path):
    from recbole.config import Config

    file = tmp_path / "a.yaml"
    file.write_text("epoch: 3\n")
    assert "unknown key epoch in a configuration file" in refusal(Config, "IDP", "shop", config_file_list=[str(file)])


def test_unknown_options_of_another_program_are_logged(monkeypatch, caplog):
    from recbole.config import Config

    monkeypatch.setattr("sys.argv", ["program.py", "--colour=red", "--epochs=3"])
    assert Config("IDP", "shop")["epochs"] == 3
    assert "unknown key --colour on the command line" in caplog.text
    monkeypatch.setattr("sys.argv", ["program.py", "--shuffle=False"])
    assert "shuffle is False on the command line" in refusal(Config, "IDP", "shop")


def test_the_processes_of_recboles_own_run_are_not_refused(monkeypatch):
    from recbole.config import Config

    monkeypatch.setattr("sys.argv", ["program.py"])
    assert Config("IDP", "shop", config_dict={"nproc": 2, "world_size": 2, "ip": "localhost"})["nproc"] == 2


def test_transfer_through_run_recbole_equals_the_task_run(plain, domains):
    from recbole.quick_start import run_recbole

    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.run.run import run

    ours = run(StrictConfig("IDP", "shop", config_dict={**plain, "variants": ["fine_tune"]}))
    theirs = run_recbole(model="IDP", dataset="shop", config_dict=dict(plain))
    # run_recbole seeds anew before it makes the model, as the task does.
    assert dict(theirs["test_result"]) == ours["variants"]["fine_tune"]["test"]


def test_objective_function_reports_a_trial(plain, monkeypatch):
    from recbole.quick_start import objective_function

    monkeypatch.setattr("ray.tune.report", lambda **_: None)
    outcome = objective_function({**plain, "model": "IDP", "dataset": "shop", "transfer": "scratch"})
    assert outcome["model"] == "IDP"
    assert set(outcome["test_result"]) == set(outcome["best_valid_result"])


def test_resumed_training_ends_like_an_uninterrupted_one_in_its_first_epochs(plain, domains):
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import init_seed

    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.models.idp.model import IDP
    from recbole_idp.train.trainer import SequenceTrainer

    config = StrictConfig("IDP", "shop", config_dict={**plain, "epochs": 1})
    train, valid, _ = data_preparation(config, create_dataset(config))
    init_seed(3, True)
    model = IDP(config, train.dataset)
    trainer = SequenceTrainer(config, model)
    trainer.fit(train, valid)
    resumed = SequenceTrainer(config, IDP(config, train.dataset))
    resumed.resume_checkpoint(trainer.saved_model_file)
    assert resumed.start_epoch == 1
    for own, other in zip(model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(own, other)


def test_negative_sampling_evaluation_takes_recboles_loop(plain, domains):
    from recbole.data import create_dataset, data_preparation

    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.models.idp.model import IDP
    from recbole_idp.train.trainer import SequenceTrainer

    config = StrictConfig("IDP", "shop", config_dict={**plain, "eval_args": {"mode": "uni5"}})
    train, _, test = data_preparation(config, create_dataset(config))
    result = SequenceTrainer(config, IDP(config, train.dataset)).evaluate(test, load_best_model=False)
    assert result["hit@5"] >= result["hit@1"]
