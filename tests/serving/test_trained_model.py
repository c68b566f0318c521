"""A trained folder: made by a run, opened without data, closed to strangers' code, the same answers one by one."""

import json
import pickle
import shutil

import pytest
import torch

import recbole_idp
from recbole_idp import registry
from recbole_idp.errors import UserError
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.transformer import TransformerEncoder
from recbole_idp.serving.trained_model import FORMAT, TrainedModel
from recbole_idp.testing.toy import write_domains
from tests.support.commands import refusal
from tests.support.planted import Planted
from tests.support.python import python
from tests.support.trained import bundle_of, change_tensors, make_trained, resealed, run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a model that was transferred, beside its bundle."""
    return make_trained(tmp_path_factory.mktemp("made"))


@pytest.fixture
def trained(made, tmp_path):
    """A copy of the trained folder, with nothing beside it."""
    return shutil.copytree(made, tmp_path / "trained")


def test_a_run_keeps_the_best_trial_on_validation_and_finds_it_again(tmp_path):
    write_domains(tmp_path / "data")
    changes = {"variants": ["scratch", "fine_tune"], "seeds": [1, 2]}
    result = run(tmp_path, **changes)
    name = result["trained"]["trial"]
    scores = {
        f"{run['variant']}-{run['seed']}": run["valid"]["ndcg@5"]
        for row in result["variants"].values()
        for run in row["runs"]
    }
    assert scores[name] == max(scores.values())
    (folder,) = (tmp_path / "data" / "saved").glob("trained-IDP-shop-*")
    about = TrainedModel.open(folder).description
    assert f"{about['variant']}-{about['seed']}" == name
    assert not {"data_path", "checkpoint_dir", "pretrained"} & set(about["config"])
    (folder / "planted.pkl").write_bytes(b"")
    assert run(tmp_path, **changes)["trained"] == result["trained"]
    assert TrainedModel.open(folder).description == about
    assert run(tmp_path, variants=["scratch"], keep_trained=False)["trained"] is None


MODELS = [
    "IDP",
    "IDP_IDt",
    "IDP_BERT4Rec",
    "IDP_GRU4Rec",
    "PositionSASRec",
    "MoRec",
    "TCF",
    "TransRec_MoM",
    "UniSRec",
    "Recformer",
]


@pytest.mark.parametrize("model", MODELS)
def test_a_folder_gives_the_scores_of_its_model(model, tmp_path):
    from recbole.data.interaction import Interaction
    from recbole.quick_start import load_data_and_model

    write_domains(tmp_path / "data")
    changes = {"variants": ["scratch"]} if model.startswith("IDP") else {}
    if model in ("UniSRec", "Recformer"):
        changes = {"transfer": "scratch"}
    result = run(tmp_path, model, **changes)
    (row,) = result["variants"].values()
    _, original, _, _, _, test = load_data_and_model(row["runs"][0]["checkpoint"])
    recommender = recbole_idp.load(result["trained"]["folder"])
    targets = test.dataset.targets()
    items, lengths = targets.histories(torch.arange(20), 10)
    rows = Interaction({original.ITEM_SEQ: items, original.ITEM_SEQ_LEN: lengths})
    with torch.no_grad():
        expected = original.eval().full_sort_predict(rows)
    found = recommender.scores([[item for item in row if item] for row in items.tolist()])
    known = expected.isfinite()
    known[:, 0] = False
    torch.testing.assert_close(found[known], expected[known])
    assert recommender.trained.description["only_unseen"] == (model in ("TCF", "TransRec_MoM"))


class OwnEncoder(SequenceModel):
    """A model whose encoder cannot be built without it, as it says."""

    encoder_kind = None

    def build_encoder(self, config):
        return TransformerEncoder(TransformerSettings.of(config), config["MAX_ITEM_LIST_LENGTH"], causal=False)


class WrongKind(OwnEncoder):
    """A model that says the wrong kind."""

    encoder_kind = "BERT4Rec"

    def build_encoder(self, config):
        return TransformerEncoder(TransformerSettings.of(config), config["MAX_ITEM_LIST_LENGTH"], causal=True)


class WrongScores(SequenceModel):
    """A model that scores otherwise than it says."""

    def encode(self, items):
        return 2 * super().encode(items)


@pytest.mark.parametrize(("model", "warns"), [(OwnEncoder, False), (WrongKind, True), (WrongScores, True)])
def test_no_folder_is_made_of_a_model_that_cannot_answer_as_it_says(model, warns, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(registry, "_added", {})
    recbole_idp.add_model(model)
    assert registry.serves(model.__name__) and not registry.serves("SASRec")
    write_domains(tmp_path / "data")
    assert run(tmp_path, model.__name__, epochs=1)["trained"] is None
    assert ("computes other scores than its serving() describes" in caplog.text) == warns


def test_opening_and_recommending_needs_neither_data_nor_recbole(trained):
    code = (
        "import sys, recbole_idp\n"
        "found = recbole_idp.load(sys.argv[1]).recommend([['si1', 'si2']], k=3)\n"
        "print(len(found[0]), found[0][0].title)\n"
        "heavy = {'recbole', 'transformers', 'sentence_transformers', 'pandas', 'sklearn', 'faiss', 'ray'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    first, second = python(code, arguments=[str(trained)], cwd=trained).splitlines()
    assert first.startswith("3 ") and len(first.split()) > 2
    assert second == "[]"


def test_a_batch_equals_the_loop_of_singles(trained):
    recommender = recbole_idp.load(trained)
    histories = [[f"si{(user + step) % 8}" for step in range(1 + user % 13)] for user in range(40)]
    together = recommender.recommend(histories, k=4, exclude_seen=False)
    for history, found in zip(histories, together, strict=True):
        (alone,) = recommender.recommend([history], k=4, exclude_seen=False)
        assert [one.item for one in alone] == [one.item for one in found]
        assert [one.score for one in alone] == pytest.approx([one.score for one in found], rel=1e-4, abs=1e-5)


def test_recommendations_are_the_best_by_score_and_leave_out_what_was_seen(trained):
    recommender = recbole_idp.load(trained)
    history = ["si3", "nothing", "si4"]
    assert recommender.unknown(history) == ["nothing"]
    scores = recommender.scores([recommender.numbers(history)])[0]
    order = [recommender.trained.tokens[number - 1] for number in scores.argsort(descending=True).tolist()[:-1]]
    (every,) = recommender.recommend([history], k=100, exclude_seen=False)
    assert [one.item for one in every] == order and len(every) == 8
    (unseen,) = recommender.recommend([history], k=100)
    assert [one.item for one in unseen] == [item for item in order if item not in history]
    assert recommender.recommend([["nothing"], []], k=3) == [[], []]
    assert recommender.recommend([]) == []


@pytest.mark.parametrize(("histories", "k"), [(["si1", "si2"], 3), ("si1", 3), ([["si1"]], 0), ([["si1"]], True)])
def test_wrong_questions_are_refused(trained, histories, k):
    with pytest.raises(UserError):
        recbole_idp.load(trained).recommend(histories, k)


# ---- strangers' folders


def relisted(folder, name):
    """Names one more file in the list of hashes, and makes the checksum right again."""
    from recbole_idp.storage.files import fingerprint

    path = folder / "trained.json"
    description = json.loads(path.read_text())
    del description["checksum"]
    description["sha256"][name] = "0" * 64
    path.write_text(json.dumps({**description, "checksum": fingerprint(description)}))


def pickled(name, sealed):
    def plant(folder):
        (folder / name).write_bytes(pickle.dumps(Planted(folder.parent / "planted")))
        if sealed:
            resealed(folder, FORMAT)

    return plant


def linked(folder):
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to("/etc/hostname")
    resealed(folder, FORMAT)


def changed(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def other_tensors(**tensors):
    def write(folder):
        change_tensors(folder / "model.safetensors", **tensors)
        resealed(folder, FORMAT)

    return write


def other_size(key, value):
    def write(folder):
        encoder = json.loads((folder / "trained.json").read_text())["encoder"]
        resealed(folder, FORMAT, encoder={**encoder, key: value})

    return write


def other_items(text):
    def write(folder):
        (folder / "items.tsv").write_text(text)
        resealed(folder, FORMAT)

    return write


STRANGE = {
    "a pickle beside": (pickled("model.pkl", False), "model.pkl is nothing of a trained model"),
    "a pickle in the list": (pickled("model.pkl", True), "model.pkl is nothing of a trained model"),
    "a pickle for the weights": (pickled("model.safetensors", True), "cannot be read"),
    "a link": (linked, "README.md is a link"),
    "a path out": (lambda folder: relisted(folder, "../../secret"), "outside"),
    "an absolute path": (lambda folder: relisted(folder, "/etc/hostname"), "outside"),
    "a changed file": (changed, "damaged or was changed"),
    "a folder inside": (lambda folder: (folder / "more").mkdir(), "more is nothing of a trained model"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "lacks model.safetensors"),
    "another version": (lambda folder: resealed(folder, FORMAT, version=99), "version 99"),
    "another format": (lambda folder: resealed(folder, FORMAT, format="recbole_idp bundle"), "does not describe"),
    "deep JSON": (lambda folder: (folder / "trained.json").write_text("[" * 100_000), "damaged"),
    "no JSON": (lambda folder: (folder / "trained.json").write_bytes(b"\xff\x00"), "damaged"),
    "NaN": (other_tensors(item_vectors=torch.full((9, 16), torch.nan)), "not numbers"),
    "fewer items": (other_tensors(item_vectors=torch.zeros(5, 16)), "shape [5, 16] and not [9, 16]"),
    "other weights": (other_tensors(**{"encoder/norm.weight": torch.zeros(3)}), "cannot be read"),
    "a million layers": (other_size("n_layers", 1_000_000), "fewer layers"),
    "a huge width": (other_size("inner_size", 10**12), "inner_size is 1000000000000 in its description"),
    "a huge length": (other_size("MAX_ITEM_LIST_LENGTH", 10**12), "MAX_ITEM_LIST_LENGTH is 1000000000000"),
    "layers in words": (other_size("n_layers", "two"), "cannot be read"),
    "an unknown encoder": (other_size("kind", "__import__"), "encoder.kind is none of"),
    "an item twice": (other_items("item_id\ttitle\n" + "a\tb\n" * 8), "each id once"),
    "items without titles": (other_items("item_id\ttitle\n" + "a\n" * 8), "no list of ids"),
    "a seed in words": (lambda folder: resealed(folder, FORMAT, seed="one"), "seed is not a whole number"),
    "no history": (other_size("MAX_ITEM_LIST_LENGTH", 0), "no event of a history"),
    "metrics in words": (lambda folder: resealed(folder, FORMAT, test={"hit@1": "much"}), "test.hit@1 is not a number"),
    "half a bundle": (lambda folder: resealed(folder, FORMAT, bundle={"name": "x"}), "bundle has no fingerprint"),
    "no description": (lambda folder: resealed(folder, FORMAT, encoder=None), "encoder is not an object"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_folder_that_is_not_as_it_was_made_is_refused_and_nothing_is_run(name, trained, tmp_path):
    prepare, says = STRANGE[name]
    prepare(trained)
    assert says in refusal(recbole_idp.load, trained)
    assert not (tmp_path / "planted").exists()


def test_a_folder_names_the_source_items_that_its_items_were_generated_from(made, tmp_path):
    trained = TrainedModel.open(made)
    bundle = Bundle.open(bundle_of(made.parent))
    origins = trained.recommender().origins()
    for number in range(1, trained.n_items):
        origin, rows = origins.of(number), trained.transfer["items"][number - 1].tolist()
        assert {tuple(match.item) for match in origin.matches} == {
            (bundle.domains[row], bundle.tokens[row], bundle.titles[row]) for row in rows
        }
        assert sum(match.weight for match in origin.matches) == pytest.approx(1)
        # The toy domains have the same titles: each item's best match is its twin.
        assert origin.matches[0].item.title == trained.titles[number - 1]
    new = tmp_path / "new.item"
    new.write_text("item_id:token\ttitle:token_seq\nnew\tred pen and ink\n")
    extended, _ = trained.with_items(new)
    extended.save(tmp_path / "extended")
    opened = TrainedModel.open(tmp_path / "extended").recommender()
    assert opened.origins().of(opened.trained.n_items - 1).matches[0].item.title.startswith("red pen")


def test_shares_are_those_of_the_generators_equations(made):
    trained = TrainedModel.open(made)
    similarity = trained.transfer["similarities"][0, 0].clamp(0, 1).item()
    shares = {}
    for generator in ("paper", "neighbours", "map", "mixture", "blend"):
        trained.description["config"].update(generator=generator, own_texts=0.5)
        shares[generator] = trained.recommender().origins().of(1)[1:]
    sure = similarity**16
    assert shares["paper"] == shares["neighbours"] == (1, 0, 0)
    assert shares["map"] == (0, 1, 0)
    assert shares["mixture"] == pytest.approx((sure, 1 - sure, 0))
    own = 0.5 * (1 - sure)
    assert shares["blend"] == pytest.approx(((1 - own) * sure, (1 - own) * (1 - sure), own))


def test_a_folder_without_these_names_opens_and_explains_nothing(trained):
    (trained / "source_items.tsv").unlink()
    resealed(trained, FORMAT)
    recommender = recbole_idp.load(trained)
    assert not recommender.explains and recommender.origins() is None
    assert recommender.recommend([["si1"]], k=2)[0]


@pytest.mark.parametrize(
    "text",
    [
        "row\tdomain\titem_id\ttitle\n",
        "row\tdomain\n0\tpens\n",
        "row\tdomain\titem_id\ttitle\nx\tpens\tpi1\tpen\n",
        "row\tdomain\titem_id\ttitle\n1\tpens\tpi1\tpen\n0\tpens\tpi1\tpen\n",
    ],
)
def test_a_wrong_list_of_source_items_is_refused(trained, text):
    (trained / "source_items.tsv").write_text(text)
    resealed(trained, FORMAT)
    assert "cannot be read" in refusal(TrainedModel.open, trained)


def test_matches_of_other_items_than_the_models_are_refused(trained):
    change_tensors(trained / "transfer.safetensors", vectors=lambda tensor: tensor[1:].clone())
    resealed(trained, FORMAT)
    assert "matches of other items" in refusal(recbole_idp.load(trained).origins)
