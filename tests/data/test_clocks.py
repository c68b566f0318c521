"""Files that were converted say what their timestamps can be compared with."""

import pytest

from recbole_idp.data.folders import clock_of
from recbole_idp.data.peterrec.convert import convert_peterrec
from recbole_idp.data.tenrec.convert import convert_tenrec
from recbole_idp.recbole_models.choose import make_dataset
from recbole_idp.testing import configured
from tests.support.commands import refusal

USERS = range(1, 13)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A folder with the same users' histories and targets of PeterRec's form, and two files of Tenrec's."""
    folder = tmp_path_factory.mktemp("converted")
    lines = [f"{user},{user + 1},{user + 2},,{user % 5 + 1},{user % 4 + 1},{user % 3 + 1}" for user in USERS]
    (folder / "lines").write_text("\n".join(lines) + "\n")
    convert_peterrec(folder / "lines", "history", folder)
    rows = [f"{user},{item},1" for user in USERS for item in range(4)]
    (folder / "rows").write_text("\n".join(["user_id,item_id,click", *rows]) + "\n")
    for name in ("videos", "articles"):
        convert_tenrec(folder / "rows", name, folder)
    return folder


def joined(folder, target, other):
    """Returns a dataset with the histories that its users have in another one."""
    config = configured(folder, "PositionSASRec", target, source_domains=[], shared_users=[[target, other]])
    return make_dataset(config).build()[0].joined


def test_targets_come_after_the_histories_of_their_line(converted):
    """Their times look like places of two domains, and are of one order, as both files say."""
    found = joined(converted, "history-target", "history")
    assert found.joined.sum() == len(USERS) and len(found.events.users) == 3 * len(USERS)


@pytest.mark.parametrize("other", ["articles", "history"])
def test_orders_of_different_files_are_not_compared(converted, other):
    line = refusal(joined, converted, "videos", other)
    assert f"joins videos and {other}" in line and "places in an order of its own" in line and "source.json" in line


def test_nothing_is_noted_for_real_times(tmp_path):
    assert clock_of(tmp_path) is None
    for text in ("[]", '{"clock": 3}', "{"):
        (tmp_path / "source.json").write_text(text)
        assert clock_of(tmp_path) is None
