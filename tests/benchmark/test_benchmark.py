"""Each benchmark at a tiny size: its report, its table, its arithmetic, and one line for each mistake."""

import functools
import json
import random
import time
from types import SimpleNamespace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from recbole_idp.benchmark import loop, measure
from recbole_idp.benchmark.command import TASKS, main
from recbole_idp.benchmark.flops import training_flops
from recbole_idp.benchmark.measure import Budget, BudgetSpentError, matrix_product_rate, usage
from recbole_idp.benchmark.output import ratio
from recbole_idp.benchmark.sides import batch_sizes
from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.rows import Batch
from recbole_idp.models.idp.model import IDP
from recbole_idp.testing.toy import write_dataset
from tests.support.commands import refused

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
TINY = ["--data_path=data", "--hidden_size=8", "--inner_size=12", "--train_batch_size=64", "--topk=5,10"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Lets every test work in a folder with two datasets, and measures the machine in no time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop, "matrix_product_rate", functools.partial(matrix_product_rate, (64,), 0.01))
    draw = random.Random(1)
    for name in ("Small", "Other"):
        events = [f"u{user}\t{name}{draw.randrange(30)}\t{step}" for user in range(40) for step in range(8)]
        path = tmp_path / "data" / name / f"{name}.inter"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *events]) + "\n", encoding="utf-8")


def report_of(capsys, task, *arguments):
    """Runs a benchmark and returns its report and what it prints."""
    threads = torch.get_num_threads()
    try:
        assert main([task, *TINY, "--output=report.json", "--threads=1", *arguments]) == 0
    finally:
        torch.set_num_threads(threads)
    with open("report.json", encoding="utf-8") as file:
        report = json.load(file)
    assert report["format"] == 1 and report["benchmark"] == task and report["threads"] == 1
    assert {"config", "versions", "command", "load_average", "processors", "openmp"} <= set(report)
    return report, capsys.readouterr().out


def check_training(facts):
    assert facts["targets"] > 0 and facts["steps"] > 0
    assert facts["targets_per_second"] > 0 and facts["targets_per_cpu_second"] > 0
    assert facts["flops_per_target"] > 0
    assert facts["machine_gflops"] > 0 and facts["seconds_per_epoch"] > 0


@pytest.mark.slow
def test_training_reports_both_sides_and_ratios(capsys):
    report, out = report_of(capsys, "training", "--dataset=Small", "--seconds=0.3")
    for side in ("ours", "recbole", "recbole_without_anomaly_detection"):
        check_training(report[side]["training"])
        assert report[side]["evaluation"]["users"] == 40
        assert 0 <= report[side]["test"]["ndcg@10"] <= 1 and 0 <= report[side]["valid"]["ndcg@10"] <= 1
        assert report[side]["reading"]["seconds"] > 0
    assert report["seconds"] == 0.3 and report["ratio"]["targets_per_second"] > 0
    assert "times better" in out and "training targets/s" in out and "report.json" in out


@pytest.mark.slow
def test_evaluation_finds_equal_metrics(capsys):
    report, out = report_of(capsys, "evaluation", "--dataset=Small", "--repeats=2")
    assert report["largest_metric_difference"] <= 2 / 40
    assert report["ours"]["valid"]["ndcg@10"] > 0 and report["recbole"]["valid"]["ndcg@10"] > 0
    assert report["ours"]["evaluation"]["repeats"] == 2 and report["ratio"]["seconds"] > 0
    assert "evaluation users/s" in out


@pytest.mark.slow
def test_pretraining_reports_reading_and_training(capsys):
    report, out = report_of(
        capsys, "pretraining", "--source_domains=[Small, Other]", "--steps=3", "--pretrain_negatives=8"
    )
    check_training(report["ours"]["training"])
    assert report["ours"]["training"]["steps"] == 3
    assert report["ours"]["reading"]["interactions"] == 640 and report["ours"]["reading"]["items"] <= 60
    assert [domain["interactions"] for domain in report["domains"]] == [320, 320]
    assert report["dataset"] == "Small-Other" and report["shared_negatives"] == 8
    assert "reading and indexing" in out and "times better" not in out


