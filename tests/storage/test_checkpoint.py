"""Checkpoints: exact, resumable, and closed to strangers' code."""

import pickle

import pytest
import torch

from recbole_idp.errors import UserError
from recbole_idp.storage.checkpoint import load_checkpoint, save_checkpoint
from tests.support.planted import Planted


@pytest.fixture
def trained():
    """A small model after a step of Adam."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_training_goes_on_exactly_where_it_stopped(trained, tmp_path):
    model, optimizer = trained
    save_checkpoint(tmp_path / "a.safetensors", model, {"epoch": 3}, optimizer)
    state, description, optimizer_state = load_checkpoint(tmp_path / "a.safetensors")
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(state)
    resumed = torch.optim.Adam(other.parameters(), lr=0.5)
    resumed.load_state_dict(optimizer_state)
    assert description == {"epoch": 3}
    for net, opt in ((model, optimizer), (other, resumed)):
        opt.zero_grad()
        net(torch.full((1, 3), 2.0)).pow(2).sum().backward()
        opt.step()
    assert torch.equal(model.weight, other.weight)


def test_a_pickle_is_refused_and_not_run(tmp_path):
    path = tmp_path / "evil.safetensors"
    path.write_bytes(pickle.dumps(Planted(tmp_path / "planted")))
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_checkpoint(path)
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("keep", [0, 5, 60, 200])
def test_a_truncated_file_is_refused(trained, tmp_path, keep):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, trained[0], {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_checkpoint(path)


def test_a_missing_file_and_foreign_tensors_are_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(UserError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "none.safetensors")
    save_file({"a": torch.ones(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="not a checkpoint of this version"):
        load_checkpoint(tmp_path / "foreign.safetensors")


def test_a_failed_write_leaves_the_old_file(trained, tmp_path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, trained[0], {"epoch": 1})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_checkpoint(path, trained[0], {("not", "a", "key"): 1})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]
