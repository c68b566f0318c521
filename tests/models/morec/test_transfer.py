"""MoRec and TCF from source domains: what is pre-trained, taken over, frozen, given away and refused."""

import shutil
from pathlib import Path

import pytest
import torch
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, init_seed

from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.errors import UserError
from recbole_idp.leaderboard.plan import make_plan
from recbole_idp.models.base.text_vectors import input_texts
from recbole_idp.models.morec.model import MoRec
from recbole_idp.models.morec.pretrain import ContentPretraining
from recbole_idp.models.tcf.model import TCF
from recbole_idp.testing import ModelContract, configured
from recbole_idp.testing.toy import title, write_dataset
from recbole_idp.train.pretrained_folder import TEXT_ENCODER
from tests.support.encoders import write_bert
from tests.support.models import fitted, made
from tests.support.trained import run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestFineTunedMoRec(ModelContract):
    model = "MoRec"
    changes = {"transfer": "fine_tune", "projection_layers": 2}
    random_start = {"transfer": "scratch"}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The folder of an untrained BERT of two layers, that knows the toy texts' words."""
    folder = tmp_path_factory.mktemp("encoders") / "bert"
    folder.mkdir()
    write_bert(folder, sorted({word for item in range(40) for word in title(item).split()}))
    return str(folder)


def fresh(config):
    """Makes a model of a configuration with the weights that it is built with; returns it and its training data."""
    train, _, _ = data_preparation(config, create_dataset(config))
    init_seed(1, True)
    return get_model(config["model"])(config, train.dataset), train.dataset


TRAINED = {"train_encoder": "all", "encoder_learning_rate": 1e-2, "pretrain_epochs": 1, "epochs": 1}


@pytest.mark.parametrize("name", ["MoRec", "TCF"])
def test_the_content_encoder_is_pre_trained_given_away_and_frozen_or_tuned(domains, bert, name):
    options = {"text_encoder": bert, **TRAINED}
    config = configured(domains, name, transfer="frozen", **options)
    frozen, _, _ = fitted(domains, name, transfer="frozen", **options)
    start = frozen.find_pretrained(config)
    assert start.description["encoder"]["trained"] == "all" and start.folder.parent == domains / "saved"
    # The encoder in the folder is another one than that which pre-training started from, with the same tokenizer.
    encoding = TextEncoding.of(config)
    before, after = encoding.load_encoder(), open_text_encoder(start.folder / TEXT_ENCODER)
    assert before.fingerprint != after.fingerprint
    assert before.tokens(["red pen 0"])._ids.tolist() == after.tokens(["red pen 0"])._ids.tolist()
    # Frozen: vectors of the pre-trained encoder, centred by the mean of pre-training; dense layers are trained.
    assert frozen.content is None and torch.equal(frozen.text_mean, start.state["text_mean"])
    _, data = fresh(config)
    vectors = torch.from_numpy(after.encode(input_texts(encoding, data))) - frozen.text_mean
    expected = torch.nn.functional.normalize(vectors, dim=1)
    torch.testing.assert_close(frozen.text_vectors[1:], expected, rtol=0, atol=1e-5)
    assert not torch.equal(frozen.item_encoder[0].weight, start.state["item_encoder.0.weight"])
    # Fine-tuned, and given as a copy: the same start, with the encoder among what is trained.
    copy = shutil.copytree(start.folder, domains / "copy")
    given = configured(domains, name, transfer="fine_tune", pretrained=str(copy), source_domains=["none"], **options)
    tuned, _ = fresh(given)
    tuned.start_from(start.state)
    zero, _ = fresh(configured(domains, name, transfer="zero_shot", **options))
    zero.start_from(start.state)
    with torch.no_grad():
        torch.testing.assert_close(tuned.eval().item_vectors(), zero.eval().item_vectors(), rtol=0, atol=1e-4)
    assert sum(1 for _ in tuned.encoder_parameters()) > 10 and not list(zero.encoder_parameters())


