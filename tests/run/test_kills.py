"""Kill -9 at random moments of each kind of job: the next run goes on, and finds what an uninterrupted one finds."""

import functools
import json
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from recbole_idp.cli.main import main
from recbole_idp.report.result import read_ranks, read_result
from recbole_idp.testing.toy import write_dataset, write_domains
from tests.run import test_warm_up
from tests.support import commands
from tests.support.headers import INTER_HEADER
from tests.support.precise import SMALL
from tests.support.processes import killed_after
from tests.support.web import Gate, offered, zipped

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:pkg_resources")]
LONG = {"pretrain_epochs": 15, "pretrain_stopping_step": 15, "epochs": 15, "stopping_step": 15}
IDP = {**LONG, "cdim_epochs": 15, "variants": ["zero_shot", "fine_tune", "scratch"]}
BERT4REC = {"hidden_size": 16, "inner_size": 32}
CDIM = {"pretrain_epochs": 2, "cdim_epochs": 150, "cdim_batch_size": 64}
# Kind of job, what it trains, and how often it is killed before it may end.
JOBS = {
    "pre-training, matching and fine-tuning": ("run", {"model": "IDP", **IDP}, 5),
    "CDIM": ("pretrain", {"model": "IDP", **CDIM}, 3),
    "few-shot": ("run", {"model": "PositionSASRec", "epochs": 15, "seeds": [1, 2], "few_shot": [0.5, 1.0]}, 2),
    "UniSRec": ("run", {"model": "UniSRec", **LONG}, 2),
    "PRECISE": ("run", {"model": "PRECISE", **LONG, **SMALL}, 2),
    "RecBole's BERT4Rec": ("run", {"model": "BERT4Rec", **LONG, **BERT4REC, "seeds": [1, 2]}, 2),
    "leaderboard": ("leaderboard", {"model": "PositionSASRec", "epochs": 5, "seeds": [1, 2], "jobs": 2}, 2),
}


def write(folder, job):
    """Writes the domains; the sources of CDIM have items enough to hold some out."""
    if job != "CDIM":
        write_domains(folder)
        return
    for number, name in enumerate(("pens", "lamps")):
        write_dataset(folder, name, users=150, n_items=120, prefix=name[0], seed=number)
    write_dataset(folder, "shop", users=30, prefix="s")


def command(folder, task, **changes):
    if task == "leaderboard":
        return commands.command(folder, task, **changes, source_domains=None)
    return commands.command(folder, task, **changes, keep_trained=True)


def found(folder):
    """Returns metrics and ranks of all that was trained below a folder, and the weights of what was pre-trained."""
    results = folder / "data" / "saved" / "leaderboard"
    paths = [path for path in results.glob("*/*.json") if path.name != "job.json"] if results.exists() else []
    numbers = []
    for path in sorted([*paths, *(folder / "data" / "results").glob("[!l]*.json")]):
        result, ranks = read_result(path), read_ranks(path)
        metrics = {row: (one["test"], one["valid"]) for row, one in result["variants"].items()}
        numbers.append((result["model"], metrics, {name: part.tolist() for name, part in ranks.trials.items()}))
    for path in (folder / "data" / "saved").glob("pretrain-*/**/*.safetensors"):
        tensors = {name: tensor.tolist() for name, tensor in load_file(path).items()}
        numbers.append((str(path.relative_to(folder)), tensors))
    return sorted(numbers, key=repr)


def nobody_works_in(folder, seconds=20):
    """Waits until no process has the folder in its command line; returns whether that came true."""
    end = time.monotonic() + seconds
    while lines := [path for path in Path("/proc").glob("[0-9]*/cmdline") if _says(path, folder)]:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return not lines


def _says(path, folder):
    try:
        return str(folder).encode() in path.read_bytes()
    except OSError:
        return False


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="there is no /proc here")
@pytest.mark.parametrize("job", JOBS)
def test_after_kills_at_random_moments_the_next_run_finds_the_same(job, processes, tmp_path):
    task, changes, kills = JOBS[job]
    whole, struck = tmp_path / "whole", tmp_path / "struck"
    for folder in (whole, struck):
        write(folder / "data", job)
    process = processes(whole, command(whole, task, **changes))
    process.join(120)
    assert process.exitcode == 0, (whole / "err").read_text()
    expected = found(whole)
    assert expected

    # What is left takes at least what is left of the whole: a share of that strikes before the end.
    draw, left = random.Random(job), float((whole / "cpu").read_text())
    for _ in range(kills):
        moment = draw.uniform(0.05, 0.5) * left
        process = processes(struck, command(struck, task, **changes))
        assert killed_after(process, moment) == -signal.SIGKILL, (struck / "err").read_text()
        left -= moment
        assert nobody_works_in(struck)
    process = processes(struck, command(struck, task, **changes))
    process.join(120)
    assert process.exitcode == 0, (struck / "err").read_text()
    assert found(struck) == expected
    assert not list((struck / "data").rglob("unfinished-*"))
    assert not list((struck / "data").rglob("*.tmp")) and not list((struck / "data").rglob(".*.lock"))


