"""Two processes that do the same in one folder at once: both end well, with equal results and nothing left over."""

import functools
import json
import shutil

import pytest

from recbole_idp.report.result import read_ranks, read_result
from recbole_idp.testing.toy import write_domains
from tests.run import test_warm_up
from tests.support.commands import command, pop
from tests.support.headers import INTER_HEADER
from tests.support.trained import bundle_of
from tests.support.web import Gate, offered, zipped

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:pkg_resources")]
LONG = {"pretrain_epochs": 15, "pretrain_stopping_step": 15, "epochs": 15, "stopping_step": 15}


def together(processes, folder, *argv, count=2, confine=None):
    """Runs a command several times at once in folders of their own; returns how each ended, and what it printed."""
    places = [folder / f"place-{number}" for number in range(count)]
    for place in places:
        place.mkdir(exist_ok=True)
    started = [processes(place, list(argv), confine=confine) for place in places]
    for process in started:
        process.join(180)
    return [(process.exitcode, (place / "err").read_text()) for process, place in zip(started, places, strict=True)]


def assert_nothing_left(folder):
    left = [path for path in folder.rglob("*") if path.suffix in (".tmp", ".lock") or "unfinished" in path.name]
    assert not left
    assert not list(folder.rglob("*.parts"))


TRAININGS = {
    "run": ("run", {"model": "IDP", **LONG, "variants": ["zero_shot", "fine_tune", "scratch"]}),
    "seeds": ("run", {"model": "PositionSASRec", **LONG, "seeds": [1, 2]}),
    "few-shot": ("run", {"model": "PositionSASRec", **LONG, "few_shot": [0.5, 1.0], "seeds": [1]}),
    "pretrain": ("pretrain", {"model": "IDP", **LONG}),
}


def numbers(path):
    result = read_result(path)
    ranks = {name: part.tolist() for name, part in read_ranks(path).trials.items()}
    return {row: (one["test"], one["valid"]) for row, one in result["variants"].items()}, ranks


@pytest.mark.parametrize("task", TRAININGS)
def test_trainings(task, processes, tmp_path):
    write_domains(tmp_path / "data")
    name, changes = TRAININGS[task]
    for status, err in together(processes, tmp_path, *command(tmp_path, name, **changes)):
        assert status == 0 and err.count("\n") == err.count("waiting for it"), err
    results = list((tmp_path / "data" / "results").glob("*.json"))
    if name == "run":
        assert len(results) == 2 and numbers(results[0]) == numbers(results[1])
    if changes["model"] == "IDP":
        assert bundle_of(tmp_path / "data" / "saved")
    assert_nothing_left(tmp_path)


def test_leaderboards(processes, tmp_path):
    write_domains(tmp_path / "data")
    argv = command(tmp_path, "leaderboard", model="PositionSASRec", epochs=5, source_domains=None)
    for status, err in together(processes, tmp_path, *argv):
        assert status == 0 and "\r" not in err and "Traceback" not in err, err
    results = (tmp_path / "data" / "results").glob("leaderboard-*.json")
    boards = [json.loads(path.read_text()) for path in results]
    rows = [[(row["model"], row["mean"], row["buckets"]) for row in board["boards"][0]["rows"]] for board in boards]
    assert len(boards) == 2 and rows[0] == rows[1]
    assert_nothing_left(tmp_path)


def test_replays(processes, tmp_path):
    test_warm_up.write(tmp_path, test_warm_up.events())
    for status, err in together(processes, tmp_path, *test_warm_up.command(tmp_path, seeds=[1, 2])):
        assert status == 0, err
    first, second = ((json.loads(path.read_text())) for path in (tmp_path / "results").glob("warm-up-*.json"))
    assert {name: row["runs"] for name, row in first["periods"].items()} == {
        name: row["runs"] for name, row in second["periods"].items()
    }
    assert_nothing_left(tmp_path)