@pytest.mark.slow
def test_new_items_are_ranked_beside_three_baselines(capsys, tmp_path):
    for number, name in enumerate(("source", "target")):
        write_dataset(tmp_path / "data", name, 60, n_items=24, prefix=name[0], seed=number)
    arguments = ["--dataset=target", "--source_domains=[source]", "--hidden_share=0.25", "--text_encoder=lsa"]
    arguments += ["--pretrain_epochs=1", "--epochs=1", "--pretrain_valid_users=5", "--generator=map"]
    report, out = report_of(capsys, "new_items", *arguments)
    assert (report["hidden_items"], report["known_items"]) == (6, 18) and 0 < report["questions"] < 60
    for side in ("ours", "random", "popularity", "text"):
        assert 0 < report[side]["new"]["mrr"] <= 1
        # Six new items: each is among the first ten of them.
        assert report[side]["new"]["hit@10"] == 1
        assert report[side]["all"]["mrr"] <= report[side]["new"]["mrr"]
    # Nobody has taken a new item yet: eighteen stand before the first of them.
    assert report["popularity"]["all"]["hit@10"] == 0
    assert "among the new items" in out and "text similarity" in out
    assert not list((tmp_path / "saved").glob("IDP-*"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trainig"], "did you mean training?"),
        (["training", "--secnds=3"], "did you mean --seconds?"),
        (["training", "--steps=3"], "unknown key --steps"),
        (["training", "--seconds=soon"], "seconds must be a number"),
        (["training", "--seconds=0"], "seconds must be 0.1 or more"),
        (["training", "--seconds=nan"], "seconds must be"),
        (["rectools", "--our_batches=many"], "--our_batches is 'many'"),
        (["evaluation", "--repeats=1.5"], "repeats must be a whole number"),
        (["new_items", "--hidden_share=0"], "hidden_share must be 0.001 or more"),
        (["new_items", "--hidden_share=1"], "hidden_share must be less than 1"),
        (["training", "--learing_rate=1"], "did you mean --learning_rate?"),
        (["training", "--model=SASRec"], "remove --model"),
        (["training", "--use_gpu=True"], "remove --use_gpu"),
        (["training", "--dataset=Small", "--output=data"], "cannot write data"),
        (["training", "--dataset=Small", "--output=data/Small/Small.inter/a.json"], "cannot write"),
        (["training", "--loss_type=BPR"], "--loss_type=CE"),
        (["training", "--topk=5,20", "--valid_metric=NDCG@20"], "NDCG@10"),
        (["training", "--dataset=Small", "--data_path=data"], "topk"),
        (["training", "--dataset=Smal", "--data_path=data"], "Small"),
        (["pretraining", "--source_domains=[]", "--data_path=data"], "source_domains is empty"),
        (["pretraining", "--dry_run"], "unknown key --dry_run"),
    ],
)
def test_mistakes_are_refused_in_one_line(capsys, arguments, line):
    refused(capsys, arguments, line, main=main, name="recbole_idp.benchmark", progress=("[benchmark] ",))


@pytest.mark.slow
def test_encoders_are_pre_trained_beside_idp(capsys):
    report, out = report_of(capsys, "encoders", "--source_domains=Small,Other", "--steps=2")
    names = ["IDP", "PeterRec on SASRec", "PeterRec on NextItNet"]
    assert list(report["ours"]) == names and report["ours"]["IDP"]["relative_to_idp"] == 1
    for facts in report["ours"].values():
        assert facts["steps"] == 2 and facts["targets"] > 0 and facts["targets_per_cpu_second"] > 0
    assert "PeterRec on NextItNet, relative to IDP" in out


@pytest.mark.parametrize("arguments", [[], ["help"], ["training", "--help"]])
def test_help_names_every_task(capsys, arguments):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert all(task in out for task in TASKS)


class EvenItems:
    """As much of a dataset as a model reads: 100 items and padding, each the target of as many events."""

    n_inputs = 101

    def num(self, field):
        return 101

    def targets(self):
        return SimpleNamespace(items=torch.arange(101))


def test_analytic_flops_are_those_of_the_counter():
    values = {"hidden_size": 16, "inner_size": 40, "MAX_ITEM_LIST_LENGTH": 12, "n_layers": 3, "use_gpu": False}

    model = IDP(StrictConfig(config_dict={**values, "dataset": "Small", "data_path": "data"}), EvenItems())
    parts = tuple((torch.randint(1, 101, shape), torch.randint(1, 101, shape)) for shape in ((6, 9), (4, 2)))
    batch = Batch(parts, 62)
    # torch counts addmm, but not its form in place, which our softmax adds the gradient of the items with
    in_place = {torch.ops.aten.addmm_: lambda total, left, right, **_: 2 * left[0] * left[1] * right[1]}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        model.position_loss(batch).backward()
    assert (
        training_flops(*batch_sizes(batch), model.loss.n_candidates(model.n_items), model_sizes(values))
        == counter.get_total_flops()
    )


def model_sizes(values):
    return {key: values[key] for key in ("hidden_size", "inner_size", "n_layers")}


