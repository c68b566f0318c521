"""TransRec from source domains: what is pre-trained in two stages, taken over, frozen, given away and refused."""

import shutil

import pytest
import torch
from recbole.utils import get_model, init_seed

from recbole_idp.errors import UserError
from recbole_idp.models.transrec.pretrain import StagedPretraining, find_or_pretrain
from recbole_idp.testing import configured, fitted
from recbole_idp.testing.models import loaders_of, trainer_for
from recbole_idp.testing.toy import title, write_dataset
from tests.support.encoders import write_bert
from tests.support.pictures import add_pictures, write_picture, write_vit

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

WORDS = sorted({word for item in range(40) for word in title(item).split()})


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """The folders of a small BERT and of a small vision transformer."""
    folder = tmp_path_factory.mktemp("encoders")
    (folder / "bert").mkdir()
    write_bert(folder / "bert", WORDS)
    return {"text_encoder": str(folder / "bert"), "image_encoder": write_vit(folder / "vit")}


@pytest.fixture
def pictured(domains):
    for name in ("pens", "lamps", "shop"):
        add_pictures(domains, name)
    return domains


MIXED = {"source_modality": "mixed", "modality": "mixed", "mixed_by": "random"}
TUNED = {"train_encoder": "last_n", "trained_layers": 1, "encoder_learning_rate": 0.01, "end_to_end_epochs": 1}


def started(config):
    """Makes a model and prepares it as training would, without training; returns its trainer."""
    train, valid, _ = loaders_of(config)
    init_seed(1, True)
    trainer = trainer_for(config, get_model("TransRec_MoM")(config, train.dataset))
    trainer.prepare_model(train.dataset, valid.dataset)
    return trainer


def vectors(model):
    with torch.no_grad():
        return model.eval().item_vectors()


def test_two_stages_make_a_folder_whose_encoders_read_the_target(pictured, encoders):
    config = configured(pictured, "TransRec_MoM", transfer="zero_shot", **MIXED, **TUNED, **encoders)
    made = find_or_pretrain(config)
    about = made.description
    assert made.modalities() == ["image", "text"] and about["tuned"] == {"train_encoder": "last_n", "trained_layers": 1}
    assert about["domains"][0]["name"] == "pens" and "user" not in " ".join(made.state)
    opened = made.open_encoders("cpu")
    assert opened.text.fingerprint != about["encoders"]["text"]["base"]
    assert opened.image.fingerprint != about["encoders"]["image"]["base"]
    before = made.folder.stat().st_mtime_ns
    assert find_or_pretrain(config).folder.stat().st_mtime_ns == before
    # A target reads its items by these encoders, and keeps what they gave: the folder need not be there afterwards.
    trainer, _ = fitted(config)
    expected = vectors(trainer.model)
    for name, value in trainer.model.state_dict().items():
        if name in made.state:
            assert torch.equal(value, made.state[name]), name
    shutil.rmtree(made.folder)
    other = get_model("TransRec_MoM")(config, loaders_of(config)[0].dataset)
    trainer_for(config, other).restore(trainer.saved_model_file)
    assert torch.equal(vectors(other), expected)


@pytest.mark.slow
def test_what_each_way_of_transfer_trains(pictured, encoders):
    options = {**MIXED, **encoders, "epochs": 1}
    state = find_or_pretrain(configured(pictured, "TransRec_MoM", transfer="fine_tune", **options)).state

    def changed(transfer):
        config = configured(pictured, "TransRec_MoM", transfer=transfer, **options)
        after = fitted(config)[0].model.state_dict()
        return {name.split(".")[0] for name in state if not torch.equal(after[name], state[name])}

    assert changed("zero_shot") == set()
    assert changed("frozen") == {"encoder"}
    assert changed("fine_tune") == {"encoder", "heads"}


@pytest.mark.slow
def test_fine_tuning_goes_on_from_the_tuned_layers_and_a_checkpoint_holds_them(pictured, encoders):
    options = {**MIXED, **TUNED, **encoders}
    config = configured(pictured, "TransRec_MoM", transfer="fine_tune", epochs=1, **options)
    zero = started(configured(pictured, "TransRec_MoM", transfer="zero_shot", **options))
    tuned = started(config)
    torch.testing.assert_close(vectors(tuned.model), vectors(zero.model), rtol=0, atol=2e-2)
    trainer, _ = fitted(config)
    assert not torch.allclose(vectors(trainer.model), vectors(zero.model), atol=1e-4)
    other = get_model("TransRec_MoM")(config, loaders_of(config)[0].dataset)
    trainer_for(config, other).restore(trainer.saved_model_file)
    trainer.restore(trainer.saved_model_file)
    assert torch.equal(vectors(other), vectors(trainer.model))
    fewer = configured(
        pictured,
        "TransRec_MoM",
        transfer="fine_tune",
        pretrained=str(find_or_pretrain(config).folder),
        **encoders,
        **MIXED,
    )
    started(fewer)
    (pictured / "other").mkdir()
    write_bert(pictured / "other", WORDS, n_layers=3)
    others = {**encoders, "text_encoder": str(pictured / "other"), **MIXED, **TUNED}
    with pytest.raises(UserError, match=r"pre-trained with the text encoder .*bert, and train_encoder trains .*other"):
        started(configured(pictured, "TransRec_MoM", transfer="fine_tune", pretrained=fewer["pretrained"], **others))