def test_after_kills_at_random_moments_no_user_is_lost(processes, tmp_path):
    write_domains(tmp_path / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        changes = {"variants": ["scratch"], "trained_dir": str(tmp_path / "made")}
        assert main(command(tmp_path, "run", **changes)) == 0
    histories = [" ".join(f"si{(start + step) % 8}" for step in range(9)) for start in range(8)]
    (tmp_path / "users").write_text("".join(f"user {n}\t{histories[n % 8]}\n" for n in range(40_000)))

    def recommend(out):
        return processes(tmp_path, ["recommend", "--trained=made", "--users=users", f"--out={out}"])

    process = recommend("whole.jsonl")
    process.join(120)
    assert process.exitcode == 0
    draw, left = random.Random("recommend"), float((tmp_path / "cpu").read_text())
    for _ in range(2):
        moment = draw.uniform(0.1, 0.6) * left
        assert killed_after(recommend("recs.jsonl"), moment) == -signal.SIGKILL
        left -= moment
    process = recommend("recs.jsonl")
    process.join(120)
    assert process.exitcode == 0
    assert (tmp_path / "recs.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


# ---- tasks that make a folder


# The command with the place of what it reads and the folder that it makes, and how often it is killed.
MAKERS = {
    "add-items": (["--trained={made}/data/saved/mine-fine_tune", "--items={made}/new.item", "--out={out}/new"], 2),
    "export": (["--trained={made}/data/saved/mine-fine_tune", "--out={out}/new"], 2),
    "convert": (["--reviews={made}/reviews.json", "--name=new", "--output={out}"], 2),
    "convert tenrec": (["--format=tenrec", "--file={made}/tenrec.csv", "--name=new", "--output={out}"], 2),
    "convert peterrec": (
        ["--format=peterrec", "--file={made}/peterrec.csv", "--labels=age", "--name=new", "--output={out}"],
        2,
    ),
}


def content(folder):
    """Returns the bytes of the files in a folder, without the seconds that making them took."""
    return {
        str(path.relative_to(folder)): re.sub(rb'"seconds": [0-9.]+|[0-9a-f]{64}|[0-9.]+ s\b', b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("task", MAKERS)
def test_after_kills_at_random_moments_a_folder_is_whole(task, made, processes, tmp_path):
    if task == "export":
        pytest.importorskip("onnxscript", reason="needs the extra export")
    arguments, kills = MAKERS[task]

    def start(out):
        out.mkdir(exist_ok=True)
        return processes(tmp_path, [task.split()[0], *(text.format(made=made, out=out) for text in arguments)])

    process = start(tmp_path / "whole")
    process.join(120)
    assert process.exitcode == 0, (tmp_path / "err").read_text()
    draw, whole = random.Random(task), float((tmp_path / "cpu").read_text())
    for _ in range(kills):
        assert killed_after(start(tmp_path / "struck"), draw.uniform(0.3, 0.75) * whole) == -signal.SIGKILL
        assert not (tmp_path / "struck" / "new").exists()
    process = start(tmp_path / "struck")
    process.join(120)
    assert process.exitcode == 0, (tmp_path / "err").read_text()
    assert content(tmp_path / "struck") == content(tmp_path / "whole")


# ---- datasets that are made on their first use


def test_after_kills_at_random_moments_a_carved_dataset_is_whole(processes, tmp_path):
    whole, struck = tmp_path / "whole", tmp_path / "struck"
    for folder in (whole, struck):
        folder.mkdir()

    def start(folder):
        return processes(folder, commands.pop(folder, "ml-100k-target"))

    process = start(whole)
    process.join(120)
    assert process.exitcode == 0, (whole / "err").read_text()
    carved = content(whole / "data" / "ml-100k-target")
    assert len(carved) == 3
    draw, all_of_it = random.Random("carve"), float((whole / "cpu").read_text())
    for _ in range(4):
        assert killed_after(start(struck), draw.uniform(0.05, 0.6) * all_of_it) == -signal.SIGKILL
        place = struck / "data" / "ml-100k-target"
        assert not place.exists() or content(place) == carved
    process = start(struck)
    process.join(120)
    assert process.exitcode == 0, (struck / "err").read_text()
    assert content(struck / "data" / "ml-100k-target") == carved
    assert [path.name for path in (struck / "data").glob("*ml-100k*")] == ["ml-100k-target"]


def test_a_kill_in_a_download_leaves_nothing_and_the_next_one_is_whole(processes, server, tmp_path):
    rows = "".join(f"u{number % 50}\ti{number * 7 % 30}\t{number}\n" for number in range(2000))
    gate = Gate(1)
    url = server.offer(zipped({"web.inter": INTER_HEADER + rows}), between=gate)

    def start():
        return processes(tmp_path, commands.pop(tmp_path, "web"), confine=functools.partial(offered, "web", url))

    process = start()
    assert gate.reached.wait(60)
    process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL and not (tmp_path / "data" / "web").exists()
    gate.open()
    process = start()
    process.join(120)
    assert process.exitcode == 0, (tmp_path / "err").read_text()
    assert (tmp_path / "data" / "web" / "web.inter").read_text() == INTER_HEADER + rows
    assert [path.name for path in (tmp_path / "data").glob("*web*")] == ["web"]


def test_after_kills_at_random_moments_a_replay_ends_the_same(processes, tmp_path):
    def start(folder):
        if not folder.exists():
            test_warm_up.write(folder, test_warm_up.events())
        return processes(folder, test_warm_up.command(folder, seeds=[1, 2]))

    def outcome(folder):
        (path,) = (folder / "results").glob("warm-up-*.json")
        return {name: row["runs"] for name, row in json.loads(path.read_text())["periods"].items()}

    whole, struck = tmp_path / "whole", tmp_path / "struck"
    process = start(whole)
    process.join(120)
    assert process.exitcode == 0, (whole / "err").read_text()
    draw, left = random.Random("warm-up"), float((whole / "cpu").read_text())
    for _ in range(2):
        moment = draw.uniform(0.1, 0.5) * left
        assert killed_after(start(struck), moment) == -signal.SIGKILL
        left -= moment
    process = start(struck)
    process.join(120)
    assert process.exitcode == 0, (struck / "err").read_text()
    assert outcome(struck) == outcome(whole)
    assert not list((struck / "saved").glob("unfinished-*")) and not list((struck / "saved").glob(".*.lock"))
