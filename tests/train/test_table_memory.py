"""What training with a large table takes, and the key that is named where it does not fit."""

import dataclasses

import pytest

from recbole_idp.errors import UserError
from recbole_idp.models.idp.pretrain import find_or_pretrain
from recbole_idp.run.run import run
from recbole_idp.testing import configured
from recbole_idp.train import table_trainer
from recbole_idp.train.table_memory import TableMemory

MIB = 1 << 20
# A million items of width 64, and nothing else to speak of.
MILLION = TableMemory(
    items=1_000_000,
    width=64,
    weights=300 * MIB,
    trained=250 * MIB,
    table=240 * MIB,
    moments=2,
    scores=128 * MIB,
    whole_softmax=False,
    by_rows=False,
)
KEYS = ("pretrain_negatives", "pretrain_row_updates")


def refusal(memory, available, keys=KEYS):
    with pytest.raises(UserError) as caught:
        memory.check(available, *keys)
    return str(caught.value)


def test_what_it_takes():
    rows, whole = (dataclasses.replace(MILLION, **{key: True}) for key in ("by_rows", "whole_softmax"))
    assert MILLION.needed == (250 + 2 * 250 + 128) * MIB
    assert rows.needed == MILLION.needed - 240 * MIB
    assert whole.needed == MILLION.needed + 2 * 240 * MIB
    # The softmax over all items gives each row a gradient.
    assert dataclasses.replace(whole, by_rows=True).needed == whole.needed
    assert "0.86 GiB of memory" in MILLION.line(None) and MILLION.line(2 << 30).endswith("; 2.00 GiB are available")


def test_what_fits_is_taken():
    MILLION.check(None, *KEYS)
    MILLION.check(1100 * MIB, *KEYS)


def test_the_key_that_helps_is_named():
    assert "give --pretrain_row_updates=true, with which" in refusal(MILLION, 1000 * MIB)
    whole = dataclasses.replace(MILLION, whole_softmax=True)
    assert "give --pretrain_negatives=1024, with which" in refusal(whole, 1200 * MIB)
    assert "give --pretrain_negatives=1024 --pretrain_row_updates=true, with which" in refusal(whole, 1000 * MIB)
    assert "smaller hidden_size" in refusal(MILLION, 100 * MIB)
    assert "smaller hidden_size" in refusal(MILLION, 1000 * MIB, ("train_negatives", None))


def test_pretraining_is_refused_before_it_starts(domains, monkeypatch):
    monkeypatch.setattr(table_trainer, "SPOKEN_OF", 0)
    monkeypatch.setattr(table_trainer, "available_bytes", lambda device: 1000)
    with pytest.raises(UserError, match=r"besides the weights, and 0\.00 GiB are available"):
        find_or_pretrain(configured(domains, "IDP"))


def test_much_memory_is_spoken_of(domains, monkeypatch, caplog):
    monkeypatch.setattr(table_trainer, "SPOKEN_OF", 0)
    with caplog.at_level("INFO"):
        find_or_pretrain(configured(domains, "IDP", pretrain_row_updates=True))
    assert "items of width" in caplog.text and "GiB of memory besides the weights" in caplog.text


@pytest.mark.parametrize("model", ["PositionSASRec", "PeterRec"])
def test_estimates_of_memory_and_time_change_no_number(model, domains, monkeypatch, caplog):
    def metrics(place):
        # Dropout and shared negatives draw numbers.
        config = configured(domains, model, epochs=2, train_negatives=8, checkpoint_dir=str(domains / place))
        return {name: trial["test"] for name, trial in run(config)["variants"].items()}

    before = metrics("before")
    monkeypatch.setattr(table_trainer, "SPOKEN_OF", 0)
    with caplog.at_level("INFO"):
        assert metrics("after") == before
    assert "GiB of memory besides the weights" in caplog.text and "an epoch of" in caplog.text
