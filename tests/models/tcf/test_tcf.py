"""TCF: the contract, and its loss beside the formula."""

import math
from collections import Counter

import pytest
import torch
from recbole.data.interaction import Interaction

from recbole_idp.data.rows import Batch
from recbole_idp.models.morec.model import projection
from recbole_idp.nn.loss import PointwiseLoss
from recbole_idp.testing import ModelContract
from recbole_idp.testing.toy import write_dataset
from tests.support.bias_free import SMALL, parity_encoder, parity_states, right_padded
from tests.support.models import fitted, made
from tests.support.parity import equal, parity_arrays

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestTCF(ModelContract):
    model = "TCF"

    # Of eight items on a circle nearly all are the user's own, which are no negatives: see the wide circle below.
    test_learns_which_item_follows_which = None


def slow_tcf_loss(model, rows, popularity):
    """The loss as TCF's paper and code have it, event by event: no candidate is joined with its likes."""
    events = [(row, item) for row, sequence in enumerate(rows) for item in sequence]
    vectors, losses = model.item_vectors(), []
    for row, sequence in enumerate(rows):
        states = model.encode(torch.tensor([sequence[:-1]]))[0]
        for place, target in enumerate(sequence[1:]):
            own = float(states[place] @ vectors[target]) - math.log(popularity[target])
            others = [
                float(states[place] @ vectors[item]) - math.log(popularity[item])
                for other, item in events
                if other != row and item not in sequence
            ]
            losses.append(-own + math.log(sum(math.exp(score) for score in [own, *others])))
    return sum(losses) / len(losses)


def test_tcfs_loss_is_the_papers(domains):
    write_dataset(domains, "wide", 25, n_items=30)
    built, config, (train, _, _) = made(domains, "TCF", "wide", train_batch_size=40)
    sequences = train.dataset.sequences
    users = range(len(sequences.offsets) - 1)
    held = [sequences.items[sequences.offsets[user] : sequences.offsets[user + 1]].tolist()[:-2] for user in users]
    counts = Counter(item for events in held for item in events)
    popularity = {item: count / sum(counts.values()) for item, count in counts.items()}
    batches = list(built.training_batches(train.dataset.targets(), config, torch.Generator().manual_seed(0)))
    assert len(batches) > 1
    for batch in batches:
        ((items, targets),) = batch.parts
        rows = [
            [item for item in row.tolist() if item] + [int(wanted[wanted > 0][-1])]
            for row, wanted in zip(items, targets, strict=True)
        ]
        with torch.no_grad():
            expected = slow_tcf_loss(built, rows, popularity)
            assert float(built.position_loss(batch)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_tcf_learns_on_a_wide_circle_and_shows_nothing_twice(domains):
    write_dataset(domains, "wide", 80, n_items=24)
    model, trainer, test = fitted(domains, "TCF", "wide", epochs=60, stopping_step=60, learning_rate=0.01)
    assert trainer.evaluate(test)["hit@1"] > 0.9
    rows = {model.ITEM_SEQ: torch.tensor([[3, 4, 0]]), model.ITEM_SEQ_LEN: torch.tensor([2])}
    with torch.no_grad():
        scores = model.eval().full_sort_predict(Interaction(rows))[0]
        assert scores[[3, 4]].eq(float("-inf")).all() and scores[5:].isfinite().all()
        assert model.predict(Interaction({**rows, model.ITEM_ID: torch.tensor([4])})) == float("-inf")


def test_vectors_states_losses_and_gradients_are_those_of_the_authors_code(domains):
    arrays = parity_arrays("tcf")
    write_dataset(domains, "ten", 25, n_items=10)
    sizes = {**SMALL, "n_layers": 2, "MAX_ITEM_LIST_LENGTH": 4, "transformer_block": "MoRec"}
    model, _, _ = made(domains, "TCF", "ten", **sizes)
    model.text_vectors, model.log_popularity = arrays["in/item_embs"], arrays["in/pop_prob"].log()
    model.item_encoder, model.encoder = projection(12, 8, 2, 0.0), parity_encoder(arrays, "sasrec")
    theirs = {"0": "sasrec/text_encoder.mlp.layers.0.0.", "3": "sasrec/text_encoder.mlp.layers.1.1."}
    weights = {
        f"{ours}.{part}": arrays[f"{name}{part}"] for ours, name in theirs.items() for part in ("weight", "bias")
    }
    model.item_encoder.load_state_dict(weights)
    vectors, mask = model.item_vectors(), arrays["in/log_mask"] > 0
    equal(vectors, arrays["out/item_vec"])
    states, real = parity_states(arrays, model.encoder, vectors)
    equal(states[real], arrays["out/states"][mask])
    items = right_padded(arrays["in/pos"][:, :-1])
    targets = right_padded(arrays["in/pos"][:, 1:] * mask)
    loss = model.position_loss(Batch(((items, targets),), int(mask.sum())))
    equal(loss, arrays["out/loss_ibce"])
    loss.backward()
    equal(model.item_encoder[0].weight.grad, arrays["grad_ibce/text_encoder.mlp.layers.0.0.weight"])
    wanted, drawn = arrays["in/pos"][:, 1:][mask], arrays["in/neg"][:, 1:][mask].unsqueeze(1)
    # One mean over targets and negatives together is half of the sum of two means.
    equal(PointwiseLoss().with_drawn(states[real], wanted, drawn, vectors) / 2, arrays["out/loss_bce"])
