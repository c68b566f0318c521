"""A trained folder that writes items: made by a run, opened without data, extended by items, closed to strangers."""

import shutil

import pytest
import torch

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.errors import UserError
from recbole_idp.serving.generative_model import FORMAT, GenerativeModel
from recbole_idp.serving.load import load, open_with_vectors
from recbole_idp.testing.toy import write_domains
from tests.support.commands import refused
from tests.support.models import made as made_model
from tests.support.trained import change_tensors, resealed, run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

SMALL = {
    "n_heads": 2,
    "key_size": 8,
    "hidden_size": 32,
    "inner_size": 64,
    "title_words": 2,
    "epochs": 1,
    "exclude_history": False,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a trained P5, and the place where it was made."""
    place = tmp_path_factory.mktemp("made")
    write_domains(place / "data")
    result = run(place, "P5", trained_dir=str(place / "trained"), **SMALL)
    assert result["trained"]["folder"] == str(place / "trained")
    return place


@pytest.fixture
def trained(made, tmp_path):
    """A copy of the trained folder, with nothing beside it."""
    return shutil.copytree(made / "trained", tmp_path / "trained")


def test_the_folder_answers_as_the_model_does(made, trained):
    opened = GenerativeModel.open(trained)
    model, _, loaders = made_model(made / "data", "P5", **SMALL)
    model.network.load(opened.weights)
    items, lengths = loaders[2].dataset.targets().histories(torch.arange(8), 10)
    with torch.no_grad():
        scores = model.full_sort_predict({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths})
    recommender = load(trained)
    found, values = recommender.rank([[item for item in row if item] for row in items.tolist()], 3, exclude_seen=False)
    expected, order = scores.topk(3, 1)
    assert found.tolist() == order.tolist()
    torch.testing.assert_close(torch.from_numpy(values), expected)
    assert (trained / "README.md").read_text().startswith("# P5, trained on shop")


def test_recommendations_are_new_items_by_their_ids(trained, capsys):
    recommender = recbole_idp.load(trained)
    history = ["si0", "si1", "unknown"]
    (best,) = recommender.recommend([history], k=8)
    assert {one.item for one in best} == {f"si{number}" for number in range(2, 8)} and len(best) == 6
    assert all(one.title for one in best)
    assert recommender.recommend([["unknown"], []], k=2) == [[], []]
    assert len(recommender.recommend([history], k=8, exclude_seen=False)[0]) == 8
    assert main(["recommend", f"--trained={trained}", "--history=si0,si1", "--k=3"]) == 0
    assert best[0].item in capsys.readouterr().out


def test_items_are_added_by_the_next_number_and_can_be_recommended(trained, tmp_path, capsys):
    path = tmp_path / "new.item"
    path.write_text("item_id:token\ttitle:token_seq\nsi0\told\nfresh\tround globe\nother\twooden spoon\n")
    out = tmp_path / "more"
    assert main(["add-items", f"--trained={trained}", f"--items={path}", f"--out={out}"]) == 0
    assert "2 items added to 8" in capsys.readouterr().out
    before, after = GenerativeModel.open(trained), GenerativeModel.open(out)
    assert after.tokens == [*before.tokens, "fresh", "other"] and after.numbers == [*before.numbers, 9, 10]
    assert after.description["added"] == 2
    (best,) = load(out).recommend([["si0", "fresh"]], k=10, exclude_seen=False)
    assert {"fresh", "other"} < {one.item for one in best}
    with pytest.raises(UserError, match="remove --pretrained"):
        before.with_items(path, "somewhere")


def test_what_needs_vectors_is_refused_in_one_line(trained, tmp_path, capsys):
    for options in (["export", f"--out={tmp_path / 'out'}"], ["recommend", "--history=si0", "--route=u2i"]):
        words = [options[0], f"--trained={trained}", *options[1:]]
        refused(capsys, words, "P5 writes items as answers and has no item vectors")
    with pytest.raises(UserError, match="an index needs"):
        open_with_vectors(trained, "an index")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sizes": {"width": 64}}, "its sizes are not those of its weights"),
        ({"sizes": {"vocabulary": 10}}, "its sizes are not those of its weights"),
        ({"sizes": {"layers": 900}}, "its sizes are not those of its weights"),
        ({"ranking": {"beams": 0}}, "is not positive"),
        ({"wording": {"longest_history": 0}}, "is not positive"),
    ],
)
def test_a_strangers_description_is_refused_before_anything_is_built(trained, change, reason):
    about = GenerativeModel.open(trained).description
    ((key, values),) = change.items()
    resealed(trained, FORMAT, **{key: {**about[key], **values}})
    with pytest.raises(UserError, match=reason):
        GenerativeModel.open(trained)


def test_a_strangers_files_are_refused(trained):
    change_tensors(trained / "model.safetensors", **{"whole_words.weight": None})
    with pytest.raises(UserError, match="damaged or was changed"):
        load(trained)
    change_tensors(trained / "model.safetensors", **{"t5.shared.weight": lambda value: value[:5].clone()})
    resealed(trained, FORMAT)
    with pytest.raises(UserError, match="cannot be read"):
        load(trained)


def test_two_items_of_one_number_are_refused(trained):
    path = trained / "items.tsv"
    header, first, second, *rest = path.read_text().splitlines()
    number = first.split("\t")[1]
    token, _, title = second.split("\t")
    path.write_text("\n".join([header, first, f"{token}\t{number}\t{title}", *rest]) + "\n")
    resealed(trained, FORMAT)
    with pytest.raises(UserError, match="two items are the same"):
        load(trained)


@pytest.mark.parametrize(
    ("changes", "line"), [({"keep_users": True}, "no vectors of users to keep"), ({"fuse": "TextKNN"}, "remove fuse")]
)
def test_what_needs_vectors_or_all_scores_is_refused_before_training(made, changes, line):
    with pytest.raises(UserError, match=line):
        run(made, "P5", **changes, **SMALL)