def test_targets_of_either_modality_start_from_one_folder(pictured, encoders):
    config = configured(pictured, "TransRec_MoM", transfer="zero_shot", **MIXED, **encoders)
    folder = str(find_or_pretrain(config).folder)
    for modality in ("text", "image"):
        options = {**encoders, "transfer": "zero_shot", "pretrained": folder, "modality": modality}
        model = started(configured(pictured, "TransRec_MoM", source_domains=["none"], **options)).model
        assert list(model.heads) == [modality]


def test_a_modality_that_was_not_pre_trained_begins_at_random_or_is_refused(pictured, encoders, caplog):
    options = {**encoders, "modality": "image"}
    with pytest.raises(UserError, match=r"transfer is zero_shot, and .* was pre-trained on text without image"):
        started(configured(pictured, "TransRec_MoM", transfer="zero_shot", **options))
    started(configured(pictured, "TransRec_MoM", transfer="fine_tune", **options, state="INFO"))
    assert "the item encoder of image begins at random" in caplog.text


@pytest.mark.slow
def test_what_decides_on_the_pretrained_folder(pictured, encoders):
    def fingerprint(**changes):
        config = configured(pictured, "TransRec_MoM", **{"transfer": "fine_tune", **encoders, **changes})
        return StagedPretraining(config).fingerprint

    first = fingerprint()
    same = ({"epochs": 3}, {"modality": "image"}, {"pretrain_negatives": 7}, {"mixed_by": "random"})
    same += ({"trained_layers": 1}, {"end_to_end_epochs": 9}, {"image_control": "shuffled"}, {"transfer": "scratch"})
    for changes in same:
        assert fingerprint(**changes) == first, changes
    mixed = {"source_modality": "mixed"}
    others = (mixed, {"next_items": 2}, {"text_heads": 2}, {"train_encoder": "all"}, {**mixed, "mixed_by": "random"})
    found = {first, *(fingerprint(**changes) for changes in others)}
    assert len(found) == 1 + len(others)
    write_picture(pictured / "pens" / "posters" / "0.png", 99)
    assert fingerprint() == first and fingerprint(**mixed) not in found


@pytest.mark.slow
def test_zero_shot_transfers_which_picture_follows_which(domains, encoders):
    for name, users in (("cups", 80), ("mugs", 30)):
        write_dataset(domains, name, users, n_items=12, prefix=name[0], seed=users)
        add_pictures(domains, name)
    changes = {"pretrain_epochs": 40, "pretrain_stopping_step": 40, "pretrain_batch_size": 16, "next_items": 1}
    changes |= {"pretrain_learning_rate": 0.01, "pretrain_valid_users": 20, "source_domains": ["cups"], **encoders}
    modalities = {"source_modality": "image", "modality": "image"}
    trainer, test = fitted(configured(domains, "TransRec_MoM", "mugs", transfer="zero_shot", **modalities, **changes))
    assert trainer.evaluate(test)["hit@1"] > 0.9


class Killed(Exception):
    """What ends a training in the middle."""


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2])
def test_an_interrupted_pre_training_ends_like_an_uninterrupted_one(pictured, encoders, monkeypatch, stage):
    from recbole_idp.train.encoder_trainer import EncoderTrainer

    options = {**MIXED, **TUNED, **encoders, "transfer": "fine_tune", "end_to_end_epochs": 2}
    whole = find_or_pretrain(configured(pictured, "TransRec_MoM", checkpoint_dir=str(pictured / "whole"), **options))
    after, epochs = EncoderTrainer._after_epoch, []

    def killed(self, epoch):
        after(self, epoch)
        epochs.append(epoch)
        if len(epochs) == 2 * stage:
            raise Killed

    config = configured(pictured, "TransRec_MoM", **options)
    with monkeypatch.context() as patch:
        patch.setattr(EncoderTrainer, "_after_epoch", killed)
        with pytest.raises(Killed):
            find_or_pretrain(config)
    again = find_or_pretrain(config)
    assert again.state.keys() == whole.state.keys()
    for name, value in whole.state.items():
        assert torch.equal(value, again.state[name]), name
    assert again.open_encoders("cpu").text.fingerprint == whole.open_encoders("cpu").text.fingerprint
    assert not list((pictured / "saved").glob("unfinished-*"))
