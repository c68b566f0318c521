"""Items that join a trained model: each gets what it would have started from, and what was there stays."""

import shutil

import pytest
import torch

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.models.idp import bundle as bundles
from recbole_idp.serving.trained_model import FORMAT, TrainedModel
from tests.support.commands import options, refused
from tests.support.headers import ITEM_HEADER
from tests.support.trained import bundle_of, make_trained, resealed, run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Trained folders of several variants beside their bundle."""
    folder = tmp_path_factory.mktemp("place")
    for variant in ("zero_shot", "fine_tune", "scratch"):
        make_trained(folder, variant)
    return folder / "data" / "saved"


def adding(trained, text, out, *more):
    """Returns the command that adds the items of an ``.item`` file with this text, which is written."""
    path = out.parent / f"{out.name}.item"
    path.write_text(text)
    return ["add-items", f"--trained={trained}", f"--items={path}", f"--out={out}", *more]


def add(trained, text, out, *more):
    """Adds the items of an ``.item`` file with this text; returns the exit status."""
    return main(adding(trained, text, out, *more))


def pretrained(place):
    return f"--pretrained={bundle_of(place)}"


@pytest.mark.parametrize("generator", ["paper", "neighbours", "map", "mixture", "blend"])
def test_an_item_gets_what_it_would_have_started_from(generator, place, tmp_path):
    shutil.copytree(place.parent, tmp_path / "data", ignore=shutil.ignore_patterns("mine-*", "trained-*", "results"))
    trained = make_trained(tmp_path, "zero_shot", generator=generator)
    assert (
        add(trained, ITEM_HEADER + "twin\twall clock 0\nother\tdesk lamp 0\n", tmp_path / "more", pretrained(place))
        == 0
    )
    model = TrainedModel.open(tmp_path / "more")
    vector = dict(zip(model.tokens, model.item_vectors[1:], strict=True))
    torch.testing.assert_close(vector["twin"], vector["si4"])
    torch.testing.assert_close(vector["other"], vector["si5"])
    assert not torch.allclose(vector["twin"], vector["other"])


def test_what_was_there_stays_and_new_items_are_recommended(place, tmp_path, capfd):
    text = ITEM_HEADER + "si1\tknown already\nblank\t\nn1\tblue pen\nn2\tdesk ruler, soft\n"
    assert add(place / "mine-fine_tune", text, tmp_path / "more", pretrained(place)) == 0
    out, err = capfd.readouterr()
    assert out == f"{tmp_path / 'more'}: 2 items added to 8\n"
    assert err == "recbole-idp: left out: 1 items that the model has already, 1 without a text\n"
    before, after = recbole_idp.load(place / "mine-fine_tune"), recbole_idp.load(tmp_path / "more")
    history = [[1, 2, 3]]
    torch.testing.assert_close(after.scores(history)[:, :9], before.scores(history))
    found = after.recommend([["si1", "n1"]], k=20)[0]
    assert {one.item: one.title for one in found}["n2"] == "desk ruler, soft"
    assert len(found) == 8 and "n1" not in {one.item for one in found}
    assert "Items added without training: 2" in (tmp_path / "more" / "README.md").read_text()


def test_items_may_join_one_after_the_other(place, tmp_path):
    first, second = "n1\tblue wall\n", "n2\tgreen ruler\n"
    trained, bundle = place / "mine-fine_tune", pretrained(place)
    assert add(trained, ITEM_HEADER + first + second, tmp_path / "both", bundle) == 0
    assert add(trained, ITEM_HEADER + first, tmp_path / "one", bundle) == 0
    assert add(tmp_path / "one", ITEM_HEADER + second, tmp_path / "two", bundle) == 0
    both, two = TrainedModel.open(tmp_path / "both"), TrainedModel.open(tmp_path / "two")
    torch.testing.assert_close(two.item_vectors, both.item_vectors)
    assert (two.tokens, two.titles, two.description["added"]) == (both.tokens, both.titles, 2)


def test_the_bundle_is_found_beside_the_model(place, tmp_path):
    out = place / "more"
    assert add(place / "mine-fine_tune", ITEM_HEADER + "n1\tblue wall\n", out) == 0
    assert recbole_idp.load(out).trained.description["bundle"]["domains"] == ["pens", "lamps"]


def test_items_join_a_bidirectional_model(place, tmp_path):
    shutil.copytree(place.parent, tmp_path / "data", ignore=shutil.ignore_patterns("mine-*", "results", "saved"))
    result = run(tmp_path, "IDP_BERT4Rec", variants=["fine_tune"])
    trained = tmp_path / "data" / "saved" / result["trained"]["folder"].rpartition("/")[2]
    assert add(trained, ITEM_HEADER + "n1\tblue wall\n", tmp_path / "more", pretrained(trained.parent)) == 0
    assert recbole_idp.load(tmp_path / "more").scores([[1, 9]]).isfinite()[0, 1:].all()


def test_a_stranger_cannot_name_another_folder_as_the_bundle(place, tmp_path):
    trained = shutil.copytree(place / "mine-fine_tune", tmp_path / "inner" / "trained")
    about = TrainedModel.open(trained).description["bundle"]
    bundle = bundle_of(place)
    shutil.copytree(bundle, tmp_path / bundle.name)
    resealed(trained, FORMAT, bundle={**about, "name": f"../{bundle.name}"})
    assert add(trained, ITEM_HEADER + "n1\tblue wall\n", tmp_path / "more") == 2


WRONG = [
    ("mine-scratch", ITEM_HEADER + "n1\tblue\n", [], "trained without generated embeddings"),
    ("mine-fine_tune", ITEM_HEADER + "si1\tblue\n", [], "no new item with a text: 1 of its 1 items are in the model"),
    ("mine-fine_tune", ITEM_HEADER + "n1\t\n", [], "no new item with a text"),
    ("mine-fine_tune", ITEM_HEADER + "n1\ta\nn1\tb\n", [], "'n1' occurs twice"),
    ("mine-fine_tune", "item_id:token\tprice:float\nn1\t3\n", [], "no text column"),
    ("mine-fine_tune", "", [], "is empty"),
    ("mine-fine_tune", ITEM_HEADER + "n1\tblue\n", ["--pretrained=nowhere"], "nowhere is no bundle"),
    ("mine-fine_tune", ITEM_HEADER + "n1\tblue\n", ["--pretrained={other}"], "is another bundle"),
    ("alone", ITEM_HEADER + "n1\tblue\n", [], "is not next to it: name it, --pretrained=DIR"),
    ("nowhere", ITEM_HEADER + "n1\tblue\n", [], "nowhere is no trained model"),
]


@pytest.mark.parametrize(("name", "text", "more", "says"), WRONG)
def test_what_cannot_be_added_is_refused_in_one_line(name, text, more, says, place, tmp_path, capfd):
    trained = place / name
    if name == "alone":
        trained = shutil.copytree(place / "mine-fine_tune", tmp_path / "there" / "alone")
    if "{other}" in "".join(more):
        bundle = bundle_of(place)
        other = shutil.copytree(bundle, tmp_path / "other")
        resealed(other, bundles.Bundle.folder_format, fingerprint="0" * 16)
        more = [f"--pretrained={other}"]
    refused(capfd, adding(trained, text, tmp_path / "more", *more), says)
    assert not (tmp_path / "more").exists() and not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("missing", ["trained", "items", "out"])
def test_every_option_is_needed(missing, capfd):
    given = {"trained": "a", "items": "b", "out": "c"}
    refused(capfd, ["add-items", *options({**given, missing: None})], f"add-items needs --{missing}")


def test_a_folder_that_is_there_is_not_written_over(place, tmp_path, capfd):
    (tmp_path / "more").mkdir()
    refused(
        capfd, adding(place / "mine-fine_tune", ITEM_HEADER + "n1\tblue\n", tmp_path / "more"), "more exists already"
    )
