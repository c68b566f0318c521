"""A training is shared by the workers of a Ray cluster as by processes of this machine."""

import pytest
import torch

from recbole_idp.cli.main import main
from recbole_idp.errors import UserError
from recbole_idp.train.processes import group
from recbole_idp.train.processes.step import Training
from tests.train.processes.test_processes import configured, trainer_of


@pytest.fixture(autouse=True)
def ended():
    yield
    group.end_all()


def trained(config, engine):
    """Trains an epoch by three processes, and returns the weights."""
    trainer, batches = trainer_of(config)
    training = Training(trainer.model, trainer.optimizer, trainer.model.position_loss, None, 1)
    group.processes(3, engine).train(training, batches)
    group.end_all()
    return trainer.model.state_dict()


@pytest.mark.slow
def test_two_workers_of_ray_give_the_weights_of_two_processes_of_this_machine(domains, ray_cluster):
    config = configured("PositionSASRec", domains, hidden_dropout_prob=0.2)
    torch.set_num_threads(1)
    states = []
    for engine in ("ray", "local"):
        torch.manual_seed(5)
        states.append(trained(config, engine))
    for name, found in states[0].items():
        assert torch.equal(found, states[1][name]), name


@pytest.mark.slow
def test_a_cluster_that_is_too_small_is_refused_in_one_line(ray_cluster):
    torch.set_num_threads(1)
    with pytest.raises(UserError, match="nproc is 4, and the Ray cluster has 2 processors for 3 workers") as caught:
        group.processes(4, "ray")
    assert "\n" not in str(caught.value)


def test_one_process_has_nothing_to_run_on_a_cluster(domains, capsys):
    assert main([f"--data_path={domains}", "--model=PositionSASRec", "--dataset=shop", "--engine=ray"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "name several models, or give --nproc=2" in line
