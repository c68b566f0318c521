"""Recommendations for a file of users: the same in every form, after kills too, and one line for each mistake."""

import csv
import json
import multiprocessing
import os
import signal
import sys
import time

import pytest

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.errors import UserError
from recbole_idp.serving.many_users import recommend_file
from recbole_idp.serving.on_ray import RayParts
from recbole_idp.serving.users_file import UsersFile, event_columns
from tests.support.commands import refusal, refused
from tests.support.headers import INTER_HEADER
from tests.support.trained import make_trained

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
USERS = 300


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_trained(tmp_path_factory.mktemp("made"), variant="scratch")


@pytest.fixture(scope="module")
def recommender(made):
    return recbole_idp.load(made)


def histories():
    """Returns users and their items: some are unknown to the model, one history is empty."""
    items = [[f"si{(user * 3 + step) % 9}" for step in range(user % 12)] for user in range(USERS)]
    return {f"user {number}": part for number, part in enumerate(items)}


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "users.tsv"
    path.write_text("".join(f"{user}\t{' '.join(items)}\n" for user, items in histories().items()))
    return path


def answers(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_file_gets_what_each_user_would_get(recommender, lines, tmp_path):
    out = tmp_path / "recs.jsonl"
    done = recommend_file(recommender, UsersFile(lines), out, k=3, part_users=64)
    expected = recommender.recommend(list(histories().values()), k=3)
    found = answers(out)
    assert [row["user"] for row in found] == list(histories())
    for row, recommended in zip(found, expected, strict=True):
        assert row["items"] == [one.item for one in recommended]
        assert row["scores"] == pytest.approx([one.score for one in recommended], rel=1e-4, abs=1e-5)
    unknown = sum(item == "si8" for items in histories().values() for item in items)
    empty = sum(set(items) <= {"si8"} for items in histories().values())
    assert (done["users"], done["unknown"], done["empty"], done["resumed"]) == (USERS, unknown, empty, 0)
    assert unknown and empty
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recs.jsonl", "users.tsv"]


def test_csv_and_parquet_hold_the_same(recommender, lines, tmp_path):
    for suffix in ("jsonl", "csv"):
        recommend_file(recommender, UsersFile(lines), tmp_path / f"recs.{suffix}", k=3, part_users=100)
    expected = answers(tmp_path / "recs.jsonl")
    flat = [
        (row["user"], rank, *pair)
        for row in expected
        for rank, pair in enumerate(zip(row["items"], row["scores"], strict=True), 1)
    ]
    with open(tmp_path / "recs.csv", newline="") as file:
        found = [(row["user"], int(row["rank"]), row["item"], float(row["score"])) for row in csv.DictReader(file)]
    assert found == flat
    reason = "parquet needs pyarrow, which is not installed"
    parquet = pytest.importorskip("pyarrow.parquet", reason=reason, exc_type=ImportError)
    recommend_file(recommender, UsersFile(lines), tmp_path / "recs.parquet", k=3, part_users=100)
    rows = parquet.read_table(tmp_path / "recs.parquet").to_pylist()
    assert [(row["user"], row["items"]) for row in rows] == [(row["user"], row["items"]) for row in expected]
    assert [score for row in rows for score in row["scores"]] == pytest.approx([one[3] for one in flat], rel=1e-5)


def test_an_inter_file_is_put_in_the_order_of_users_and_times(lines, tmp_path):
    events = [(user, item, step) for user, items in histories().items() for step, item in enumerate(items)]
    path = tmp_path / "some.inter"
    rows = sorted(events, key=lambda event: (-event[2], event[1]))
    text = "".join(f"{step}\t{item}\t{user}\n" for user, item, step in rows)
    path.write_text("timestamp:float\titem_id:token\tuser_id:token\n" + text)
    assert dict(UsersFile(path)) == {user: items for user, items in histories().items() if items}
    assert dict(UsersFile(lines)) == histories()


def test_an_inter_file_may_have_dates_and_the_columns_of_training(tmp_path):
    path = tmp_path / "some.inter"
    names = event_columns({"USER_ID_FIELD": "userid", "ITEM_ID_FIELD": "bookid", "TIME_FIELD": "time"})
    path.write_text("userid:token\tbookid:token\ttime:token\nu\tb\t2013-05-02\nu\ta\t2013-05-01 23:59:59\n")
    assert dict(UsersFile(path, names)) == {"u": ["a", "b"]}
    path.write_text("user_id:token\titem_id:token\ttimestamp:float\nu\tb\t2\nu\ta\t1\n")
    assert dict(UsersFile(path, names)) == dict(UsersFile(path)) == {"u": ["a", "b"]}
    for times, says in {
        ("2013-05-01", "2013-02-30"): "line 3 has the timestamp '2013-02-30', neither",
        ("2013-05-01", "7"): "line 3 has the timestamp '7', a number",
        ("7", "2013-05-01"): "line 3 has the timestamp '2013-05-01', a date",
        ("7", "nan"): "line 3 has the timestamp 'nan', neither",
    }.items():
        rows = "".join(f"u\ta\t{time}\n" for time in times)
        path.write_text("user_id:token\titem_id:token\ttimestamp:token\n" + rows)
        assert says in refusal(list, UsersFile(path))


def work(made, lines, out):
    recommend_file(recbole_idp.load(made), UsersFile(lines), out, k=3, part_users=2)


def test_after_kills_the_next_run_loses_nothing_and_repeats_nothing(made, recommender, lines, tmp_path):
    whole, out = tmp_path / "whole.jsonl", tmp_path / "recs.jsonl"
    recommend_file(recommender, UsersFile(lines), whole, k=3, part_users=2)
    parts = tmp_path / ".recs.jsonl.parts"
    context = multiprocessing.get_context("fork")
    for wanted in (5, 40, 90):
        process = context.Process(target=work, args=(made, lines, out))
        process.start()
        while len(list(parts.glob("0*.json"))) < wanted and process.is_alive():
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert not out.exists()
    done = recommend_file(recommender, UsersFile(lines), out, k=3, part_users=2)
    assert done["users"] == USERS and 180 <= done["resumed"] < USERS
    assert out.read_bytes() == whole.read_bytes() and not parts.exists()


def test_other_options_do_not_go_on_from_what_was_left(recommender, lines, tmp_path, monkeypatch):
    out = tmp_path / "recs.jsonl"

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("recbole_idp.serving.output.Jsonl.join", interrupt)
        with pytest.raises(KeyboardInterrupt):
            recommend_file(recommender, UsersFile(lines), out, k=3, part_users=64)
    assert recommend_file(recommender, UsersFile(lines), out, k=2, part_users=64)["resumed"] == 0
    assert max(len(row["items"]) for row in answers(out)) == 2


def test_two_processes_do_not_write_one_file(recommender, lines, tmp_path):
    import fcntl

    parts = tmp_path / ".recs.jsonl.parts"
    parts.mkdir()
    with open(parts / "lock", "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process writes"):
            recommend_file(recommender, UsersFile(lines), tmp_path / "recs.jsonl")
        assert parts.is_dir()


def test_the_command_prints_titles_and_says_what_it_skips(made, capfd):
    assert main(["recommend", f"--trained={made}", "--history=si1, nothing,si2", "--k=3"]) == 0
    out, err = capfd.readouterr()
    assert err == "recbole-idp: unknown to the model and skipped: nothing\n"
    header, *rows = out.splitlines()
    assert header.split() == ["rank", "item", "score", "title"] and len(rows) == 3
    title = {"si0": "red pen 0", "si3": "paper pad 0", "si4": "wall clock 0", "si5": "desk lamp 0"}
    title.update(si6="steel ruler 0", si7="soft eraser 0")
    for number, row in enumerate(rows, 1):
        rank, item, _, name = row.split(maxsplit=3)
        assert (int(rank), name) == (number, title[item])
    assert main(["recommend", f"--trained={made}", "--history=si1", "--k=99", "--exclude_seen=false"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 9


def test_the_command_writes_a_file_and_says_what_it_skips(made, lines, tmp_path, capfd):
    argv = ["recommend", f"--trained={made}", f"--users={lines}", f"--out={tmp_path / 'recs.csv'}", "--k=2"]
    assert main(argv) == 0
    out, err = capfd.readouterr()
    assert out == f"{tmp_path / 'recs.csv'}: 300 users\n"
    assert "events with items that the model does not know were skipped" in err and "get no recommendation" in err


def test_without_pyarrow_one_line_says_what_to_install(made, lines, workplace, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    refused(capfd, ["recommend", f"--trained={made}", f"--users={lines}", "--out=recs.parquet"], 'pip install "pyarrow')
    assert not list(workplace.glob("*recs*"))


FILES = [
    ("", "is empty"),
    ("\n\n", "is empty"),
    ("u1\tsi1\n\n\nu2 si1\n", "line 4 has 1 fields"),
    ("u1\tsi1\tsi2\n", "line 1 has 3 fields"),
    ("\tsi1\n", "line 1 has 2 fields"),
    (b"u1\tsi1\nu2\t\xff\n", "line 2 is not UTF-8 text"),
    (INTER_HEADER, "has no rows"),
    (INTER_HEADER + "u1\tsi1\n", "line 2 has 2 of 3 fields"),
    (INTER_HEADER + "u1\tsi1\tMonday\n", "line 2 has the timestamp 'Monday'"),
    (INTER_HEADER + "u1\tsi1\tnan\n", "line 2 has the timestamp 'nan'"),
    (INTER_HEADER + "u1\t\t1\n", "line 2 has an empty id"),
]


@pytest.mark.parametrize(("content", "says"), FILES)
def test_files_of_users_that_are_wrong_are_refused_in_one_line(content, says, made, tmp_path, capfd):
    path = tmp_path / "users"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    argv = ["recommend", f"--trained={made}", f"--users={path}", f"--out={tmp_path / 'recs.jsonl'}"]
    refused(capfd, argv, str(path), says)
    assert list(tmp_path.iterdir()) == [path]


COMMANDS = [
    (["--k=3"], "recommend needs --trained"),
    (["--trained=nowhere", "--history=a"], "nowhere is no trained model"),
    (["--trained={data}", "--history=a"], "it has no trained.json"),
    (["--trained={made}"], "needs either --history"),
    (["--trained={made}", "--history=si1", "--users={users}", "--out=a.csv"], "needs either --history"),
    (["--trained={made}", "--users={users}"], "--users and --out belong together"),
    (["--trained={made}", "--history=si1", "--out=a.csv"], "--users and --out belong together"),
    (["--trained={made}", "--users={users}", "--out=a.xlsx"], "ends in .xlsx: choose one of .jsonl, .csv, .parquet"),
    (["--trained={made}", "--users={users}", "--out=a"], "ends in nothing"),
    (["--trained={made}", "--users={users}", "--out={users}/a.csv"], "cannot write"),
    (["--trained={made}", "--users={users}", "--out=there.csv"], "there.csv exists already"),
    (["--trained={made}", "--users=nofile", "--out=a.csv"], "there is no file nofile"),
    (["--trained={made}", "--users={data}", "--out=a.csv"], "there is no file"),
    (["--trained={made}", "--history=x,y"], "none of the 2 items of --history is known"),
    (["--trained={made}", "--history="], "needs either --history"),
    (["--trained={made}", "--history= , "], "names no item"),
    (["--trained={made}", "--history=si1", "--k=0"], "k must be 1 or more"),
    (["--trained={made}", "--history=si1", "--k=ten"], "k must be a whole number"),
    (["--trained={made}", "--history=si1", "--k=1.5"], "k must be a whole number"),
    (["--trained={made}", "--history=si1", "--exclude_seen=maybe"], "exclude_seen must be true or false"),
    (["--trained={made}", "--histroy=si1"], "did you mean --history?"),
    (["--trained={made}", "--history=si1", "--dry_run"], "--dry_run has no meaning"),
]


@pytest.mark.parametrize(("arguments", "says"), COMMANDS)
def test_wrong_commands_are_refused_in_one_line(arguments, says, made, lines, workplace, capfd):
    (workplace / "there.csv").write_text("mine\n")
    before = sorted(path.name for path in workplace.rglob("*"))
    places = {"made": made, "users": lines, "data": made.parents[1]}
    refused(capfd, ["recommend", *(argument.format(**places) for argument in arguments)], says)
    assert sorted(path.name for path in workplace.rglob("*")) == before
    assert (workplace / "there.csv").read_text() == "mine\n"


@pytest.mark.slow
def test_two_workers_of_ray_write_what_one_process_writes(made, recommender, lines, tmp_path, ray_cluster):
    alone, shared, asked = (tmp_path / f"{name}.jsonl" for name in ("alone", "shared", "asked"))
    recommend_file(recommender, UsersFile(lines), alone, k=3, part_users=64)
    parts = RayParts(str(made), {}, recommender.trained.digest(), 2)
    done = recommend_file(recommender, UsersFile(lines), shared, k=3, part_users=64, at_work=parts)
    assert done["users"] == USERS and shared.read_bytes() == alone.read_bytes()
    given = [f"--trained={made}", f"--users={lines}", f"--out={asked}", "--k=3", "--engine=ray", "--jobs=2"]
    assert main(["recommend", *given]) == 0
    assert asked.read_bytes() == alone.read_bytes()


def test_a_cluster_is_for_files_of_users(made, capfd):
    line = refused(capfd, ["recommend", f"--trained={made}", "--history=si1", "--engine=ray"])
    assert "give --users=FILE" in line
