"""Ranks beside a result, and what the report says about them: pairs, corrections, sentences, verdicts."""

import json

import numpy as np
import pytest
from scipy import stats

from recbole_idp.errors import UserError
from recbole_idp.evaluation.gains import gains
from recbole_idp.evaluation.significance import holm
from recbole_idp.report.comparison import compare_variants, compared_metric, comparison_lines, sentence, verdicts
from recbole_idp.report.ranks import SUFFIX, Ranks, load_ranks, save_ranks
from recbole_idp.report.result import read_ranks, read_result, save_result, summarise

USERS = [f"user {number}" for number in range(300)]


def run(variant, seed, share=1.0, **metrics):
    """Returns the facts of a trial."""
    return {
        "variant": variant,
        "seed": seed,
        "train_users_share": share,
        "train_users": round(share * len(USERS)),
        "test": metrics or {"ndcg@10": 0.5},
        "valid": {},
        "seconds": 1.5,
        "targets_per_second": 100,
        "checkpoint": "none",
    }


def rows_and_ranks(quality, seeds=(1, 2), share=1.0, suffix=""):
    """Makes variants whose ranks are better by what ``quality`` says."""
    variants, trials = {}, {}
    for variant, best in quality.items():
        row = variant + suffix
        variants[row] = summarise([run(variant, seed, share) for seed in seeds])
        for seed in seeds:
            draw = np.random.default_rng([seed, len(trials)])
            trials[f"{row}-{seed}"] = np.maximum(1, draw.integers(1, 30, len(USERS)) - best)
    return variants, Ranks(USERS, trials)


# ---- the file


def test_ranks_come_back_as_they_were(tmp_path):
    ranks = Ranks(
        ["a", "ü b", "📎"], {"scratch-1": np.array([1, 7, 2**31 - 1]), "fine_tune@0.1-2": np.array([3, 2, 1])}
    )
    digest = save_ranks(tmp_path / "x.safetensors", ranks)
    read = load_ranks(tmp_path / "x.safetensors", digest)
    assert read.users == ranks.users
    assert {name: values.tolist() for name, values in read.trials.items()} == {
        name: values.tolist() for name, values in ranks.trials.items()
    }
    assert all(values.dtype == np.int32 for values in read.trials.values())


def saved(folder):
    variants, ranks = rows_and_ranks({"scratch": 0, "fine_tune": 5})
    result = {
        **{"model": "IDP", "dataset": "shop", "seed": 1, "seeds": [1, 2], "few_shot": None, "variants": variants},
        **{"data_fingerprint": "f", "protocol": "full", "data": {"users": 300, "items": 9, "interactions": 900}},
        **{
            "comparisons": [],
            "transfer_helped": [],
            "prediction": None,
            "stages": {},
            "peak_memory_mb": 1,
            "config": {},
        },
    }
    return save_result(result, folder, ranks)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.unlink(), "missing"),
        (lambda path: (path.unlink(), path.mkdir()), "missing"),
    ],
)
def test_a_damaged_file_of_ranks_is_refused_in_one_line(damage, says, tmp_path):
    path = saved(tmp_path)
    assert len(read_ranks(path).trials) == 4
    damage(path.with_suffix(SUFFIX))
    with pytest.raises(UserError, match=says) as caught:
        read_ranks(path)
    assert path.with_suffix(SUFFIX).name in str(caught.value) and "\n" not in str(caught.value)
    assert read_result(path)["variants"]


def test_results_and_ranks_can_be_moved_together_and_name_no_other_folder(tmp_path):
    path = saved(tmp_path)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in (path, path.with_suffix(SUFFIX)):
        file.rename(moved / file.name)
    assert read_ranks(moved / path.name).users == USERS
    result = json.loads((moved / path.name).read_text())
    result["ranks"]["file"] = f"../{result['ranks']['file']}"
    (moved / path.name).write_text(json.dumps(result))
    assert read_ranks(moved / path.name).users == USERS


@pytest.mark.parametrize("ranks", ["x", {"file": "x"}, {"file": 1, "sha256": 2}, []])
def test_a_result_that_names_its_ranks_wrongly_is_refused(ranks, tmp_path):
    path = saved(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "ranks": ranks}))
    with pytest.raises(UserError, match="does not name its file of ranks") as caught:
        read_ranks(path)
    assert "\n" not in str(caught.value)


def test_a_result_of_the_format_before_is_refused_in_one_line(tmp_path):
    path = saved(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    with pytest.raises(UserError, match="format 1, this release reads format 2") as caught:
        read_result(path)
    assert "\n" not in str(caught.value)


# ---- the summary of seeds


def test_summaries_are_means_and_sample_deviations():
    summary = summarise([run("scratch", seed, hit=value) for seed, value in ((1, 0.1), (2, 0.2), (3, 0.6))])
    assert summary["test"] == {"hit": pytest.approx(0.3)}
    assert summary["test_deviation"] == {"hit": pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1), abs=1e-6)}
    assert summary["seconds"] == 1.5 and [one["seed"] for one in summary["runs"]] == [1, 2, 3]


