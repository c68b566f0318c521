"""Masks of Conure: the numbers of the authors' code, and what no task can take from another."""

import copy

import pytest
import torch

from recbole_idp.errors import UserError
from recbole_idp.models.conure.masks import (
    OwnedNetwork,
    OwnedWeights,
    Phase,
    check_owners,
    largest,
    largest_as_in_reference,
    task_shares,
)
from recbole_idp.nn.encoder.dilated import DilatedEncoder, PreActivationBlock
from recbole_idp.nn.encoder.keys import DilatedSettings, TransformerSettings
from recbole_idp.nn.encoder.transformer import TransformerEncoder
from tests.support.parity import equal, parity_arrays

PLACES = {"conv1": "0.first", "conv2": "0.second"}


class OneBlock(torch.nn.ModuleList):
    """One block of Conure with the weights of the authors."""

    def __init__(self, arrays):
        block = PreActivationBlock(8, (-2, -1, 0), 1, 0.02)
        with torch.no_grad():
            block.first.weight.copy_(arrays["par/conv1"][0])
            block.second.weight.copy_(arrays["par/conv2"][0])
            for number, norm in ((1, block.first_norm), (2, block.second_norm)):
                norm.weight.copy_(arrays[f"par/layer_norm{number}/gamma"])
                norm.bias.copy_(arrays[f"par/layer_norm{number}/beta"])
        super().__init__([block])

    def forward(self, vectors):
        return self[0](vectors.transpose(0, 1)).transpose(0, 1)


def authors_network():
    arrays = parity_arrays("conure")
    encoder = OneBlock(arrays)
    return arrays, encoder, OwnedNetwork(encoder)


def give(network, arrays, tasks):
    for conv, place in PLACES.items():
        for task in range(1, tasks + 1):
            network.owners()[place][arrays[f"mask/task{task}_{conv}"][0] > 0] = task


@pytest.mark.parametrize(
    ("name", "phase", "task", "owned"),
    [
        ("t1_train", Phase.TRAIN, 1, 0),
        ("t1_retrain", Phase.RETRAIN, 1, 1),
        ("t2_train", Phase.TRAIN, 2, 1),
        ("t2_retrain", Phase.RETRAIN, 2, 2),
        ("t3_train", Phase.TRAIN, 3, 2),
    ],
)
def test_output_and_gradients_are_those_of_the_authors_code(name, phase, task, owned):
    arrays, encoder, network = authors_network()
    give(network, arrays, owned)
    network.enter(phase, task)
    output = encoder(arrays["in/x"])
    equal(output, arrays[f"out/{name}"])
    output.pow(2).sum().backward()
    for weight, conv in zip(network.weights(), PLACES, strict=True):
        expected = arrays[f"grad/{name}/{conv}"][0]
        equal(weight.grad, expected)
        assert torch.equal(weight.grad == 0, expected == 0)


def test_the_reference_rule_keeps_what_the_authors_code_keeps():
    arrays, _, network = authors_network()
    for task, share in enumerate(task_shares([0.7, 0.7]), start=1):
        kept = network.prune(task, share, largest_as_in_reference)
        assert kept == dict.fromkeys(PLACES.values(), {1: 58, 2: 41}[task])
        for conv, place in PLACES.items():
            assert torch.equal(network.owners()[place] == task, arrays[f"out/prune_t{task}_{conv}"][0] > 0)


def test_a_task_keeps_exactly_its_share_even_where_all_entries_are_equal():
    assert largest(torch.ones(10, 10), 0.3).sum() == 30
    assert torch.equal(largest(torch.ones(10), 0.3), torch.arange(10) < 3)
    assert largest_as_in_reference(torch.ones(10, 10), 0.3).sum() == 100
    assert largest(torch.tensor([0.1, 0.5, 0.2, 0.4]), 0.5).tolist() == [False, True, False, True]


def test_shares_of_the_paper():
    found = task_shares([0.7] * 6)
    assert [round(share, 3) for share in found] == [0.3, 0.21, 0.147, 0.103, 0.072, 0.05]


SMALL = DilatedSettings(hidden_size=8, block_num=1)


def encoders():
    settings = TransformerSettings(hidden_size=8, n_layers=1, inner_size=16, hidden_dropout_prob=0.0)
    return [DilatedEncoder(SMALL, PreActivationBlock), TransformerEncoder(settings, 20)]


def train(encoder, network, seed):
    """Trains all entries that may learn by a new Adam."""
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(network.weights(), lr=0.01)
    vectors, wanted = torch.randn(4, 20, 8), torch.randn(4, 20, 8)
    for _ in range(5):
        optimizer.zero_grad()
        (encoder(vectors, torch.zeros(4, 20, dtype=torch.bool)) - wanted).pow(2).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("number", [0, 1])
