"""Baselines of a profile beside the model that predicts it."""

import pytest

from recbole_idp.report.result import read_ranks, read_result
from recbole_idp.run.run import run
from recbole_idp.testing import configured
from tests.support.people import CLASSES, JOINED, write_people

PROFILE = {"predicts": "profile", "profile_field": "side", **CLASSES}


@pytest.fixture
def people(workplace):
    return write_people(workplace / "data")


def test_a_profile_is_reported_beside_its_baselines(people, capsys):
    run(configured(people, "PositionSASRec", "films", seeds=[1, 2], **PROFILE))
    printed = capsys.readouterr().out
    (path,) = (people / "results").glob("*.json")
    saved = read_result(path)
    assert list(saved["variants"]) == ["PositionSASRec"]
    rows = saved["baselines"]
    assert list(rows) == ["majority class", "logistic regression"]
    assert all(
        row["train_users"] == 48 and list(row["test"]) == list(saved["variants"]["PositionSASRec"]["test"])
        for row in rows.values()
    )
    # Half of the users are of either class.
    sides = [int(user[1:]) % 8 % 2 for user in read_ranks(path).users]
    assert rows["majority class"]["test"]["accuracy"] in (
        pytest.approx(share, abs=1e-4) for share in (sum(sides) / len(sides), 1 - sum(sides) / len(sides))
    )
    for comparison in saved["baseline_comparisons"]:
        theirs = rows[comparison["baseline"]]["test"]["accuracy"]
        assert comparison["theirs"] == pytest.approx(theirs, abs=1e-4)
        assert comparison["ours"] == pytest.approx(saved["variants"]["PositionSASRec"]["test"]["accuracy"], abs=1e-4)
    assert [one["baseline"] for one in saved["baseline_comparisons"]] == list(rows)
    assert "| majority class " in printed and "| logistic regression " in printed
    assert "logistic regression on bags of items: C " in printed
    for name in rows:
        assert f"{name} in Accuracy" in printed


def test_each_share_of_a_study_has_baselines_and_joined_books_are_among_the_items(people, capsys):
    # A book that nobody else reads tells the side, which films do not.
    rows = [f"u{user}\t{'even' if user % 2 == 0 else 'odd'}\t1000\n" for user in range(60)]
    path = people / "books" / "books.inter"
    path.write_text(path.read_text() + "".join(rows))
    result = run(configured(people, "PositionSASRec", "films", few_shot=[0.5, 1], **{**JOINED, **PROFILE}))
    rows = result["baselines"]
    assert list(rows) == [
        f"{name}@{share}" for share in ("0.5", "1") for name in ("majority class", "logistic regression")
    ]
    assert [row["train_users"] for row in rows.values()] == [24, 24, 48, 48]
    assert rows["logistic regression@1"]["test"] == {"accuracy": 1, "macrof1": 1, "binaryauc": 1}
    assert len(result["baseline_comparisons"]) == 4
    assert "| logistic regression " in capsys.readouterr().out


def test_items_have_no_baselines_of_classes(people):
    result = run(configured(people, "PositionSASRec", "films"))
    assert result["baselines"] == {} and result["baseline_comparisons"] == []