def test_the_summary_of_one_seed_is_what_it_measured():
    summary = summarise([run("scratch", 1, hit=0.1234)])
    assert summary["test"] == {"hit": 0.1234} and "test_deviation" not in summary


# ---- comparisons


def test_each_variant_is_compared_with_each_baseline_over_users_after_averaging_seeds():
    variants, ranks = rows_and_ranks({"scratch": 0, "text_pca": 4, "fine_tune": 6})
    found = compare_variants(variants, ranks)
    assert [(one["variant"], one["baseline"]) for one in found] == [("fine_tune", "scratch"), ("fine_tune", "text_pca")]
    for one in found:
        by_user = {
            name: [
                sum(gains(ranks.trials[f"{name}-{seed}"], "NDCG@10")[user] for seed in (1, 2)) / 2
                for user in range(300)
            ]
            for name in (one["variant"], one["baseline"])
        }
        ours, theirs = by_user[one["variant"]], by_user[one["baseline"]]
        assert one["gain"] == pytest.approx(np.mean(ours) / np.mean(theirs) - 1)
        assert one["p_value"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
        assert (one["users"], one["seeds"]) == (300, 2)
        assert one["interval"][0] < one["gain"] < one["interval"][1]
    # Without validation the first baseline is the best one, and the other comparison is not judged.
    assert [one["judged"] for one in found] == [True, False]
    assert [one["p_holm"] for one in found] == [one["p_value"] for one in found]


def with_validation(variants, **values):
    """Returns rows with a validation of the values by variant."""
    return {name: {**row, "valid": {"ndcg@10": values[name]}} for name, row in variants.items()}


def test_two_comparisons_are_meant_and_corrected_for_each_other():
    worse = {"scratch": 0, "text_pca": 4, "random_match": 8, "zero_shot": 1, "fine_tune": 6, "auto": 7}
    variants, ranks = rows_and_ranks(worse)
    valid = {"scratch": 0.1, "text_pca": 0.2, "random_match": 0.9, "zero_shot": 0.4, "fine_tune": 0.3, "auto": 0.9}
    found = compare_variants(with_validation(variants, **valid), ranks)
    judged = [one for one in found if one["judged"]]
    assert [(one["variant"], one["baseline"]) for one in judged] == [
        ("zero_shot", "scratch"),
        ("zero_shot", "text_pca"),
    ]
    assert [one["p_holm"] for one in judged] == holm([one["p_value"] for one in judged])
    assert all(one["p_holm"] == one["p_value"] for one in found if not one["judged"]) and len(found) == 8
    lines = comparison_lines({"comparisons": found, "transfer_helped": verdicts(found)})
    assert sum("by Holm for 2 comparisons" in line for line in lines) == 2
    assert sum("not corrected" in line for line in lines) == 6 and len(lines) == 8 + 2
    # Where scratch is the best baseline there is one question.
    valid["scratch"] = 0.5
    (one,) = [one for one in compare_variants(with_validation(variants, **valid), ranks) if one["judged"]]
    assert (one["variant"], one["baseline"], one["p_holm"]) == ("zero_shot", "scratch", one["p_value"])


def test_the_watched_metric_is_compared_where_it_follows_from_ranks():
    names = ("ndcg@5", "Recall@100", "MRR", "precision@3", "GiniIndex@10", "AUC", "GAUC", "LogLoss", None)
    expected = ["NDCG@5", "Recall@100", "MRR", "Precision@3", *["NDCG@10"] * 5]
    assert [compared_metric(name) for name in names] == expected
    variants, ranks = rows_and_ranks({"scratch": 0, "fine_tune": 6})
    (found,) = compare_variants(variants, ranks, compared_metric("hit@3"))
    share = np.mean([np.mean(ranks.trials[f"fine_tune-{seed}"] <= 3) for seed in (1, 2)])
    assert found["metric"] == "Hit@3" and found["ours"] == pytest.approx(share)
    assert " in Hit@3 (" in sentence(found)


def test_several_targets_of_one_user_count_as_one_user():
    variants, ranks = rows_and_ranks({"scratch": 0, "fine_tune": 6})
    users = [f"user {number // 3}" for number in range(300)]
    (found,) = compare_variants(variants, Ranks(users, ranks.trials))
    assert found["users"] == 100


def test_shares_of_a_study_are_compared_each_by_itself():
    small, small_ranks = rows_and_ranks({"scratch": 0, "fine_tune": 8}, share=0.1, suffix="@0.1")
    whole, whole_ranks = rows_and_ranks({"scratch": 6, "fine_tune": 6}, suffix="@1")
    ranks = Ranks(USERS, {**small_ranks.trials, **whole_ranks.trials})
    found = compare_variants({**small, **whole}, ranks)
    assert [one["train_users_share"] for one in found] == [0.1, 1.0]
    helped = verdicts(found)
    assert [(verdict["train_users_share"], verdict["helped"]) for verdict in helped] == [(0.1, "yes"), (1.0, "unclear")]
    lines = comparison_lines({"comparisons": found, "transfer_helped": helped})
    assert lines[0].startswith("With 10 % of the training users: fine_tune is") and "by Holm for 2" in lines[0]
    assert lines[1].startswith("fine_tune is") and lines[1].endswith(": this may be chance")


def test_without_ranks_or_baselines_there_is_nothing_to_compare():
    variants, ranks = rows_and_ranks({"fine_tune": 0, "zero_shot": 3})
    assert compare_variants(variants, ranks) == [] == compare_variants(variants, None)
    assert comparison_lines({"comparisons": [], "transfer_helped": verdicts([])}) == []


COMPARISON = {
    "variant": "fine_tune",
    "baseline": "scratch",
    "train_users_share": 1.0,
    "metric": "NDCG@10",
    "seeds": 5,
    "ours": 0.0546,
    "theirs": 0.05,
    "gain": 0.092,
    "interval": [0.041, 0.14],
    "p_value": 0.0003,
    "p_holm": 0.0003,
    "judged": True,
    "users": 4905,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            "fine_tune is 9.2 % above scratch in NDCG@10 "
            "(95 % interval 4.1 to 14.0 %, p = 0.0003, paired over 4,905 users and 5 seeds)",
        ),
        (
            {"gain": -0.02, "interval": [-0.071, 0.03], "p_holm": 0.412, "seeds": 1},
            "fine_tune is 2.0 % below scratch in NDCG@10 "
            "(95 % interval -7.1 to 3.0 %, p = 0.41, paired over 4,905 users, one seed): this may be chance",
        ),
        (
            {"gain": None, "interval": None, "p_holm": 1e-9},
            "fine_tune has NDCG@10 0.0546 and scratch 0 (p < 0.0001, paired over 4,905 users and 5 seeds)",
        ),
    ],
)
def test_a_comparison_is_said_in_one_sentence(changes, expected):
    assert sentence({**COMPARISON, **changes}) == expected