def test_a_checkpoint_of_tuned_last_layers_keeps_the_pre_trained_lower_ones(domains, bert):
    options = {"text_encoder": bert, **TRAINED}
    (folder,) = [MoRec.find_pretrained(configured(domains, "MoRec", transfer="fine_tune", **options)).folder]
    changes = {**options, "transfer": "fine_tune", "train_encoder": "last_n", "trained_layers": 1}
    model, _, _ = fitted(domains, "MoRec", pretrained=str(folder), **changes)
    other, _ = fresh(configured(domains, "MoRec", pretrained=str(folder), **changes))
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(model.eval().item_vectors(), other.eval().item_vectors())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MoRec", "TCF"])
def test_zero_shot_transfers_which_title_follows_which(tmp_path, name):
    domains = tmp_path / "data"
    write_dataset(domains, "pens", 80, n_items=24, prefix="p", seed=1)
    write_dataset(domains, "shop", 30, n_items=24, prefix="s", seed=3)
    changes = {"pretrain_epochs": 40, "pretrain_stopping_step": 40, "pretrain_learning_rate": 0.01}
    changes |= {"source_domains": ["pens"], "pretrain_valid_users": 20, "exclude_history": True}
    model, trainer, test = fitted(domains, name, transfer="zero_shot", **changes)
    state = model.find_pretrained(trainer.config).state
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items() if key in state)
    assert trainer.evaluate(test)["hit@1"] > 0.9
    _, trainer, test = fitted(domains, name, transfer="scratch", epochs=1, exclude_history=True)
    assert trainer.evaluate(test)["hit@1"] < 0.5


class Killed(Exception):
    """What ends a training in the middle."""


@pytest.mark.slow
def test_an_interrupted_pre_training_of_the_encoder_ends_like_an_uninterrupted_one(domains, bert, monkeypatch):
    from recbole_idp.train.encoder_trainer import EncoderTrainer

    options = {"text_encoder": bert, **TRAINED, "pretrain_epochs": 3, "transfer": "fine_tune"}
    whole = MoRec.find_pretrained(configured(domains, "MoRec", checkpoint_dir=str(domains / "whole"), **options))
    epoch = EncoderTrainer._train_epoch

    def killed(self, data, number, *args, **kwargs):
        if number == 2:
            raise Killed
        return epoch(self, data, number, *args, **kwargs)

    config = configured(domains, "MoRec", **options)
    with monkeypatch.context() as patch:
        patch.setattr(EncoderTrainer, "_train_epoch", killed)
        with pytest.raises(Killed):
            MoRec.find_pretrained(config)
    assert list((domains / "saved").glob("unfinished-morec-*"))
    resumed = MoRec.find_pretrained(config)
    assert not list((domains / "saved").glob("unfinished-morec-*"))
    for key, value in whole.state.items():
        torch.testing.assert_close(resumed.state[key], value, rtol=0, atol=0)
    encoders = [open_text_encoder(start.folder / TEXT_ENCODER).fingerprint for start in (whole, resumed)]
    assert encoders[0] == encoders[1]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"id_fusion": "add"}, "id_fusion is add, and IDs do not transfer"),
        ({"source_domains": []}, "source_domains is empty: name at least one"),
        ({"source_domains": ["pens", "shop"]}, "shop is the target and among source_domains"),
        ({"hidden_size": 32, "pretrained": True}, "the pre-trained MoRec does not fit this model: hidden_size, "),
    ],
)
def test_what_does_not_transfer_is_refused_in_one_line(domains, changes, line):
    if "pretrained" in changes:
        start = MoRec.find_pretrained(configured(domains, "MoRec", transfer="frozen", pretrain_epochs=1))
        changes = {**changes, "pretrained": str(start.folder)}
    with pytest.raises(UserError, match=line) as caught:
        fitted(domains, "MoRec", transfer="frozen", **changes)
    assert "\n" not in str(caught.value)


def test_what_decides_on_pre_training_is_in_its_fingerprint(domains):
    def digits(model=MoRec, **changes):
        return ContentPretraining(configured(domains, model.__name__, **changes), model).fingerprint

    first = digits(transfer="fine_tune")
    assert first == digits(transfer="frozen") == digits(learning_rate=0.1, exclude_history=True)
    others = [
        digits(projection_layers=2),
        digits(transformer_block="MoRec"),
        digits(train_encoder="all"),
        digits(pretrain_negatives=7),
        digits(source_domains=["pens"]),
        digits(TCF),
    ]
    assert len({first, *others}) == 7


