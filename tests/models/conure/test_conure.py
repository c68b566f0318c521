"""Conure learns tasks one after the other, and forgets none."""

import json
import shutil

import pytest
import torch

import recbole_idp
from recbole_idp.errors import UserError
from recbole_idp.models.conure.folder import OWNER, ConureFolder
from recbole_idp.models.conure.masks import OwnedNetwork, Phase
from recbole_idp.nn.encoder.dilated import DilatedEncoder, PreActivationBlock
from recbole_idp.nn.encoder.keys import DilatedSettings
from recbole_idp.run.run import run as run_job
from recbole_idp.testing import ModelContract, configured
from recbole_idp.testing.toy import settings
from tests.support.commands import refusal, refused
from tests.support.people import CLASSES, JOINED, write_people
from tests.support.trained import change_tensors, resealed

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
SMALL = {"block_num": 1, "MAX_ITEM_LIST_LENGTH": 8, "retrain_epochs": 2, "compare_join": False}


class TestConure(ModelContract):
    model = "Conure"
    random_start = {"transfer": "scratch"}
    learning = {"learning_rate": 0.003}


class TestConureOnSASRec(ModelContract):
    model = "Conure"
    changes = {"encoder": "SASRec"}
    random_start = {"transfer": "scratch"}
    # It has to learn from positions which event is the last before the token: easy where there is hardly another.
    learning = {"MAX_ITEM_LIST_LENGTH": 2}


def run(folder, **changes):
    """Runs Conure on the films of people whose books are known; returns the result."""
    return run_job(configured(folder, "Conure", "films", **{**SMALL, **JOINED, "variants": ["learn"], **changes}))


def learned(result):
    """Returns the folder that a run has written."""
    return result["variants"]["learn"]["runs"][0]["conure"]


@pytest.fixture
def people(workplace):
    return write_people(workplace / "data")


PROFILE = {"predicts": "profile", "profile_field": "side", **CLASSES}
TASKS = [{"predicts": "cold_item"}, PROFILE, {}]


def shown(folder, pretrained, **task):
    """Returns the test metrics of a task as a folder has it."""
    return run(folder, pretrained=str(pretrained), variants=["stored"], **task)["variants"]["stored"]["test"]


def test_earlier_tasks_stay_as_they_are_to_the_last_digit(people):
    folder, results = None, []
    for task in TASKS:
        result = run(people, pretrained=folder, learning_rate=0.01, epochs=3, **task)
        folder = learned(result)
        results.append(result["variants"]["learn"]["test"])
    found = ConureFolder.open(folder)
    assert found.names() == ["books:source", "films:cold_item", "films:profile:side", "films:next_item"]
    for task, expected in zip(TASKS, results, strict=True):
        assert shown(people, folder, **task) == expected
    # The first task has no run of its own: its states are compared.
    (first,) = [path for path in (people / "saved").glob("conure-books-*") if path.is_dir()]
    vectors, padding = torch.randn(4, 7, 16), torch.zeros(4, 7, dtype=torch.bool)
    states = [first_states(ConureFolder.open(path).state, vectors, padding) for path in (first, folder)]
    assert torch.equal(*states)
    assert torch.equal(ConureFolder.open(first).tasks[0].candidates, found.tasks[0].candidates)
    kept = [task.about["kept"]["encoder.blocks.0.first"] for task in found.tasks]
    assert kept == [int(768 * share) for share in (0.3, 0.21, 0.147, 0.1029)]


def first_states(state, vectors, padding):
    """Returns the states of the first task by the weights of a folder."""
    sizes = DilatedSettings(hidden_size=16, block_num=1)
    encoder = DilatedEncoder(sizes, PreActivationBlock)
    network = OwnedNetwork(encoder)
    encoder.load_state_dict(
        {name.removeprefix("encoder."): value for name, value in state.items() if "encoder." in name}
    )
    network.enter(Phase.INFER, 1)
    with torch.no_grad():
        return encoder(vectors, padding)


OTHERS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("SASRec", "BSARec", "LiGR", "HSTU")]