def test_shared_draws_count_once():
    values = {"train_negatives": 50, "dataset": "Small", "data_path": "data", "use_gpu": False}

    model = IDP(StrictConfig(config_dict=values), EvenItems())
    # 50 draws from 100 equally likely items: 100 (1 - 0.99^50)
    assert model.loss.n_candidates(model.n_items) == pytest.approx(39.5, abs=0.01)


def test_a_budget_ends_after_its_steps_and_counts_whole_steps():
    budget = Budget(lambda batch: batch, lambda batch: ([(1, 2)], batch), lambda shapes, targets: targets, steps=2)
    assert budget(3) == 3 and budget(4) == 4
    with pytest.raises(BudgetSpentError):
        budget(5)
    assert budget.targets == 7 and budget.flops == 7 and len(budget.rates) == 2


def test_a_budget_of_time_lasts_one_step_at_least():
    budget = Budget(lambda batch: batch, lambda batch: ([(1, 1)], 1), lambda *_: 0, seconds=0)
    budget(0)
    with pytest.raises(BudgetSpentError):
        budget(0)
    assert budget.targets == 1


def test_usage_sees_memory_that_was_freed_again(monkeypatch):
    monkeypatch.setattr(measure, "INTERVAL", 0.001)
    with usage() as used:
        block = torch.ones(8 << 20)
        time.sleep(0.05)
        del block
    assert 30 < used.peak_memory_mb < 100 and used.seconds > 0.05


def test_a_ratio_says_how_many_times_better():
    results = {"ours": {"a": {"s": 2.0, "m": 0}}, "recbole": {"a": {"s": 8.0, "m": 1}}}
    assert ratio(results, "a", "s") == 0.25 and ratio(results, "a", "s", less=True) == 4
    assert ratio(results, "a", "m") is None


@pytest.mark.slow
def test_baselines_report_both_loops_of_each_model(capsys, tmp_path):
    items = [f"Small{item}\ta thing number {item}" for item in range(30)]
    text = "\n".join(["item_id:token\ttitle:token_seq", *items]) + "\n"
    (tmp_path / "data" / "Small" / "Small.item").write_text(text, encoding="utf-8")
    report, printed = report_of(capsys, "baselines", "--dataset=Small", "--steps=1", "--text_encoder=lsa")
    for model in ("GRU4Rec", "SASRec", "BERT4Rec", "FDSA"):
        assert report["ours"][model]["targets_per_second"] > 0 and report["recbole"][model]["steps"] == 1
        assert report["ratio"][model] > 0 and model in printed


@pytest.mark.slow
def test_rectools_is_trained_on_the_same_events(capsys, tmp_path):
    pytest.importorskip("rectools", reason="RecTools is not installed (pip install rectools[torch])")
    write_dataset(tmp_path / "data", "target", 40, n_items=24)
    options = ["--dataset=target", "--steps=3", "--seconds=0.5", "--text_encoder=lsa"]
    options += ["--our_batches=32,64", "--their_batches=8,16"]
    report, out = report_of(capsys, "rectools", *options)
    for side, batches in (("ours", {32, 64}), ("rectools_sasrec", {8, 16}), ("rectools_unisrec", {8, 16})):
        training = report[side]["training"]
        assert training["batch_size"] in batches and training["steps"] == 3 and training["targets_per_cpu_second"] > 0
        assert report[side]["test"]["steps"] > 0
        assert 0 <= report[side]["test"]["ndcg@10"] <= 1
    assert report["ours"]["training"]["ours_is_faster"] == 1
    assert "RecTools' UniSRecModel" in out


@pytest.mark.slow
def test_the_script_for_accelerators_runs_on_a_processor_at_toy_size(capsys):
    options = ["--dataset=Small", "--use_gpu=false", "--steps=3", "--width=16", "--items=500", "--large_batch=64"]
    report, out = report_of(capsys, "gpu", *options, "--epochs=2")
    for precision in ("float32", "bfloat16"):
        facts = report[precision]
        for part in ("training", "wide", "large"):
            assert facts[part]["targets_per_second"] > 0 and facts[part]["percent_of_peak"] > 0
        assert facts["large"]["weights_mb"] > 500 * 4 * 8 / 2**20
        assert 0 < facts["quality"]["test_ndcg@10"] < 1
    assert report["same_weights_twice"] is True and report["device"] == "cpu"
    assert "bfloat16" in out


def test_the_script_for_accelerators_needs_one(capsys):
    if torch.cuda.is_available():
        pytest.skip("there is an accelerator")
    refused(capsys, ["gpu", "--dataset=Small"], "no accelerator is found", main=main, name="recbole_idp.benchmark")
