"""Users with several test targets: each target has the rank that loops give, in the order of the dataset's rows."""

import numpy as np
import pytest
import torch
from recbole.data import data_preparation

from recbole_idp.config.declarations import model_settings
from recbole_idp.config.strict import StrictConfig
from recbole_idp.evaluation.candidates import drawing
from recbole_idp.recbole_models.choose import make_dataset, model_class, trainer_class
from recbole_idp.testing.toy import settings
from tests.support.splits import SPLITS, write_all

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


def trained(folder, model, dataset, **changes):
    """Returns the trainer, the model and the parts after a training of one epoch."""
    known = model_settings(model, dataset)
    given = settings(folder, dataset=dataset, **{**SPLITS[dataset], **changes}, epochs=1)
    config = StrictConfig(model, dataset, config_dict={key: value for key, value in given.items() if key in known})
    torch.manual_seed(1)
    loaders = data_preparation(config, make_dataset(config))
    made = model_class(config)(config, loaders[0].dataset)
    trainer = trainer_class(config)(config, made)
    trainer.fit(loaders[0], loaders[1], verbose=False, saved=True)
    return trainer, made, loaders


@pytest.mark.parametrize("dataset", SPLITS)
@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("model", ["Pop", "ItemKNN"])
def test_models_without_order_rank_each_target(workplace, model, dataset, repeatable):
    write_all(workplace)
    trainer, made, (train, valid, test) = trained(workplace, model, dataset, repeatable=repeatable)
    result = trainer.evaluate(test)
    rows, ranks = test.dataset.inter_feat, trainer.ranks.tolist()
    users, items = rows["user_id"].tolist(), rows["item_id"].tolist()
    assert len(ranks) == len(users) > len(set(users))
    # What a user has had is no candidate, unless items can be had again.
    earlier = [] if repeatable else [part.dataset.inter_feat for part in (train, valid)]
    known = [pair for rows in earlier for pair in zip(rows["user_id"].tolist(), rows["item_id"].tolist(), strict=True)]
    strangers = 0
    for user, item, rank in zip(users, items, ranks, strict=True):
        with torch.no_grad():
            scores = made.full_sort_predict(test.dataset.inter_feat[[users.index(user)]]).view(-1).clone()
        scores[0] = -torch.inf
        strange = user not in train.dataset.inter_feat["user_id"] and len(scores[1:].unique()) == 1
        tested = {other for who, other in zip(users, items, strict=True) if who == user}
        for who, other in known:
            if who == user and other not in tested:
                scores[other] = -torch.inf
        if strange:
            # The last one of the candidates.
            strangers += 1
            assert rank == int(scores.isfinite().sum())
            continue
        order = sorted(range(1, len(scores)), key=lambda number: (-float(scores[number]), number))
        assert rank == order.index(item) + 1
    # ItemKNN knows nothing of users whom training has not seen.
    assert strangers > 0 or model == "Pop" or dataset == "times"
    assert result["mrr"] == pytest.approx(np.mean([1 / rank for rank in ranks]), abs=1e-4)


@pytest.mark.parametrize("dataset", SPLITS)
def test_recboles_own_loop_notes_the_ranks_of_its_targets(workplace, dataset):
    write_all(workplace)
    trainer, _, (_, _, test) = trained(workplace, "NARM", dataset)
    result = trainer.evaluate(test)
    assert result["mrr@5"] == pytest.approx(np.mean([1 / r if r <= 5 else 0 for r in trainer.ranks.tolist()]), abs=1e-4)
    assert len(trainer.ranks) == len(test.dataset)


@pytest.mark.parametrize("dataset", SPLITS)
def test_drawn_candidates_are_ranked_after_each_targets_own_history(workplace, dataset):
    write_all(workplace)
    trainer, made, (_, _, test) = trained(workplace, "PositionSASRec", dataset, eval_args=with_mode(dataset))
    trainer.evaluate(test)
    ranks = trainer.ranks.tolist()
    rows = test.dataset
    users = rows.inter_feat["user_id"].tolist()
    assert len(ranks) == len(users) > len(set(users)) and max(ranks) <= 7
    # The same draws, read row by row.
    place, expected = 0, []
    with drawing(trainer.config["train_users_seed"]):
        for drawn, user, right, _ in test:
            for number in range(int(user[-1]) + 1):
                block, count = drawn[user == number], int((right == number).sum())
                for target in range(count):
                    candidates = block["item_id"][target::count].tolist()
                    with torch.no_grad():
                        scores = made.full_sort_predict(rows[[place]]).view(-1)
                    own = scores[candidates[0]]
                    expected.append(1 + len({item for item in candidates if scores[item] > own}))
                    assert candidates[0] == int(rows[[place]]["item_id"])
                    place += 1
    assert ranks == expected


def with_mode(dataset):
    """Returns the split of a dataset, with drawn candidates."""
    return {**SPLITS[dataset].get("eval_args", {}), "mode": "uni6"}