def comparison(variant, sign, p, baseline="scratch"):
    return {**COMPARISON, "variant": variant, "baseline": baseline, "ours": 0.05 + sign * 0.01, "p_holm": p}


@pytest.mark.parametrize(
    ("found", "helped"),
    [
        (("fine_tune", 1, 0.01), "yes"),
        (("fine_tune", -1, 0.01), "no"),
        (("fine_tune", -1, 0.3), "unclear"),
        (("fine_tune", 1, 0.3), "unclear"),
    ],
)
def test_verdicts_need_significance_and_what_is_not_judged_does_not_count(found, helped):
    others = [{**comparison(name, sign, 0.001), "judged": False} for name in ("zero_shot", "auto") for sign in (1, -1)]
    (verdict,) = verdicts([comparison(*found), *others])
    assert verdict["helped"] == helped


@pytest.mark.parametrize(
    ("predicted", "signs", "says"),
    [
        ("likely", (1, 1), "so it came out"),
        ("likely", (1, -1), "it came out otherwise"),
        ("unlikely", (1, 1), "it came out otherwise"),
        ("unlikely", (1, -1), "so it came out"),
        ("unclear", (1, 1), "training: It is unclear whether transfer helps: few twins"),
    ],
)
def test_the_report_judges_the_prediction_against_scratch(predicted, signs, says):
    found = [comparison("fine_tune", signs[0], 0.01, "text_pca"), comparison("fine_tune", signs[1], 0.01)]
    prediction = {"verdict": predicted, "reason": "few twins", "train_users_share": 1.0}
    result = {"comparisons": found, "transfer_helped": verdicts(found), "prediction": prediction}
    assert comparison_lines(result)[-1].endswith(says)


def test_a_prediction_for_other_users_is_shown_without_judgement():
    found = [comparison("fine_tune", 1, 0.01)]
    prediction = {"verdict": "likely", "reason": "many twins", "train_users_share": 0.1}
    result = {"comparisons": found, "transfer_helped": verdicts(found), "prediction": prediction}
    assert comparison_lines(result)[-1] == "Predicted before training: Transfer is likely to help: many twins"
