"""The benchmark ``scale``: its stages at toy size, its slopes, what it keeps, and what it ends."""

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from recbole_idp.benchmark.command import MADE, main
from recbole_idp.benchmark.scale import matching, ours, recbole, rectools
from recbole_idp.benchmark.scale.growth import cell, markdown, plot, slope, slopes
from recbole_idp.benchmark.scale.kept import Kept
from recbole_idp.benchmark.scale.meter import Meter
from recbole_idp.benchmark.scale.request import Request, ScaleSize, parse_sizes
from recbole_idp.benchmark.scale.task import JOBS, _chosen
from recbole_idp.benchmark.scale.watched import Limits, run_watched
from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.made.generate import generate
from recbole_idp.errors import UserError
from tests.support.commands import refused

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources", "ignore::DeprecationWarning", "ignore::UserWarning")
SMALL, LARGE = ScaleSize(600, 50), ScaleSize(1200, 100)
SIZES = {"use_gpu": False, "hidden_size": 8, "inner_size": 12, "train_batch_size": 64, "threads": 1}
SIZES |= {"pretrain_batch_size": 64, "pretrain_negatives": 16, "pretrain_valid_users": 4, "topk": [5, 10]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Returns a folder with the made data of a size."""
    folder = tmp_path_factory.mktemp("scale")
    generate(SMALL.dataset, folder, SMALL.users, SMALL.items, SMALL.events, seed=1)
    return folder


@pytest.fixture
def request_of(data, tmp_path, monkeypatch):
    """Returns a function that makes a request, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    values = StrictConfig("IDP", MADE, config_dict=SIZES).as_dict()
    values = {key: value for key, value in values.items() if key not in ("dataset", "data_path")}

    def request(side="ours", job="read"):
        return Request(side, job, SMALL, str(data), steps=3, users=5, targets=20, config=values)

    return request


def test_sizes_are_read_and_sorted():
    assert parse_sizes("2000:10,1000:20,1000:20") == [ScaleSize(1000, 20), ScaleSize(2000, 10)]
    assert ScaleSize(1000, 20).users == 100
    for wrong in ("1000", "1000:ten", "5:5", "1000:0", ""):
        with pytest.raises(UserError, match="--sizes"):
            parse_sizes(wrong)


def test_the_package_is_measured_stage_by_stage(request_of, tmp_path):
    for job in (job for job in JOBS if job.column == "ours"):
        meter = Meter(tmp_path / "answer.json")
        getattr(importlib.import_module(f"recbole_idp.benchmark.scale.{job.side}"), job.name)(request_of(), meter)
        written = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
        assert tuple(written) == job.stages
        for facts in written.values():
            assert facts["seconds"] > 0 and facts["cpu_seconds"] > 0 and facts["imports_mb"] > 0
        if job.name == "read":
            assert written["read"]["events"] == SMALL.events
        if job.name.startswith("pretraining"):
            assert written[job.name]["steps"] == 3 and written[job.name]["targets"] > 0
        if job.name in ("evaluation", "recommend"):
            assert written[job.name]["users"] == 5
        if job.name in ("exact", "ivf"):
            assert next(iter(written.values()))["recall"] > 0.9


def test_kept_events_are_those_of_the_file(request_of, data, tmp_path):
    request = request_of()
    ours.read(request, Meter(tmp_path / "answer.json"))
    kept = np.load(request.indexed_file)
    lines = (data / SMALL.dataset / f"{SMALL.dataset}.inter").read_text(encoding="utf-8").splitlines()[1:]
    assert len(kept["items"]) == len(lines) == SMALL.events
    assert kept["n_items"] == 1 + len({line.split("\t")[1] for line in lines})
    own = [line.split("\t")[1] for line in lines if line.startswith("u0\t") or line.startswith("u1\t")]
    assert len(own) > 0 and int(kept["offsets"][-1]) == SMALL.events


def test_recbole_is_measured(request_of, tmp_path):
    meter = Meter(tmp_path / "answer.json")
    recbole.everything(request_of("recbole", "everything"), meter)
    assert tuple(meter.measured) == ("read", "split", "pretraining", "evaluation")
    assert meter.measured["pretraining"]["targets"] == 3 * 64 and meter.measured["evaluation"]["users"] == 5


@pytest.mark.slow
def test_rectools_is_measured(request_of, tmp_path):
    pytest.importorskip("rectools", reason="RecTools is not installed (pip install rectools[torch])")
    meter = Meter(tmp_path / "answer.json")
    rectools.everything(request_of("rectools", "everything"), meter)
    assert tuple(meter.measured) == ("read", "pretraining", "recommend")


def test_vectors_stand_for_texts(tmp_path):
    draw = np.random.default_rng(1)
    vectors = matching._around(draw.standard_normal((2, matching.WIDTH), dtype=np.float32), 300, draw)
    cosines = torch.from_numpy(vectors @ vectors.T)
    assert torch.allclose(cosines.diagonal(), torch.ones(300), atol=1e-5)
    # Of one kind or of two, and nothing between.
    assert ((cosines < 0.25) | (cosines > 0.3)).all()


def test_a_process_is_measured_and_ended(request_of):
    request, stages = request_of(), ("read", "index", "split")
    killed = run_watched(request, stages, Limits(seconds=0.1, gigabytes=6))
    assert killed == {
        "read": {"ended": "killed after 0.1 s"},
        "index": {"ended": "not reached"},
        "split": {"ended": "not reached"},
    }
    large = run_watched(request, stages, Limits(seconds=300, gigabytes=0.01))
    assert large["read"] == {"ended": "killed at 0.01 GiB"}


@pytest.mark.slow
def test_a_failed_process_says_why(request_of, tmp_path):
    request, stages = replace(request_of(), folder=str(tmp_path)), ("read", "index", "split")
    failed = run_watched(request, stages, Limits(seconds=300, gigabytes=6))
    assert failed["read"]["ended"].startswith("failed: ") and SMALL.dataset in failed["read"]["ended"]


def test_slopes_are_those_of_powers():
    assert slope([(10, 3.0), (100, 30.0), (1000, 300.0)]) == pytest.approx(1)
    assert slope([(10, 1.0), (100, 100.0)]) == pytest.approx(2)
    assert slope([(10, 5.0), (1000, 5.0)]) == pytest.approx(0)
    assert slope([(10, 5.0)]) is None and slope([(10, 5.0), (10, 6.0)]) is None


def made_up():
    def facts(seconds):
        return {"seconds": 2 * seconds, "cpu_seconds": seconds, "peak_mb": 100.0}

    return {
        "ours": {SMALL: {"read": facts(1.0)}, LARGE: {"read": facts(2.0)}},
        "recbole": {SMALL: {"read": facts(10.0)}, LARGE: {"read": {"ended": "killed after 9 s"}}},
    }


def test_table_and_slopes():
    assert slopes(made_up()) == {"ours": {"read": {"cpu_seconds": 1.0, "peak_mb": 0.0}}}
    lines = markdown(made_up()).splitlines()
    assert lines[2] == (
        "| read and filter (by events) | here | 1.00 s (2.00), 100 MiB | 2.00 s (4.00), 100 MiB | 1.00 | 0.00 |"
    )
    assert lines[3] == "| read and filter (by events) | RecBole | 10.00 s (20.00), 100 MiB | killed after 9 s |  |  |"
    assert cell({}) == "" and len(lines) == 4


def test_the_plot_is_an_image(tmp_path):
    plot(made_up(), tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_measurements_are_kept(tmp_path):
    path, whole, ended = tmp_path / "measured.json", {"read": {"seconds": 1.0}}, {"read": {"ended": "killed after 9 s"}}
    kept = Kept(path, fresh=False)
    kept.keep("whole", whole, 9)
    kept.keep("ended", ended, 9)
    again = Kept(path, fresh=False)
    assert again.find("whole", 99) == whole and again.find("other", 9) is None
    # What was ended is tried again where it may take longer.
    assert again.find("ended", 9) == ended and again.find("ended", 10) is None
    assert Kept(path, fresh=True).find("whole", 9) is None


def test_requests_differ_where_their_work_does(request_of):
    request = request_of()
    assert request.key == replace(request, folder="elsewhere").key
    assert len({request.key, replace(request, steps=4).key, replace(request, size=LARGE).key}) == 3


def test_wrong_sizes_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    refused(capsys, ["scale", "--sizes=many"], "--sizes is 'many'", main=main, name="recbole_idp.benchmark")
    refused(capsys, ["scale", "--only=macth"], "--only names macth", main=main, name="recbole_idp.benchmark")


@pytest.mark.slow
def test_the_whole_benchmark_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keys = [f"--{key}={value}" for key, value in SIZES.items() if key != "use_gpu"]
    command = ["scale", "--sizes=600:50", "--steps=2", "--users=5", "--targets=20", *keys, "--output=report.json"]
    assert main(command) == 0
    assert "ours, read, index, split" in capsys.readouterr().err
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["ours"]["pretraining, 600:50"]["steps"] == 2
    assert report["recbole"]["evaluation, 600:50"]["users"] == 5
    assert (tmp_path / "scale" / "growth.md").is_file() and (tmp_path / "scale" / "growth.png").is_file()
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "ours" not in printed.err and "read and filter, 600 events, 50 items" in printed.out


def test_stages_can_be_chosen():
    assert [job.name for job in _chosen("match_ivf")] == ["ivf"]
    assert [(job.side, job.name) for job in _chosen("split")] == [("ours", "read"), ("recbole", "everything")]
    assert _chosen(None) == list(JOBS)
