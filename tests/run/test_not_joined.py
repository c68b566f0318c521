"""The same model without the join: trained beside it, paired with it, and never what a run keeps."""

import json

import numpy as np
import pytest
from recbole.data import data_preparation

from recbole_idp.leaderboard.plan import make_plan
from recbole_idp.recbole_models.choose import make_dataset
from recbole_idp.report.result import read_ranks, read_result
from recbole_idp.run import run as run_module
from recbole_idp.run.not_joined import check_same_targets, read_not_joined
from recbole_idp.run.run import run
from recbole_idp.testing import configured
from tests.support.people import CLASSES, JOINED, write_people

ALONE = "PositionSASRec (not joined)"


@pytest.fixture
def people(workplace):
    return write_people(workplace / "data", readers=40)


def films(folder, model="PositionSASRec", **changes):
    return configured(folder, model, "films", **{**JOINED, **changes})


def test_each_trial_is_there_without_the_join_and_is_paired_over_all_and_over_joined_users(people, capsys):
    # The last books of each user come after all that is predicted.
    path = people / "books" / "books.inter"
    path.write_text(path.read_text() + "".join(f"u{user}\tb1\t5000\n" for user in range(40)))
    run(films(people, seeds=[1, 2], epochs=4))
    printed = capsys.readouterr().out
    (path,) = (people / "results").glob("*.json")
    saved, ranks = read_result(path), read_ranks(path)
    assert list(saved["variants"]) == ["PositionSASRec", ALONE]
    assert set(ranks.trials) == {"PositionSASRec-1", "PositionSASRec-2", f"{ALONE}-1", f"{ALONE}-2"}

    facts = {"domains": ["books"], "joined_users": 40, "users": 60, "events": 280, "unused_events": 40}
    assert {key: saved["joined"][key] for key in facts} == facts and saved["joined"]["refused"] == {}
    assert "40 of 60 users of films are joined with books: they bring 280 events" in printed
    assert "; 40 of them are before nothing that is predicted" in printed
    joined = np.array([int(user[1:]) < 40 for user in ranks.users])
    for row, summary in saved["variants"].items():
        for number, one in enumerate(summary["runs"]):
            groups = {bucket["label"]: bucket for bucket in one["buckets"]["joined"]}
            of_all = ranks.trials[f"{row}-{number + 1}"]
            for label, inside in (("joined", joined), ("not joined", ~joined)):
                hits = (of_all[inside] <= 10) / np.log2(1 + of_all[inside])
                assert groups[label]["metrics"]["ndcg@10"] == pytest.approx(hits.mean(), abs=1e-6)
            assert [(b["label"], b["users"]) for b in one["buckets"]["joined_history"]] == [("4 to 8", 40)]
    assert "joined (40)" in printed and "not joined (20)" in printed and "joined, history 4 to 8 (40)" in printed

    everybody, those = saved["joined"]["comparisons"]
    assert (everybody["over"], everybody["users"]) == ("all test users", 60)
    assert (those["over"], those["users"]) == ("joined users", 40)
    for one, inside in ((everybody, joined | True), (those, joined)):
        assert (one["variant"], one["baseline"], one["metric"]) == ("PositionSASRec", ALONE, "NDCG@5")
        for name, row in (("ours", "PositionSASRec"), ("theirs", ALONE)):
            values = [
                (ranks.trials[f"{row}-{seed}"] <= 5) / np.log2(1 + ranks.trials[f"{row}-{seed}"]) for seed in (1, 2)
            ]
            assert one[name] == pytest.approx(np.mean(values, axis=0)[inside].mean())
    assert "Joined users alone: PositionSASRec is " in printed
    assert saved["comparisons"] == saved["transfer_helped"] == []

    # The same as a run that joins nobody, whose rows have another order.
    alone = run(films(people, seeds=[1, 2], epochs=4, shared_users=[]))
    assert alone["joined"] is None
    theirs = alone["variants"]["PositionSASRec"]
    for key in ("test", "test_deviation", "valid"):
        assert theirs[key] == saved["variants"][ALONE][key]
    assert "buckets" in theirs["runs"][0] and "joined" not in theirs["runs"][0]["buckets"]