def test_pages_of_matches(processes, tmp_path):
    write_domains(tmp_path / "data")
    argv = command(tmp_path, "inspect", inspect_sample=3)
    for status, err in together(processes, tmp_path, *argv):
        assert status == 0 and err.count("\n") == err.count("waiting for it"), err
    pages = [path.read_text() for path in (tmp_path / "data" / "results").glob("*.html")]
    assert len(pages) == 2 and pages[0] == pages[1]
    assert_nothing_left(tmp_path)


def test_carving_of_ml_100k(processes, tmp_path):
    for status, err in together(processes, tmp_path, *pop(tmp_path, "ml-100k-target")):
        assert status == 0, err
    first, second = (numbers(path) for path in (tmp_path / "data" / "results").glob("*.json"))
    assert first == second
    assert [path.name for path in (tmp_path / "data").glob("ml-100k-*")] == ["ml-100k-target"]
    assert_nothing_left(tmp_path)


def test_downloads_of_one_dataset(processes, server, tmp_path):
    rows = "".join(f"u{number % 50}\ti{number * 7 % 30}\t{number}\n" for number in range(2000))
    gate = Gate(2)
    url = server.offer(zipped({"web.inter": INTER_HEADER + rows}), between=gate)
    confine = functools.partial(offered, "web", url)
    for status, err in together(processes, tmp_path, *pop(tmp_path, "web"), confine=confine):
        assert status == 0 and err.count("\n") == err.count("waiting for it"), err
    # Both were in the middle of it at once.
    assert len(server.requests) == 2 and gate.reached.is_set()
    first, second = (numbers(path) for path in (tmp_path / "data" / "results").glob("*.json"))
    assert first == second
    assert (tmp_path / "data" / "web" / "web.inter").read_text() == INTER_HEADER + rows
    assert [path.name for path in (tmp_path / "data").glob("*web*")] == ["web"]
    assert_nothing_left(tmp_path)


# The command, and what it makes.
MAKERS = {
    "add-items": ["--trained={made}/data/saved/mine-fine_tune", "--items={made}/new.item", "--out={out}/new"],
    "export": ["--trained={made}/data/saved/mine-fine_tune", "--out={out}/new"],
    "convert": ["--reviews={made}/reviews.json", "--name=new", "--output={out}"],
    "convert tenrec": ["--format=tenrec", "--file={made}/tenrec.csv", "--name=new", "--output={out}"],
    "convert peterrec": [
        *("--format=peterrec", "--file={made}/peterrec.csv", "--labels=age", "--name=new", "--output={out}")
    ],
    "recommend": ["--trained={made}/data/saved/mine-fine_tune", "--users={made}/users", "--out={out}/new.jsonl"],
}


@pytest.mark.parametrize("task", MAKERS)
def test_of_those_that_make_the_same_one_makes_it_and_the_other_says_so(task, made, processes, tmp_path):
    if task == "export":
        pytest.importorskip("onnxscript", reason="needs the extra export")
    out = tmp_path / "out"
    out.mkdir()
    ended = together(processes, tmp_path, task.split()[0], *(text.format(made=made, out=out) for text in MAKERS[task]))
    assert sorted(status for status, _ in ended) == [0, 2], ended
    (err,) = (err for status, err in ended if status == 2)
    assert err.count("\n") == 1 and ("meanwhile" in err or "already" in err or "exists" in err), err
    assert len(list(out.iterdir())) == 1
    assert_nothing_left(tmp_path)


def test_pages_of_one_leaderboard(processes, tmp_path):
    write_domains(tmp_path / "data")
    argv = pop(tmp_path, "shop", task="leaderboard")
    ((status, err),) = together(processes, tmp_path, *argv, count=1)
    assert status == 0, err
    (path,) = (tmp_path / "data" / "results").glob("leaderboard-*.json")
    before = {page.name: page.read_bytes() for page in path.parent.iterdir()}
    shutil.copy(path, tmp_path / "board.json")
    for status, err in together(processes, tmp_path, "report", f"--result={path}"):
        assert status == 0, err
    assert {page.name: page.read_bytes() for page in path.parent.iterdir()} == before
