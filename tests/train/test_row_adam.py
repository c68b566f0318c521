"""Adam on rows: what it does to rows that are read, to others, and where all rows are read."""

import copy

import pytest
import torch

from recbole_idp.errors import UserError
from recbole_idp.models.idp.pretrain import find_or_pretrain
from recbole_idp.nn.lookup import lookup
from recbole_idp.testing import configured
from recbole_idp.train.row_adam import RowAdam

N, D = 9, 4


class Small(torch.nn.Module):
    """A table and a weight, both trained."""

    def __init__(self):
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.table = torch.nn.Parameter(torch.randn(N, D, generator=draw))
        self.weight = torch.nn.Parameter(torch.randn(D, generator=draw))

    def loss(self, items, look=lookup):
        return (look(self.table, items) @ self.weight).sin().sum()


def train(model, optimizer, batches, dense=False):
    """Takes a step for each batch; ``dense`` adds a loss that reads the whole table."""
    for items in batches:
        optimizer.zero_grad()
        loss = model.loss(items)
        if dense:
            loss = loss + model.table.cos().sum()
        loss.backward()
        optimizer.step()


def lazy(model, **settings):
    return RowAdam(model.parameters(), model.table, lr=0.1, **settings)


def dense_adam(model, **settings):
    return torch.optim.Adam(model.parameters(), lr=0.1, fused=True, **settings)


EVERY_ROW = [torch.arange(N).repeat(2), torch.arange(N).flip(0), torch.arange(N)]
SOME_ROWS = [torch.tensor([1, 2, 2]), torch.tensor([2, 5]), torch.tensor([1])]


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_it_is_adam_where_every_row_is_read(weight_decay):
    ours, theirs = Small(), Small()
    train(ours, lazy(ours, weight_decay=weight_decay), EVERY_ROW)
    train(theirs, dense_adam(theirs, weight_decay=weight_decay), EVERY_ROW)
    torch.testing.assert_close(ours.table, theirs.table)
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_rows_that_are_not_read_stay():
    model, before = Small(), Small().table
    optimizer = lazy(model)
    train(model, optimizer, SOME_ROWS)
    changed = (model.table != before).any(1).nonzero().flatten().tolist()
    assert changed == [1, 2, 5] and model.table.grad is None
    assert optimizer.state[model.table]["exp_avg"].any(1).nonzero().flatten().tolist() == changed


def test_a_row_moves_in_the_steps_that_read_it_only():
    model = Small()
    optimizer = lazy(model)
    train(model, optimizer, SOME_ROWS[:1])
    first = model.table.detach().clone()
    train(model, optimizer, SOME_ROWS[1:2])
    # Adam would go on moving row 1 by its first moment.
    assert torch.equal(model.table[1], first[1]) and not torch.equal(model.table[2], first[2])


def test_a_dense_gradient_makes_it_adam():
    ours, theirs = Small(), Small()
    train(ours, lazy(ours), SOME_ROWS, dense=True)
    train(theirs, dense_adam(theirs), SOME_ROWS, dense=True)
    torch.testing.assert_close(ours.table, theirs.table)


def test_it_goes_on_from_its_state():
    whole, interrupted = Small(), Small()
    train(whole, lazy(whole), SOME_ROWS)
    first = lazy(interrupted)
    train(interrupted, first, SOME_ROWS[:2])
    resumed = copy.deepcopy(interrupted)
    second = lazy(resumed)
    second.load_state_dict(first.state_dict())
    train(resumed, second, SOME_ROWS[2:])
    assert torch.equal(resumed.table, whole.table) and torch.equal(resumed.weight, whole.weight)


def test_a_bundle_is_pretrained_by_rows(domains):
    few = {"pretrain_negatives": 4, "pretrain_batch_size": 16}
    plain = find_or_pretrain(configured(domains, "IDP", **few))
    rows = find_or_pretrain(configured(domains, "IDP", pretrain_row_updates=True, **few))
    assert plain.folder != rows.folder and rows.description["valid"].keys() == plain.description["valid"].keys()
    assert torch.isfinite(rows.item_embeddings).all()
    assert not torch.equal(rows.item_embeddings, plain.item_embeddings)


@pytest.mark.parametrize("changes", [{"learner": "sgd"}, {"clip_grad_norm": {"max_norm": 5}}])
def test_what_needs_all_gradients_is_refused(domains, changes):
    with pytest.raises(UserError, match="pretrain_row_updates"):
        find_or_pretrain(configured(domains, "IDP", pretrain_row_updates=True, **changes))