@pytest.mark.parametrize(
    "changes", [{"compare_join": False}, {"predicts": "cold_item"}], ids=["not wanted", "not defined"]
)
def test_nothing_is_trained_without_the_join_where_it_is_not_wanted_or_not_defined(people, changes):
    result = run(films(people, **changes))
    assert list(result["variants"]) == ["PositionSASRec"]
    assert result["joined"]["joined_users"] == 40 and result["joined"]["comparisons"] == []


def test_a_model_that_can_start_from_nothing_without_the_join_says_so(people, capsys):
    task = {"predicts": "profile", "profile_field": "side", "block_num": 1, **CLASSES}
    result = run(films(people, "PeterRec", variants=["scratch", "head"], **task))
    assert list(result["variants"]) == ["scratch", "head", "scratch (not joined)"]
    assert list(result["joined"]["refused"]) == ["head (not joined)"]
    assert {one["variant"] for one in result["joined"]["comparisons"]} == {"scratch"}
    assert all(one["baseline"] == "scratch" for one in result["comparisons"])
    assert "No head (not joined): " in capsys.readouterr().out
    assert not list((people / "saved").glob("unfinished-*"))
    for row in result["variants"].values():
        assert sum(bucket["users"] for bucket in row["runs"][0]["buckets"]["joined"]) == 6
        assert set(row["runs"][0]["buckets"]["joined"][0]["metrics"]) == {"accuracy"}


def test_an_interrupted_comparison_goes_on_and_only_joined_trials_are_kept(people, monkeypatch):
    expected = run(films(people))
    train, kept, keep = run_module.run_trial, [], run_module.keep_best

    def interrupted(side, trial, *others):
        if not trial.joined:
            raise KeyboardInterrupt
        return train(side, trial, *others)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_module, "run_trial", interrupted)
        run(films(people))
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "keep_best", lambda *args: kept.extend(args[1]) or keep(*args))
        result = run(films(people))
    assert result["resumed"] == ["PositionSASRec-2020"]
    for row in ("PositionSASRec", ALONE):
        assert result["variants"][row]["test"] == expected["variants"][row]["test"]
    assert [trial.name for trial in kept] == ["PositionSASRec-2020"]
    assert not list((people / "saved").glob("unfinished-*"))


@pytest.mark.parametrize("mode", ["full", "uni10"])
@pytest.mark.parametrize(
    "split",
    [{"LS": "valid_and_test"}, {"RS": [0.5, 0.2, 0.3]}, {"TS": [0.6, 0.2, 0.2]}],
    ids=["last", "shares", "times"],
)
def test_targets_have_the_same_order_without_the_join(people, split, mode):
    draw = np.random.default_rng(3)
    for name, users in (("films", 50), ("books", 90)):
        rows = zip(draw.integers(0, users, 500), draw.integers(0, 12, 500), draw.integers(0, 60, 500), strict=True)
        text = "".join(f"u{user}\t{name}{item}\t{time}\n" for user, item, time in rows)
        (people / name / f"{name}.inter").write_text(f"user_id:token\titem_id:token\ttimestamp:float\n{text}")
    config = films(people, eval_args={"split": split, "mode": mode})
    _, _, test = data_preparation(config, make_dataset(config))
    theirs = read_not_joined(config, test.dataset).loaders[2].dataset
    for ours, other in ((test.dataset.user_tokens(), theirs.user_tokens()), (test.dataset.targets(), theirs.targets())):
        assert (ours == other) if isinstance(ours, list) else ours.items.tolist() == other.items.tolist()
    assert test.dataset.history_lengths().tolist() == theirs.history_lengths().tolist()
    with pytest.raises(ValueError, match="have other users"):
        check_same_targets(test.dataset, theirs.copy(theirs.inter_feat[list(range(1, len(theirs)))]))


def test_jobs_of_a_leaderboard_train_it_only_where_it_is_asked_for(people):
    shared = json.dumps(JOINED["shared_users"])
    options = {"model": "SASRec,PositionSASRec", "dataset": "films", "data_path": str(people), "shared_users": shared}
    theirs, ours = make_plan(options).jobs()
    assert "compare_join" not in theirs.options and theirs.values["shared_users"] == []
    assert ours.options["compare_join"] == "false" and not ours.values["compare_join"]
    asked = make_plan({**options, "compare_join": "true"}).jobs()[1]
    assert asked.values["compare_join"] and asked.fingerprint != ours.fingerprint