@pytest.mark.parametrize("encoder", ["NextItNet", *OTHERS])
def test_a_task_is_served(people, encoder):
    result = run(people, encoder=encoder, shared_users=[])
    recommender = recbole_idp.load(result["trained"]["folder"])
    kind = "ConureToken" if encoder == "NextItNet" else f"{encoder}Token"
    assert recommender.trained.description["encoder"]["kind"] == kind
    assert not any("owner" in name for name in recommender.trained.encoder)
    assert recommender.recommend([["f1", "f2"]], k=3)


def test_bad_folders_and_names_are_refused_in_one_line(people, capfd):
    result = run(people, predicts="cold_item")
    folder = learned(result)

    def command(**changes):
        values = settings(people, **{**SMALL, **JOINED, "predicts": "cold_item", "variants": ["learn"], **changes})
        argv = [f"--{key}={text if isinstance(text, str) else json.dumps(text)}" for key, text in values.items()]
        return ["run", "--model=Conure", "--dataset=films", *argv]

    refused(capfd, command(pretrained=folder), "has learned a task films:cold_item before")
    refused(capfd, command(pretrained=folder, variants=["stored"], task_name="other"), "has no task other")
    refused(capfd, command(variants=["stored"]), "stored shows a task that a folder has learned")
    refused(capfd, command(pretrained=folder, task_name="more", weight_decay=0.1), "weight_decay is 0.1")
    refused(capfd, command(pretrained=folder, task_name="more", pruned=0.999), "task 3 would keep 0 of")
    refused(
        capfd, command(pretrained=folder, task_name="more", dilations=[1, 2]), "was pre-trained with dilations=[1, 4]"
    )
    refused(capfd, command(pretrained=folder, task_name="more", pruned=1.0), "pruned")

    described = ConureFolder.open(folder).description["tasks"]
    second = described[1]
    for tasks, says in (
        ([described[0], {**second, "name": "books:source"}], "has no task, or two of one name"),
        ([], "has no task, or two of one name"),
        ([described[0], {**second, "kept": dict.fromkeys(second["kept"], 3)}], "its tasks own"),
        ([described[0], {**second, "kept": {}}], "so that their masks overlap or lack weights"),
        ([described[0], {**second, "kept": {**second["kept"], "more": 1}}], "which task owns which weight of more"),
        ([*described, {**second, "name": "another"}], "so that their masks overlap or lack weights"),
        ([described[0], {**second, "pruned": 1.5}], "gave back no share between 0 and 1 (0.7, 1.5)"),
    ):
        copy = shutil.copytree(folder, people / f"copy-{len(list(people.glob('copy-*')))}")
        resealed(copy, ConureFolder.folder_format, tasks=tasks)
        assert says in refusal(ConureFolder.open, copy)
        refused(capfd, command(pretrained=str(copy), task_name="more"), says)

    overlapping = shutil.copytree(folder, people / "overlapping")
    name = f"encoder.blocks.0.first{OWNER}"
    owner = ConureFolder.open(folder).state[name].clone()
    owner.view(-1)[int((owner.view(-1) == 1).nonzero()[0])] = 2
    change_tensors(overlapping / "weights.safetensors", **{name: owner})
    resealed(overlapping, ConureFolder.folder_format)
    with pytest.raises(UserError, match="masks overlap"):
        ConureFolder.open(overlapping)


def test_an_interrupted_task_ends_like_an_uninterrupted_one(people, monkeypatch):
    from recbole_idp.models.conure.phases import TwoPhaseTrainer

    changes = {"predicts": "cold_item", "epochs": 3, "retrain_epochs": 3, "eval_step": 1}
    expected = run(people, task_name="one", **changes)["variants"]["learn"]["test"]
    after_epoch = TwoPhaseTrainer._save_state
    saved = 0

    def interrupt(self, epoch, *arguments):
        nonlocal saved
        after_epoch(self, epoch, *arguments)
        saved += 1
        if saved in (2, 4, 6):
            raise KeyboardInterrupt

    monkeypatch.setattr(TwoPhaseTrainer, "_save_state", interrupt)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(people, task_name="two", **changes)
    result = run(people, task_name="two", **changes)
    assert result["variants"]["learn"]["test"] == expected
    # Three epochs of each phase, and the beginning of the second.
    assert saved == 7
