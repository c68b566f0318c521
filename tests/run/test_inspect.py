"""The task inspect: its figures on data whose answers are known, and its page."""

import re

import numpy as np
import pytest
from recbole.data import create_dataset

from recbole_idp.cli.main import main
from recbole_idp.errors import UserError
from recbole_idp.run.inspect import inspect, own_behaviour
from recbole_idp.testing import configured
from recbole_idp.testing.toy import settings
from tests.support.trained import bundles


def inspected(folder, **changes):
    """Returns the figures of the toy target, and the page."""
    figures = inspect(configured(folder, "IDP", **changes))
    (path,) = (folder / "results").glob("inspect-shop-*.html")
    return figures, path.read_text(encoding="utf-8")


def test_equal_titles_are_matched_first_and_shown(domains):
    figures, page = inspected(domains, top_m=2, inspect_sample=8)
    assert len(figures["items"]) == figures["target_items"] == 8
    for item in figures["items"]:
        assert [match["title"] for match in item["matches"]] == [item["title"]] * 2
        assert {match["domain"] for match in item["matches"]} == {"pens", "lamps"}
        assert sum(match["weight"] for match in item["matches"]) == pytest.approx(1)
        assert item["title"] in page
    assert figures["near_twins"] == 1
    assert {row["domain"]: row["mass"] for row in figures["domains"]} == pytest.approx({"pens": 0.5, "lamps": 0.5})


def test_all_mass_comes_from_the_only_source(domains):
    figures, _ = inspected(domains, source_domains=["pens"])
    assert [(row["domain"], row["mass"], row["pool"]) for row in figures["domains"]] == [("pens", 1.0, 1.0)]


def test_generated_embeddings_have_the_spread_that_was_asked_for(domains):
    figures, _ = inspected(domains, generated_spread=2.5)
    assert figures["shapes"]["generated"]["spread"] == pytest.approx(2.5, rel=1e-4)


def test_chosen_items_come_in_the_given_order(domains):
    figures, _ = inspected(domains, inspect_items=["si5", "si2"])
    assert [item["item_id"] for item in figures["items"]] == ["si5", "si2"]


def test_a_source_domain_that_is_kept_out_gives_a_line(domains, capsys):
    figures, page = inspected(domains, inspect_kept_out="pens", cdim_positives="next_items")
    kept_out = figures["kept_out"]
    assert kept_out["domain"] == "pens" and kept_out["items"] == 8
    # Its eight items are all among the ten nearest.
    assert kept_out["own"] == kept_out["before"]["texts"] == {"recall@10": 1.0, "recall@50": 1.0}
    line = "recall@10 of next items in pens, kept out, by generated IDs"
    assert line in page and line in capsys.readouterr().out
    assert not list((domains / "saved").glob("unfinished*"))


@pytest.mark.parametrize(("name", "says"), [("pen", "did you mean pens"), ("shop", "name one of pens, lamps")])
def test_a_domain_that_was_not_pre_trained_on_cannot_be_kept_out(domains, name, says):
    with pytest.raises(UserError, match=f"inspect_kept_out names {name}, which is not pre-trained on: {says}"):
        inspect(configured(domains, "IDP", inspect_kept_out=name))
    assert not (domains / "saved").exists()


def test_an_unknown_item_is_refused_in_one_line(domains):
    config = configured(domains, "IDP", inspect_items=["si1", "s99x"])
    with pytest.raises(UserError, match="inspect_items names s99x, which is no item of shop"):
        inspect(config)
    assert not (domains / "saved").exists() or not bundles(domains / "saved")


def test_titles_are_escaped_and_the_page_needs_nothing_else(domains):
    path = domains / "shop" / "shop.item"
    path.write_text(path.read_text().replace("red pen", "red pen <script>alert(1)</script> $x_$"))
    _, page = inspected(domains, inspect_sample=8)
    # The one that sorts tables.
    assert page.count("<script") == 1 and page.index("<script") > page.index("</main>")
    assert page.count("red pen &lt;script&gt;") == 2
    outside = re.findall(r"""(?:src|href)\s*=\s*["'](?!#)[^"']*|url\((?!#)|@import""", page)
    assert outside == []
    assert page.count("<svg") == 4


@pytest.mark.slow
def test_entities_of_titles_are_shown_resolved_and_encoded_as_they_are(domains):
    plain, _ = inspected(domains, inspect_items=["si1", "si2"])
    for name in ("shop", "pens"):
        path = domains / name / f"{name}.item"
        path.write_text(path.read_text().replace("blue pen", "blue 6&quot; &amp;amp; pen"))
    shown, _ = inspected(domains, inspect_items=["si1", "si2"], result_dir=str(domains / "again"))
    page = next((domains / "again").glob("*.html")).read_text(encoding="utf-8")
    changed, same = shown["items"]
    assert changed["title"] == changed["matches"][0]["title"] == 'blue 6" & pen 0'
    assert "blue 6&#34; &amp; pen 0" in page and "&amp;#34;" not in page and "&amp;quot;" not in page
    assert same["title"] == plain["items"][1]["title"]
    # "quot" is a word of the encoded text still.
    assert changed["matches"][0]["similarity"] > changed["matches"][1]["similarity"] + 0.1


def test_similarities_are_compared_with_what_follows_what_in_the_target(domains):
    given = {"inspect_sample": 1, "text_encoder": "lsa"}
    figures, page = inspected(domains, **given)
    found = figures["own_behaviour"]
    assert set(found) == {"before", "after", "generated"}
    for side in found.values():
        assert side["random"]["pairs"] == 20_000
        assert -1 <= side["random"]["correlation"] <= 1
    # Items follow one another round a circle, and texts know nothing of it.
    draw = np.random.default_rng(0)
    dataset = create_dataset(configured(domains, "IDP"))
    train = dataset.build()[0]
    place = np.array([int(token[2:]) for token in train.item_tokens()[1:]])
    circle = np.stack([np.cos(place * np.pi / 4), np.sin(place * np.pi / 4)], 1).astype(np.float32)
    knows, guesses = own_behaviour(
        {"knows": circle, "guesses": draw.normal(size=(8, 8)).astype(np.float32)}, train, 0
    ).values()
    assert knows["random"]["correlation"] > guesses["random"]["correlation"] + 0.2
    assert "Spearman correlation with co-occurrence, random pairs" in page
    assert "It is unclear whether transfer helps" in page


def test_the_command_prints_tables_and_the_place_of_the_page(domains, capsys):
    given = {**settings(domains), "model": "IDP", "dataset": "shop", "source_domains": "pens,lamps", "topk": "1,5"}
    status = main(["inspect", *(f"--{key}={value}" for key, value in given.items())])
    printed = capsys.readouterr().out
    assert status == 0
    assert "shop matched to pens, lamps: 8 of 8 items have a text" in printed
    assert "Spearman correlation with co-occurrence, nearest neighbours" in printed
    assert "It is unclear whether transfer helps: the target's training data are too few to tell" in printed
    assert re.search(r"Page: .*inspect-shop-.*\.html", printed)
