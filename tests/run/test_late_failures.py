"""What may fail late is tried before training, and a convenience never decides over the result."""

import json
import logging
from pathlib import Path

import pytest

from recbole_idp.cli.main import main
from recbole_idp.testing.toy import settings
from tests.support.commands import command, options, refused

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
WRONG = {
    "no text column": "item_id:token\tvector:float_seq\n" + "".join(f"si{item}\t1 2\n" for item in range(8)),
    "an item twice": "item_id:token\ttitle:token_seq\n" + "".join(f"si{item % 7}\tred pen\n" for item in range(8)),
    "latin-1": b"item_id:token\ttitle:token_seq\nsi0\tstylo \xe9l\xe9gant\n",
}


def write_items(folder, content):
    path = folder / "data" / "shop" / "shop.item"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def results(folder):
    return [json.loads(path.read_text()) for path in (folder / "data" / "results").glob("*.json")]


class At(logging.Handler):
    """Does something once, when a line of the log begins with a text."""

    def __init__(self, begins, deed):
        super().__init__()
        self.begins, self.deed = begins, deed

    def emit(self, record):
        if record.getMessage().startswith(self.begins):
            logging.getLogger().removeHandler(self)
            self.deed()


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_a_model_that_reads_no_texts_gives_its_result_whatever_the_items_file_is(content, domains, capfd, caplog):
    write_items(domains.parent, content)
    assert main(command(domains.parent, model="PositionSASRec", source_domains=None)) == 0
    (result,) = results(domains.parent)
    assert result["variants"]["PositionSASRec"]["test"]
    assert Path(result["trained"]["folder"]).is_dir()
    (line,) = [record.getMessage() for record in caplog.records if "will have no titles" in record.getMessage()]
    assert "shop.item" in line and "\n" not in line


@pytest.mark.parametrize("model", ["IDP", "MoRec", "UniSRec", "PRECISE"])
def test_a_model_that_reads_texts_is_refused_before_any_training(model, domains, capfd, caplog):
    caplog.set_level(logging.INFO)
    write_items(domains.parent, WRONG["an item twice"])
    changes = {} if model != "MoRec" else {"source_domains": None}
    refused(capfd, command(domains.parent, model=model, **changes), "shop.item", "occurs twice")
    assert "epoch" not in caplog.text and not results(domains.parent)


def test_mended_texts_leave_finished_trials_of_a_model_that_does_not_read_them(domains, capfd, caplog):
    def interrupt():
        raise KeyboardInterrupt

    caplog.set_level(logging.INFO)
    argv = command(domains.parent, model="PositionSASRec", source_domains=None, seeds=[1, 2], state="INFO")
    good = (domains / "shop" / "shop.item").read_text()
    write_items(domains.parent, WRONG["no text column"])
    logging.getLogger().addHandler(At("[transfer] PositionSASRec-2", interrupt))
    logging.getLogger().addHandler(At("[train] PositionSASRec-2", interrupt))
    assert main(argv) == 130
    write_items(domains.parent, good)
    assert main(argv) == 0
    (result,) = results(domains.parent)
    assert result["resumed"] == ["PositionSASRec-1"]


def test_a_trained_folder_that_cannot_be_made_costs_no_result(domains, capfd, caplog):
    caplog.set_level(logging.INFO)
    place = domains.parent / "made"
    logging.getLogger().addHandler(At("[evaluate]", lambda: (place.mkdir(), (place / "mine").touch())))
    argv = command(domains.parent, model="PositionSASRec", source_domains=None, trained_dir=str(place), state="INFO")
    assert main(argv) == 2
    out, err = capfd.readouterr()
    (result,) = results(domains.parent)
    assert result["trained"] is None and "PositionSASRec" in out
    last = err.rstrip().rpartition("\n")[2]
    assert last.startswith("recbole-idp: the result is saved, but the trained model could not be") and "made" in last
    assert [path.name for path in place.iterdir()] == ["mine"]
    assert not list(domains.rglob("unfinished-*"))


def test_an_items_file_of_other_items_is_named_where_features_are_read(domains, capfd):
    write_items(domains.parent, "item_id:token\ttitle:token_seq\nx1\tred pen\nx2\tblue pen\n")
    keys = ("data_path", "checkpoint_dir", "result_dir", "state")
    values = {key: value for key, value in settings(domains, epochs=1).items() if key in keys}
    refused(capfd, ["run", *options({"model": "FDSA", "dataset": "shop", **values})], "none of the items of shop")
