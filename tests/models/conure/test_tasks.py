"""A list of tasks in one command: learned one after the other, compared at the end, and resumed."""

import json
import shutil
from pathlib import Path

import pytest

from recbole_idp.models.conure.folder import ConureFolder
from recbole_idp.run.run import run as run_job
from recbole_idp.testing import configured
from recbole_idp.testing.toy import settings
from tests.support.commands import options, printed, refusal, refused
from tests.support.people import JOINED, write_people
from tests.support.trained import change_tensors, resealed

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
SMALL = {"block_num": 1, "MAX_ITEM_LIST_LENGTH": 8, "retrain_epochs": 1, "epochs": 1, "compare_join": False}
PROFILE = {"predicts": "profile", "profile_field": "side", "valid_metric": "Accuracy"}
TASKS = [{"predicts": "cold_item"}, PROFILE, {"learning_rate": 0.01, "task_name": "last"}]
NAMES = ["films:cold_item", "films:profile:side", "last"]
SHARED = {**SMALL, **JOINED, "variants": ["learn"]}


@pytest.fixture
def people(workplace):
    return write_people(workplace / "data")


def learn(people, tasks=TASKS, **changes):
    return run_job(configured(people, "Conure", "films", **{**SHARED, "tasks": tasks, **changes}))


def test_tasks_are_learned_in_turn_and_none_changes(people, capsys):
    values = settings(people, **SHARED, tasks=TASKS)
    out = printed(capsys, "run", "--model=Conure", *options({"dataset": "films", **values}))
    assert out.count("yes, to the last digit") == 3 and "NO" not in out.rpartition("| task")[2]
    assert "Task 2 of 3, films:profile:side: learning" in out
    (path,) = (people / "results").glob("Conure-tasks-*.json")
    saved = json.loads(path.read_text())
    assert [row["name"] for row in saved["tasks"]] == NAMES
    assert all(row["test"] == row["at_the_end"] and row["weights_changed"] == [] for row in saved["tasks"])
    # The keys of a task are its own: the metrics of a profile are those of classes.
    assert "accuracy" in saved["tasks"][1]["test"] and "ndcg@5" in saved["tasks"][2]["test"]
    assert ConureFolder.open(saved["conure"]).names() == ["books:source", *NAMES]
    assert not list((people / "saved").glob("unfinished-tasks-*"))


@pytest.mark.slow
def test_an_interrupted_list_goes_on_at_its_task(people, monkeypatch, capsys):
    whole = learn(people)
    again = write_people(people.parent / "again")
    started = []

    def interrupted(config):
        started.append(config["task_name"] or config["predicts"])
        if len(started) == 2:
            raise KeyboardInterrupt
        return run_job(config)

    from recbole_idp.run import tasks

    config = configured(again, "Conure", "films", **{**SHARED, "tasks": TASKS})
    with pytest.raises(KeyboardInterrupt):
        tasks.run_tasks(config, interrupted)
    capsys.readouterr()
    resumed = tasks.run_tasks(config, interrupted)
    assert started[:4] == ["cold_item", "profile", "profile", "last"]
    assert "1 of 3 tasks were learned before: films:cold_item" in capsys.readouterr().out
    assert [row["test"] for row in resumed["tasks"]] == [row["test"] for row in whole["tasks"]]


def test_a_folder_that_is_gone_is_made_again(people):
    from recbole_idp.run.tasks import Progress, plan_tasks

    config = configured(people, "Conure", "films", **{**SHARED, "tasks": TASKS[:1]})
    progress = Progress(config, plan_tasks(config))
    done = learn(people, TASKS[:1])
    from recbole_idp.run.tasks import Learned

    row = done["tasks"][0]
    progress.save([Learned(row["name"], row["folder"], row["test"])])
    assert [entry.name for entry in progress.read()] == NAMES[:1]
    shutil.rmtree(row["folder"])
    assert progress.read() == []


def test_what_changed_is_found(people):
    """Weights that a task owns, its own vectors, and nothing that later tasks may change."""
    done = learn(people, TASKS[:2])
    first, last = (Path(row["folder"]) for row in done["tasks"])
    before = ConureFolder.open(first)
    assert ConureFolder.open(last).changed_since(before) == []
    assert before.changed_since(before) == []
    name = "encoder.blocks.0.first.parametrizations.weight.original"
    owner = ConureFolder.open(last).state[name.replace("original", "0.owner")]
    for number, says in ((0, []), (1, [name]), (2, [name]), (3, [])):
        copy = shutil.copytree(last, people / f"copy-{number}")
        weight = ConureFolder.open(last).state[name].clone()
        weight.view(-1)[int((owner.view(-1) == number).nonzero()[0])] += 1e-6
        change_tensors(copy / "weights.safetensors", **{name: weight})
        resealed(copy, ConureFolder.folder_format)
        assert ConureFolder.open(copy).changed_since(before) == says
    copy = shutil.copytree(last, people / "copy-task")
    change_tensors(copy / "task-2.safetensors", token=before.tasks[1].token + 1e-6)
    resealed(copy, ConureFolder.folder_format)
    assert ConureFolder.open(copy).changed_since(before) == ["films:cold_item"]


def test_bad_lists_are_refused_in_one_line_before_work(people, capfd):
    def fails(says, tasks, **changes):
        values = settings(people, **{**SHARED, "tasks": tasks, **changes})
        refused(capfd, ["run", "--model=Conure", *options({"dataset": "films", **values})], says)
        assert not (people / "saved").exists()

    fails("tasks is empty", [])
    fails("keep_trained is false", TASKS, keep_trained=False)
    fails("the task films:cold_item is twice in tasks", [TASKS[0], {}, TASKS[0]])
    fails("give one of the two another task_name", [{"task_name": "a"}, {"task_name": "a", "predicts": "cold_item"}])
    fails("unknown key learning_rat in task 2 of tasks: did you mean learning_rate", [{}, {"learning_rat": 1}])
    fails("learning_rate", [{"learning_rate": "fast"}])
    fails("task 1 of tasks has pretrained, which is one for all tasks", [{"pretrained": "a"}])
    fails("task 1 of tasks has seed", [{"seed": 1}])
    fails("each of tasks must be a map", "cold_item")
    fails("each of tasks must be a map", ["cold_item"])
    fails("films2", [{}, {"dataset": "films2"}])
    fails("seeds or few_shot", TASKS, seeds=[1, 2])
    fails("give learn, and scratch beside it", TASKS, variants=["stored"])
    fails("needs profile_field", [{"predicts": "profile"}])


def test_a_name_that_the_folder_has_is_refused(people):
    folder = learn(people, TASKS[:1])["conure"]
    assert "has learned it" in refusal(learn, people, TASKS[:1], pretrained=folder)
    more = learn(people, [{"task_name": "more"}], pretrained=folder)
    assert ConureFolder.open(more["conure"]).names() == ["books:source", NAMES[0], "more"]
