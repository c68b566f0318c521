"""Finding or making what is pre-trained, with a model of a few lines: once, by one process, whole, and checked."""

import json
import threading

import pytest
import torch

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.domains import load_domains, source_locations
from recbole_idp.errors import UserError
from recbole_idp.storage.sealed import FolderFormat
from recbole_idp.testing.toy import settings
from recbole_idp.train.clock import StageClock
from recbole_idp.train.pretrained import Pretraining, find_or_make, open_given
from recbole_idp.train.pretrained_folder import (
    WEIGHTS,
    FolderContent,
    PretrainedWeights,
    card_text,
    metrics_text,
    read_table,
    table_text,
)
from tests.support.trained import resealed

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class CountedItems(PretrainedWeights):
    """How often each item was used."""

    folder_format = FolderFormat(
        name="table of counts",
        made_by="a test",
        identifier="recbole_idp counts",
        description_file="counts.json",
        required_files=frozenset((WEIGHTS,)),
        schema={"fingerprint": str, "domains": [{"name": str}], "largest": int},
    )


class Counting(Pretraining[CountedItems]):
    """Counts the events of each item of the source domains."""

    result = CountedItems
    prefix = "counts"

    def __init__(self, config):
        super().__init__(config, source_locations(config))
        self.trainings = 0

    def train(self, clock):
        self.trainings += 1
        domains = load_domains(self.config)
        with clock.stage("pretrain", "counting"):
            counts = torch.bincount(domains.sequences.items, minlength=len(domains.item_tokens))
        facts = {"largest": int(counts.max())}
        return FolderContent(domains.domains, {"hit@1": 0.5}, {WEIGHTS: {"counts": counts}}, facts)

    def card(self, description):
        facts = {"Largest count": description["largest"], "Validation": metrics_text(description["valid"])}
        return card_text("Counts", "Events of each item.", facts, "--model=Counts --dataset=NAME")


def configured(folder, **changes):
    return StrictConfig("IDP", "shop", config_dict=settings(folder, **changes))


def test_what_was_made_is_found_by_the_same_data_and_settings_alone(domains):
    clock = StageClock()
    first = Counting(configured(domains))
    made = find_or_make(first, clock)
    assert first.trainings == 1 and set(clock.stages) == {"pretrain"}
    assert made.folder.parent == domains / "saved" and made.folder.name == f"counts-pens-lamps-{first.fingerprint[:8]}"
    assert int(made.state["counts"].sum()) == sum(domain["interactions"] for domain in made.description["domains"])
    assert made.description["valid"] == {"hit@1": 0.5} and made.description["seed"] == 2020
    assert made.description["hyper_parameters"] == json.loads(json.dumps(first.values()))
    card = (made.folder / "README.md").read_text()
    assert f"- Largest count: {made.description['largest']}\n- Validation: hit@1 0.5000\n" in card
    assert "`python run_recbole_idp.py --model=Counts --dataset=NAME --pretrained=THIS_FOLDER`" in card
    again = Counting(configured(domains, epochs=7, seeds=[1, 2]))
    assert find_or_make(again).folder == made.folder and again.trainings == 0
    others = [{"pretrain_epochs": 3}, {"pretrain_seed": 1}, {"source_domains": ["pens"]}]
    folders = {find_or_make(Counting(configured(domains, **change))).folder for change in others}
    assert len(folders - {made.folder}) == 3
    with open(domains / "pens" / "pens.inter", "a") as file:
        file.write("pu0\tpi0\t99\n")
    changed = Counting(configured(domains))
    assert find_or_make(changed).folder not in folders | {made.folder} and changed.trainings == 1


def test_a_given_folder_is_opened_and_fits_the_target(domains):
    made = find_or_make(Counting(configured(domains)))
    found = open_given(CountedItems, str(made.folder), "shop")
    assert found.description == made.description and torch.equal(found.state["counts"], made.state["counts"])
    with pytest.raises(UserError, match=r"lamps is among the table of counts's source domains \(pens, lamps\): choose"):
        open_given(CountedItems, made.folder, "lamps")
    with pytest.raises(
        UserError, match=r"is no table of counts: it has no counts\.json; give a folder that a test made"
    ):
        open_given(CountedItems, domains / "pens", "shop")


def test_what_lies_in_the_way_is_refused_and_kept(domains):
    counting = Counting(configured(domains))
    counting.folder.parent.mkdir()
    counting.folder.write_text("mine")
    with pytest.raises(UserError, match="where the table of counts would be made, is a file: move it"):
        find_or_make(counting)
    assert counting.folder.read_text() == "mine" and counting.trainings == 0
    counting.folder.unlink()
    made = find_or_make(counting)
    resealed(made.folder, CountedItems.folder_format, fingerprint="0" * 16)
    with pytest.raises(UserError, match="was made with other data or settings: move it"):
        find_or_make(Counting(configured(domains)))
    (made.folder / WEIGHTS).write_bytes(b"")
    with pytest.raises(UserError, match=r"weights\.safetensors is damaged or was changed"):
        CountedItems.open(made.folder)
    (made.folder / "counts.json").unlink()
    with pytest.raises(UserError, match="is no table of counts"):
        find_or_make(Counting(configured(domains)))


def test_of_two_at_once_one_trains_and_the_other_waits(domains, caplog):
    started, go_on, training = threading.Event(), threading.Event(), []

    class Slow(Counting):
        def train(self, clock):
            training.append(self)
            started.set()
            assert go_on.wait(60)
            return super().train(clock)

    both = [Slow(configured(domains)), Slow(configured(domains))]
    folders = []
    threads = [threading.Thread(target=lambda one=one: folders.append(find_or_make(one).folder)) for one in both]
    threads[0].start()
    assert started.wait(60)
    threads[1].start()
    while "another process is making" not in caplog.text and len(training) < 2:
        threads[1].join(0.01)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert folders == [both[0].folder] * 2
    assert [one.trainings for one in both] == [1, 0]


def test_an_interrupted_training_leaves_what_it_goes_on_from_and_a_finished_one_nothing(domains):
    counting = Counting(configured(domains))
    train = counting.train

    def interrupted(clock):
        counting.unfinished.mkdir(parents=True)
        for path in counting.kept_files():
            path.write_text("an epoch")
        raise KeyboardInterrupt

    counting.train = interrupted
    with pytest.raises(KeyboardInterrupt):
        find_or_make(counting)
    saved = domains / "saved"
    assert [path.name for path in saved.iterdir()] == [f"unfinished-counts-{counting.fingerprint}"]
    counting.train = train
    find_or_make(counting)
    assert [path.name for path in saved.iterdir()] == [counting.folder.name]


def test_others_may_read_what_was_made(domains):
    made = find_or_make(Counting(configured(domains)))
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in made.folder.rglob("*"))


def test_tables_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "table.tsv"
    for columns in ([["a", "", "c"], ["1", "two", "with\ttab"]], [[], []]):
        path.write_text(table_text(("letter", "number"), *columns))
        assert read_table(path, 2) == columns
    path.write_text("letter\tnumber\na\t1\nb\n")
    with pytest.raises(UserError, match="is no table of 2 columns: pre-train again"):
        read_table(path, 2)
    path.write_bytes(b"letter\n\xff\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_table(path, 1)
