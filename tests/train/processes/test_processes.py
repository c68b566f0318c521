"""Several processes share a training: as one that accumulates the gradients of all batches of a step."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from recbole.utils import get_model, get_trainer

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.errors import UserError
from recbole_idp.run.run import run
from recbole_idp.testing.toy import settings
from recbole_idp.train.processes import group
from recbole_idp.train.processes.step import Training
from recbole_idp.train.trainer import SequenceTrainer
from tests.support.commands import refused
from tests.support.precise import SMALL
from tests.support.python import ROOT

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "train_batch_size": 16, "threads": 1}


@pytest.fixture(autouse=True)
def ended():
    yield
    group.end_all()


def configured(model, folder, **changes):
    return StrictConfig(model, "shop", config_dict=settings(folder, **{**NO_DROPOUT, **changes}))


def trainer_of(config):
    parts = SequenceDataset(config).build()
    torch.manual_seed(1)
    model = get_model(config["model"])(config, parts[0])
    return get_trainer(config["MODEL_TYPE"], config["model"])(config, model), list(
        model.training_batches(parts[0].targets(), config, torch.Generator().manual_seed(2))
    )


def accumulated(trainer, batches, count):
    """Takes a step on each group of batches, as one process does that accumulates gradients."""
    for first in range(0, len(batches), count):
        mine = batches[first : first + count]
        trainer.optimizer.zero_grad()
        n_targets = sum(batch.n_targets for batch in mine)
        sum(trainer.model.position_loss(batch) * batch.n_targets / n_targets for batch in mine).backward()
        trainer.optimizer.step()


def test_gradients_are_those_of_all_batches(domains):
    config = configured("PositionSASRec", domains)
    (alone, batches), (together, _) = trainer_of(config), trainer_of(config)
    assert len(batches) % 2 == 1, "a process has no batch in the last step"
    accumulated(alone, batches, 2)
    training = Training(together.model, together.optimizer, together.model.position_loss, None, 1)
    total, count = group.processes(2).train(training, batches)
    assert count == sum(batch.n_targets for batch in batches) and np.isfinite(total)
    start = trainer_of(config)[0].model.state_dict()
    for (name, mine), theirs in zip(
        together.model.state_dict().items(), alone.model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
        assert "encoder" not in name or not torch.equal(mine, start[name]) or mine.numel() < 2


def result(config):
    found = run(config)
    return {name: trial["test"] for name, trial in found["variants"].items()}


def test_a_run_by_two_processes_is_the_same_twice_and_pre_trains_by_them_too(domains, tmp_path):
    def again(place):
        changes = {"nproc": 2, "checkpoint_dir": str(tmp_path / place), "hidden_dropout_prob": 0.2}
        return result(configured("IDP", domains, variants=["fine_tune"], **changes))

    assert again("a") == again("b")
    alone = result(configured("IDP", domains, variants=["fine_tune"], checkpoint_dir=str(tmp_path / "c")))
    assert alone.keys() == again("a").keys()


def test_a_training_goes_on_with_another_number_of_processes(domains, tmp_path):
    def fitted(n_processes, epochs):
        config = configured("PositionSASRec", domains, nproc=n_processes, epochs=epochs, stopping_step=50)
        parts = SequenceDataset(config).build()
        trainer = get_trainer(config["MODEL_TYPE"], "PositionSASRec")(
            config, get_model("PositionSASRec")(config, parts[0])
        )
        trainer.keep_in(tmp_path)
        from recbole.data import data_preparation

        train, valid, _ = data_preparation(config, SequenceDataset(config))
        trainer.fit(train, valid, verbose=False)
        return trainer

    fitted(2, 2)
    assert fitted(1, 3).start_epoch == 2


def test_trainers_with_losses_of_their_own_say_whether_steps_are_shared():
    def below(cls):
        for child in cls.__subclasses__():
            yield child
            yield from below(child)

    import recbole_idp.models.clue.pretrain
    import recbole_idp.models.conure.trainer
    import recbole_idp.models.dacdr.trainer
    import recbole_idp.models.p5.trainer
    import recbole_idp.models.recformer.trainer
    import recbole_idp.recbole_models.trainers  # noqa: F401  # the classes that are looked at

    own = [cls for cls in below(SequenceTrainer) if "_training_loss" in vars(cls)]
    assert own and [cls.__name__ for cls in own if cls.shares_steps] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", ["UniSRec", "PeterRec", "CLUE", "IDP_GRU4Rec", "IDP_BERT4Rec", "TextPCASASRec", "PRECISE"]
)
def test_models_share_steps(model, domains):
    sizes = SMALL if model == "PRECISE" else {}
    config = StrictConfig(model, "shop", config_dict=settings(domains, **sizes, nproc=2, epochs=1))
    for trial in run(config)["variants"].values():
        assert np.isfinite(list(trial["test"].values())).all()


@pytest.mark.parametrize("model", ["Conure", "MoRec", "DACDR"])
def test_other_trainings_refuse_several_processes_in_one_line(model, domains):
    config = configured(model, domains, nproc=2)
    with pytest.raises(UserError, match=f"nproc is 2, but the training of {model} uses one process: remove it"):
        get_trainer(config["MODEL_TYPE"], model).check_config(config)


def test_a_worker_that_ends_ends_the_training_in_one_line(domains):
    config = configured("PositionSASRec", domains)
    trainer, batches = trainer_of(config)
    found = group.processes(2)
    os.kill(found._workers[0].pid, signal.SIGKILL)
    found._workers[0].wait()
    training = Training(trainer.model, trainer.optimizer, trainer.model.position_loss, None, 1)
    with pytest.raises(UserError, match="a process of the training has ended") as caught:
        found.train(training, batches)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_torchrun_starts_a_run(domains, tmp_path):
    given = {**settings(domains), **NO_DROPOUT}
    options = [
        f"--data_path={given['data_path']}",
        "--model=PositionSASRec",
        "--dataset=shop",
        "--epochs=1",
        "--threads=1",
    ]
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "recbole_idp"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*program, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Result: ") == 1 and len(list((tmp_path / "results").glob("*.json"))) == 1


def test_torchrun_takes_runs_alone(capfd, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    refused(capfd, ["leaderboard", "--model=IDP,Pop"], "torchrun starts run and pretrain alone")
