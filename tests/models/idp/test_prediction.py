"""The prediction before training: on targets whose behaviour is known by construction, and in a run."""

import numpy as np
import pytest
import torch
from recbole.data import create_dataset, data_preparation

from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.models.idp import prediction
from recbole_idp.models.idp.co_occurrence import behaviour_vectors
from recbole_idp.models.idp.keys import GenerationSettings
from recbole_idp.models.idp.prediction import gain_figures, predict
from recbole_idp.models.idp.transfer import prepare_start
from recbole_idp.report.comparison import prediction_line
from recbole_idp.run.run import run
from recbole_idp.testing import configured
from recbole_idp.testing.toy import write_dataset

N_ITEMS, N_GROUPS = 200, 20
GROUP = np.arange(N_ITEMS) % N_GROUPS


def target(n_users, seed=0, length=8):
    """Returns training targets whose items are followed by one of their own group, four times of five.

    The last two events of each user are held out, as in leave-one-out.
    """
    draw = np.random.default_rng(seed)
    home = draw.integers(0, N_GROUPS, (n_users, 1))
    strays = draw.random((n_users, length)) < 0.2
    group = np.where(strays, draw.integers(0, N_GROUPS, strays.shape), home)
    items = 1 + group + N_GROUPS * draw.integers(0, N_ITEMS // N_GROUPS, strays.shape)
    sequences = Sequences.from_events(np.repeat(np.arange(n_users), length), items.ravel())
    starts = sequences.offsets[:-1].repeat_interleave(length - 3)
    return Targets(sequences, starts, starts + torch.arange(1, length - 2).repeat(n_users))


def knowing(seed=1):
    """Returns vectors that tell the groups."""
    draw = np.random.default_rng(seed)
    return (draw.normal(size=(N_GROUPS, 32))[GROUP] + 0.3 * draw.normal(size=(N_ITEMS, 32))).astype(np.float32)


def ignorant(seed=2):
    """Returns vectors that tell nothing."""
    return np.random.default_rng(seed).normal(size=(N_ITEMS, 32)).astype(np.float32)


@pytest.mark.parametrize(("vectors", "verdict"), [(knowing(), "likely"), (ignorant(), "unlikely")])
def test_embeddings_that_know_the_behaviour_are_likely_to_help(vectors, verdict):
    found = predict(target(1000), vectors, ignorant(3), 0)
    assert found["verdict"] == verdict
    assert prediction_line(found).startswith(f"Transfer is {verdict} to help: the generated embeddings know")


def test_what_the_texts_tell_as_well_is_no_gain_beyond_them():
    figures = gain_figures(target(300), knowing(), knowing(), 0)
    assert figures["generated"] == pytest.approx(figures["texts"], abs=1e-6)
    assert figures["generated"] > 0.05 > 0.001 > figures["beyond_texts"]


def test_the_more_the_own_data_tell_the_less_is_added():
    poor, rich = (gain_figures(target(n_users), knowing(), ignorant(), 0) for n_users in (300, 6000))
    assert poor["own"] < rich["own"]
    assert poor["generated"] > 10 * rich["generated"]


def test_items_of_one_group_have_near_behaviour_vectors():
    vectors = behaviour_vectors(target(3000), N_ITEMS, 0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike, same = vectors @ vectors.T, GROUP[:, None] == GROUP
    assert alike[same].mean() > alike[~same].mean() + 0.5


def test_few_training_data_give_no_verdict():
    found = predict(target(40), knowing(), ignorant(), 0)
    assert (found["verdict"], found["figures"]) == ("unclear", None)
    nobody = target(1)
    empty = Targets(nobody.sequences, nobody.starts[:0], nobody.ends[:0])
    assert predict(empty, knowing(), ignorant(), 0) == found


def test_the_same_seed_gives_the_same_figures_and_nobody_elses_numbers_change():
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(3), np.random.rand(3)
    torch.manual_seed(5)
    np.random.seed(5)
    one, again, other = (gain_figures(target(400), knowing(), ignorant(), seed) for seed in (7, 7, 8))
    assert one == again != other
    assert torch.equal(torch.rand(3), expected[0]) and np.array_equal(np.random.rand(3), expected[1])


def test_held_out_events_are_not_looked_at():
    seen = target(400)
    items = seen.sequences.items.clone()
    items.view(400, -1)[:, -2:] = 1
    changed = Targets(Sequences(items, seen.sequences.offsets), seen.starts, seen.ends)
    assert gain_figures(changed, knowing(), ignorant(), 0) == gain_figures(seen, knowing(), ignorant(), 0)


def test_large_targets_are_sampled(monkeypatch):
    monkeypatch.setattr(prediction, "MOST_TARGETS", 2500)
    assert 2000 < gain_figures(target(5000), knowing(), ignorant(), 0)["questions"] <= 2500
    monkeypatch.setattr(prediction, "QUESTIONS", 1100)
    monkeypatch.setattr(prediction, "MOST_TARGETS", 10_000)
    assert gain_figures(target(5000), knowing(), ignorant(), 0)["questions"] == 1100


@pytest.mark.parametrize(
    ("variants", "predicted"), [(["scratch", "zero_shot"], True), (["scratch", "text_pca", "random_match"], False)]
)
def test_a_run_predicts_only_where_something_could_help(domains, capsys, variants, predicted):
    result = run(configured(domains, "IDP", variants=variants))
    said = "Predicted before training: It is unclear whether transfer helps: the target's training data are too few"
    assert (said in capsys.readouterr().out) == predicted
    if not predicted:
        assert result["prediction"] is None
        return
    assert "predict" in result["stages"]
    assert result["prediction"] == {
        "train_users_share": 1.0,
        "verdict": "unclear",
        "reason": "the target's training data are too few to tell",
        "figures": None,
    }


def test_the_targets_own_texts_count_for_nothing_that_the_sources_give(tmp_path):
    write_dataset(tmp_path, "pens", 40, n_items=16, prefix="p", seed=1)
    write_dataset(tmp_path, "shop", 500, n_items=40, prefix="s", seed=3)
    blend = {"generator": "blend", "own_texts": 0.7, "source_domains": ["pens"]}
    configs = [
        configured(tmp_path, "IDP", **{**blend, **changes})
        for changes in ({}, {"generator": "mixture"}, {"generator": "map"})
    ]
    dataset = data_preparation(configs[0], create_dataset(configs[0]))[0].dataset
    start = prepare_start(configs[0], dataset, ["fine_tune"])
    settings = [GenerationSettings.of(config) for config in configs]
    assert not np.allclose(start.generated(settings[0]), start.generated(settings[1]))
    blended, mixed, mapped = (start.prediction(generation, dataset, configs[0]["seed"]) for generation in settings)
    assert blended["figures"] == pytest.approx(mixed["figures"], abs=1e-6)
    assert blended["figures"]["generated"] != pytest.approx(mapped["figures"]["generated"], abs=1e-3)
    assert blended["figures"]["questions"] >= prediction.FEWEST_QUESTIONS
