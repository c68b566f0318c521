"""Places that cannot be written or read, a full disk, two runs at once: one line for each, and nothing half-written."""

import ctypes
import json
import os
import resource
import shutil
import stat
from pathlib import Path

import pytest

from recbole_idp.testing.toy import settings, write_domains
from tests.support.mistakes import command
from tests.support.processes import answers
from tests.support.trained import bundle_of, toy_after

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
USERS = "".join(f"user {number}\tsi{number % 8} si{(number + 1) % 8}\n" for number in range(200))
REVIEWS = "".join(f"u{number},B00000000{number % 9},5.0,{1388534400 + number}\n" for number in range(300))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Toy domains with a bundle and a trained folder, a board, and files for the other tasks."""
    from tests.support.boards import leaderboard

    folder = tmp_path_factory.mktemp("base")
    toy_after(folder, command(folder, trained_dir=str(folder / "made")))
    bundle_of(folder / "data" / "saved").rename(folder / "bundle")
    (folder / "users").write_text(USERS)
    (folder / "reviews.csv").write_text(REVIEWS)
    (folder / "new.item").write_text("item_id:token\ttitle:token_seq\nn1\tblue pen\n")
    (folder / "board.json").write_text(json.dumps(leaderboard(datasets=("Office",))))
    return folder


def run(**changes):
    """Returns the arguments of a run in the current folder."""
    return command(Path(), **{"pretrained": "bundle", **changes})


def tasks(out):
    """Returns a command for each task that writes, all into the folder ``out``."""
    place = f"{out}/" if out else ""
    model = "--trained=made"
    return {
        "recommend": ["recommend", model, "--users=users", f"--out={place}recs.jsonl"],
        "add-items": ["add-items", model, "--items=new.item", "--pretrained=bundle", f"--out={place}more"],
        "report": ["report", "--result=board.json", f"--output={out or '.'}"],
        "convert": ["convert", "--reviews=reviews.csv", "--name=mine", f"--output={out or '.'}"],
        "carve": run(
            dataset="ml-100k-target", data_path=out or ".", source_domains=["ml-100k-source"], pretrained=None
        ),
    }


def check_refused(found):
    for name, (status, err, left) in found.items():
        assert status == 2, f"{name}: {status} {err}"
        last = err.rstrip().rpartition("\n")[2].rpartition("\r")[2]
        assert last.startswith("recbole-idp: ") and "Traceback" not in err, f"{name}: {err}"
        assert left == [], f"{name}: {err}"


# ---- no permission


def obey_permissions():
    """Takes from root what lets it pass over permissions: then it is stopped by them as anybody else."""
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        capabilities = (ctypes.c_uint32 * 6)()
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.capget(header, capabilities) == 0
        for part in (0, 1):
            # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER
            capabilities[part] &= ~0b1110
        assert libc.capset(header, capabilities) == 0


@pytest.fixture
def locked(base, tmp_path):
    """A copy of everything, with a folder that nobody may write and files that nobody may read."""
    folder = shutil.copytree(base, tmp_path / "here")
    (folder / "locked").mkdir()
    for name in ("made", "bundle"):
        shutil.copytree(folder / name, folder / f"{name}-closed")
    shutil.copytree(folder / "data", folder / "data-closed")
    paths = {name: folder / name for name in ("locked", "made-closed/model.safetensors", "bundle-closed/items.tsv")}
    paths["data"] = folder / "data-closed" / "shop" / "shop.inter"
    paths["users"] = folder / "secret"
    paths["users"].write_text(USERS)
    for path in paths.values():
        path.chmod(stat.S_IRUSR | stat.S_IXUSR if path.is_dir() else 0)
    yield folder
    for path in paths.values():
        path.chmod(stat.S_IRWXU)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "capset"), reason="the permissions of root cannot be dropped here")
def test_places_without_permission_are_refused_in_one_line(locked):
    commands = {f"{name} to a locked folder": argv for name, argv in tasks("locked").items()}
    for key in ("result_dir", "checkpoint_dir", "cache_path"):
        commands[key] = run(**{key: "locked/x"})
    commands["trained_dir"] = run(trained_dir="locked/x")
    commands["data"] = run(data_path="data-closed")
    commands["bundle"] = run(pretrained="bundle-closed")
    commands["model"] = ["recommend", "--trained=made-closed", "--history=si1"]
    commands["users"] = ["recommend", "--trained=made", "--users=secret", "--out=recs.csv"]
    check_refused(answers(locked, obey_permissions, commands))


# ---- a full disk


def full_disk():
    """Lets no file become larger than this, as a full disk would."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))


@pytest.mark.slow
def test_every_task_says_in_one_line_that_the_disk_is_full(base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "here")
    found = answers(folder, full_disk, tasks(""))
    check_refused(found)
    assert all("no space left" in err for _, err, _ in found.values()), found


# ---- two at once


@pytest.mark.slow
@pytest.mark.parametrize("model", ["IDP", "UniSRec"])
def test_two_runs_of_one_command_at_once_find_the_same_and_leave_it_once(model, processes, tmp_path):
    write_domains(tmp_path / "data")
    values = settings(tmp_path / "data", model=model, dataset="shop", state="INFO", pretrain_epochs=10, epochs=5)
    values.update({"variants": ["fine_tune"]} if model == "IDP" else {})
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    both = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        argv = ["run", *(f"--{key}={text}" for key, text in texts.items())]
        both.append((processes(tmp_path / name, argv), tmp_path / name))
    for process, folder in both:
        process.join(60)
        assert process.exitcode == 0, (folder / "err").read_text()
    said = "".join((folder / "err").read_text() for _, folder in both)
    # What takes the time is waited for: of IDP the bundle, of UniSRec the trial in which it is pre-trained.
    again = {"IDP": "made before with the same data and settings", "UniSRec": "finished by an earlier run"}[model]
    assert "waiting for it" in said and again in said
    first, second = (json.loads(path.read_text()) for path in (tmp_path / "data" / "results").glob("*.json"))
    for row, found in first["variants"].items():
        assert (found["test"], found["valid"]) == (second["variants"][row]["test"], second["variants"][row]["valid"])
    left = {path.name.partition("-")[0] for path in (tmp_path / "data" / "saved").iterdir()}
    made = {"IDP": "pretrain", "UniSRec": "unisrec"}[model]
    assert left == {made, "trained", model, "cache"}


def test_what_a_killed_process_left_is_removed_by_the_next_that_makes_the_same(tmp_path):
    from recbole_idp.storage.files import write_text
    from recbole_idp.storage.folders import new_folder

    ended = os.fork()
    if ended == 0:
        os._exit(0)
    os.waitpid(ended, 0)
    stale = [tmp_path / f".{name}.{ended}-01234567.tmp" for name in ("file", "folder")]
    others = [tmp_path / f".file.{os.getpid()}-01234567.tmp", tmp_path / ".file.tmp", tmp_path / ".mine.tmp"]
    for path in (stale[0], *others):
        path.write_text("half")
    (stale[1] / "inner").mkdir(parents=True)
    write_text(tmp_path / "file", "whole")
    with new_folder(tmp_path / "folder") as building:
        (building / "whole").touch()
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "file", tmp_path / "folder"])