def test_a_run_and_a_board_start_from_sources_only_where_a_row_transfers(domains):
    result = run(domains.parent, "MoRec", transfer="zero_shot", pretrain_epochs=1)
    assert set(result["variants"]) == {"MoRec"} and "pretrain" in result["stages"]
    given = {"data_path": str(domains), "dataset": "shop", "model": "MoRec,moved", "source_domains": "pens,lamps"}
    rows = "{moved: {model: MoRec, transfer: frozen}}"
    jobs = make_plan({**given, "model_options": rows}).jobs()
    assert [(job.row, job.transfers) for job in jobs] == [("MoRec", False), ("moved", True)]
    # A board without such a row needs no sources.
    jobs = make_plan({**given, "model": "MoRec", "source_domains": "nowhere"}).jobs()
    assert not jobs[0].transfers
    with pytest.raises(UserError, match="nowhere"):
        make_plan({**given, "model_options": rows, "source_domains": "nowhere"})


def test_negatives_of_binary_cross_entropy_are_none_of_the_users_own(domains):
    write_dataset(domains, "wide", 25, n_items=30)
    built, config, (train, _, _) = made(domains, "MoRec", "wide", loss_type="BCE", train_negatives=50)
    batches = built.training_batches(train.dataset.targets(), config, torch.Generator().manual_seed(0))
    for batch in batches:
        wanted = torch.cat([targets[targets > 0] for _, targets in batch.parts])
        drawn = built.draw_negatives(batch, wanted)
        assert drawn.shape == (len(wanted), 50)
        place = 0
        for items, targets in batch.parts:
            for row, wants in zip(items, targets, strict=True):
                own = {*row.tolist(), *wants.tolist()} - {0}
                count = int((wants > 0).sum())
                found = set(drawn[place : place + count].flatten().tolist())
                place += count
                # Of 30 items all others come up in some hundred draws.
                assert found <= set(range(1, 31)) - own and len(found) > 0.8 * (30 - len(own))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"train_encoder": "last_n", "trained_layers": 1},
        {"transfer": "frozen", **TRAINED},
        {"text_encoder": "lsa", "projection_layers": 2},
    ],
)
def test_new_items_need_their_texts_alone(domains, bert, changes, workplace, capsys):
    from recbole_idp.cli.main import main
    from recbole_idp.serving.trained_model import TrainedModel

    folder = workplace / "made"
    options = {"text_encoder": bert, "pretrain_epochs": 1, "epochs": 1, "trained_dir": str(folder), **changes}
    run(workplace, "MoRec", **options)
    before = TrainedModel.open(folder)
    text = (domains / "shop" / "shop.item").read_text().splitlines()
    # The same titles under new ids get the vectors of the items that have them.
    path = workplace / "new.item"
    path.write_text("\n".join([text[0], *(f"new-{line}" for line in text[1:]), text[1]]) + "\n")
    assert main(["add-items", f"--trained={folder}", f"--items={path}", f"--out={workplace / 'more'}"]) == 0
    after = TrainedModel.open(workplace / "more")
    assert after.description["added"] == 8
    place = {token: row for row, token in enumerate(after.tokens, 1)}
    for token in before.tokens:
        pair = after.item_vectors[[place[token], place[f"new-{token}"]]]
        torch.testing.assert_close(pair[0], pair[1], rtol=0, atol=2e-2 * float(pair.abs().max()))
    # The encoder is kept where its name does not say what it is, and a copy can be extended again.
    kept = (folder / "content_encoder").is_dir()
    assert kept == (changes != {}) and (workplace / "more" / "content_encoder").is_dir() == kept
    assert main(["recommend", f"--trained={workplace / 'more'}", "--history=new-si1,si2"]) == 0
    assert "new-si" in capsys.readouterr().out


def test_new_items_of_another_encoder_are_refused_in_one_line(domains, bert, workplace, capsys):
    from recbole_idp.cli.main import main

    folder = workplace / "made"
    run(workplace, "MoRec", text_encoder=bert, epochs=1, trained_dir=str(folder))
    path = workplace / "new.item"
    path.write_text("item_id:token\ttitle:token_seq\nn1\tred pen\n")
    words = sorted({word for item in range(40) for word in title(item).split()})
    write_bert(Path(bert), words, n_layers=1)
    try:
        out = workplace / "more"
        assert main(["add-items", f"--trained={folder}", f"--items={path}", f"--out={out}"]) == 2
    finally:
        write_bert(Path(bert), words)
    error = capsys.readouterr().err
    assert error.count("is another one here than in training") == 1 and "Traceback" not in error and not out.exists()
