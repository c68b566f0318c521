"""Fixtures of the tests of whole jobs."""

import pytest

from recbole_idp.testing.toy import title
from tests.support.trained import make_trained


@pytest.fixture(scope="package")
def made(tmp_path_factory):
    """A trained folder ``mine-fine_tune`` beside its bundle, new items, users and raw files. Not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    make_trained(folder)
    texts = [f"n{number}\t{title(number % 40)} {number}" for number in range(20_000)]
    (folder / "new.item").write_text("item_id:token\ttitle:token_seq\n" + "\n".join(texts) + "\n")
    (folder / "users").write_text("".join(f"user {n}\tsi{n % 8} si{(n + 1) % 8}\n" for n in range(20_000)))
    reviews = [
        f'{{"overall": 5, "reviewerID": "u{number % 900}", "asin": "a{number % 700}", "unixReviewTime": {number}}}\n'
        for number in range(300_000)
    ]
    (folder / "reviews.json").write_text("".join(reviews))
    rows = [f"{number % 900},{number % 700},1,{number % 7},{number % 3},{number}" for number in range(300_000)]
    columns = "user_id,item_id,click,age,gender,watching_times"
    (folder / "tenrec.csv").write_text("\n".join([columns, *rows]) + "\n")
    lines = [f"0,0,{1 + number % 700},{1 + number},{2 + number},,{1 + number % 5}\n" for number in range(100_000)]
    (folder / "peterrec.csv").write_text("".join(lines))
    return folder