def test_later_tasks_change_nothing_of_earlier_ones(number):
    torch.manual_seed(0)
    encoder = encoders()[number].eval()
    network = OwnedNetwork(encoder)
    vectors, padding = torch.randn(3, 20, 8), torch.zeros(3, 20, dtype=torch.bool)
    before = []
    for task, share in enumerate(task_shares([0.7, 0.6, 0.5, 0.5]), start=1):
        network.enter(Phase.TRAIN, task)
        train(encoder, network, seed=task)
        trained = [weight.detach().clone() for weight in network.weights()]
        network.prune(task, share)
        assert all(torch.equal(old, new) for old, new in zip(trained, network.weights(), strict=True))
        network.enter(Phase.RETRAIN, task)
        train(encoder, network, seed=10 + task)
        for old, new, owner in zip(trained, network.weights(), network.owners().values(), strict=True):
            # Not each entry of the task: pruning may leave it without an effect.
            changed = old != new
            assert changed.any()
            assert not changed[owner != task].any()
        network.enter(Phase.INFER, task)
        with torch.no_grad():
            before.append(encoder(vectors, padding))
    for task, states in enumerate(before, start=1):
        network.enter(Phase.INFER, task)
        with torch.no_grad():
            assert torch.equal(encoder(vectors, padding), states)
    assert len({float(states.pow(3).sum()) for states in before}) == 4


def test_owners_go_through_a_file_and_a_copy():
    encoder = DilatedEncoder(SMALL, PreActivationBlock)
    network = OwnedNetwork(encoder)
    network.prune(1, 0.3)
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    other = DilatedEncoder(SMALL, PreActivationBlock)
    read = OwnedNetwork(other)
    other.load_state_dict(state)
    assert all(torch.equal(owner, read.owners()[name]) for name, owner in network.owners().items())
    assert all(torch.equal(value, state[name]) for name, value in copy.deepcopy(encoder).state_dict().items())


def test_a_task_that_would_get_nothing_is_refused():
    network = OwnedNetwork(DilatedEncoder(SMALL, PreActivationBlock))
    with pytest.raises(UserError, match=r"task 1 would keep 0 of the 192 free entries of blocks.0.first"):
        network.prune(1, 0.001)
    network.prune(1, 0.9)
    with pytest.raises(UserError, match="task 2 would keep 38 of the 20 free entries"):
        network.prune(2, 0.2)
    with pytest.raises(UserError, match="task 256 is one too many"):
        network.check_room(256, 0.01)
    assert all((owner == 2).sum() == 0 for owner in network.owners().values())


def test_damaged_owners_are_refused():
    network = OwnedNetwork(DilatedEncoder(SMALL, PreActivationBlock))
    kept = [network.prune(1, 0.3), network.prune(2, 0.2)]
    good = {name: owner.clone() for name, owner in network.owners().items()}
    check_owners(good, kept, "the folder")
    for damage, says in ((taken, "overlap"), (unknown, "overlap"), (wide, "does not say"), (missing, "does not say")):
        owners = {name: owner.clone() for name, owner in good.items()}
        damage(owners)
        with pytest.raises(UserError, match=rf"the folder .*blocks\.1\.second.*|{says}") as found:
            check_owners(owners, kept, "the folder")
        assert says in str(found.value)


def test_the_state_without_masks_gives_the_states_of_the_task():
    torch.manual_seed(0)
    encoder = DilatedEncoder(SMALL, PreActivationBlock)
    network = OwnedNetwork(encoder)
    network.prune(1, 0.3)
    network.enter(Phase.INFER, 1)
    plain = DilatedEncoder(SMALL, PreActivationBlock)
    plain.load_state_dict(network.plain_state(encoder))
    vectors, padding = torch.randn(2, 9, 8), torch.zeros(2, 9, dtype=torch.bool)
    with torch.no_grad():
        assert torch.equal(plain(vectors, padding), encoder(vectors, padding))


def taken(owners):
    """An entry of task 1 becomes one of task 2."""
    owner = owners["blocks.1.second"].view(-1)
    owner[int((owner == 1).nonzero()[0])] = 2


def unknown(owners):
    owner = owners["blocks.1.second"].view(-1)
    owner[int((owner == 1).nonzero()[0])] = 7


def wide(owners):
    owners["blocks.1.second"] = owners["blocks.1.second"].long()


def missing(owners):
    del owners["blocks.1.second"]


def test_what_is_stored_stays_as_it_is_in_all_phases():
    owned = OwnedWeights(torch.zeros(4))
    owned.owner.copy_(torch.tensor([0, 1, 2, 3]))
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    expected = {
        (Phase.TRAIN, 4): ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 0.0]),
        (Phase.RETRAIN, 2): ([0.0, 2.0, 3.0, 0.0], [0.0, 0.0, 1.0, 0.0]),
        (Phase.INFER, 2): ([0.0, 2.0, 3.0, 0.0], None),
    }
    for (owned.phase, owned.task), (values, gradient) in expected.items():
        found = owned(weight)
        assert found.tolist() == values
        assert found.requires_grad == (gradient is not None)
        if gradient is not None:
            assert torch.autograd.grad(found.sum(), weight)[0].tolist() == gradient
