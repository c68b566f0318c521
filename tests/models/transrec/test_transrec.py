"""TransRec: the contract, items of both modalities, and what they learn."""

import logging

import pytest
import torch
from recbole.data.interaction import Interaction
from recbole.utils import get_model

from recbole_idp.errors import UserError
from recbole_idp.models.transrec.item_encoder import IMAGE, NOTHING, TEXT
from recbole_idp.testing import ModelContract, configured, fitted
from recbole_idp.testing.models import loaders_of
from recbole_idp.testing.toy import title, write_dataset
from tests.support.encoders import write_bert
from tests.support.models import made
from tests.support.pictures import add_pictures, write_vit

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

LEARNING = {"next_items": 1, "train_batch_size": 8, "exclude_history": False}


class TestTransRec(ModelContract):
    model = "TransRec_MoM"
    causal = False
    # The item after the last one alone is asked for, which on a circle may be one of the history; a user is one row, so
    # that an epoch has few steps.
    learning = LEARNING

    # The loss draws items that the user has not seen, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None


@pytest.fixture
def vit(tmp_path):
    """The folder of an untrained vision transformer."""
    return write_vit(tmp_path / "vit")


@pytest.fixture
def bert(tmp_path):
    """The folder of an untrained BERT of three layers that knows the toy titles."""
    folder = tmp_path / "bert"
    folder.mkdir()
    write_bert(folder, sorted({word for item in range(40) for word in title(item).split()}), n_layers=3)
    return str(folder)


@pytest.fixture
def pictured(domains):
    """The toy domains, whose items have titles and pictures."""
    for name in ("pens", "lamps", "shop"):
        add_pictures(domains, name)
    return domains


def kinds(model):
    return model.contents.modality[1:].tolist()


def test_an_item_is_a_text_or_a_picture_as_the_rule_says(pictured, vit, caplog):
    caplog.set_level(logging.INFO)
    path = pictured / "shop" / "shop.item"
    head, *rows = path.read_text().splitlines()
    # An item without a picture, one whose picture is missing, and one that has nothing at all.
    rows[0] = rows[0].rsplit("\t", 1)[0] + "\t"
    rows[1] = rows[1].rsplit("\t", 1)[0] + "\tposters/none.png"
    rows[2] = rows[2].split("\t")[0] + "\t\t"
    column = ["text", "image", "text", "text", "image", "", "image", "text"]
    lines = [f"{head}\tmodality:token", *(f"{row}\t{kind}" for row, kind in zip(rows, column, strict=True))]
    path.write_text("\n".join(lines) + "\n")

    def modality(**changes):
        built, _, loaders = made(pictured, "TransRec_MoM", image_encoder=vit, text_fields=["title"], **changes)
        tokens = loaders[0].dataset.item_tokens()[1:]
        return [dict(zip(tokens, kinds(built), strict=True))[f"si{number}"] for number in range(8)]

    assert modality() == [TEXT, TEXT, NOTHING, *[TEXT] * 5]
    assert modality(modality="image") == [NOTHING] * 3 + [IMAGE] * 5
    assert modality(modality="mixed") == [TEXT, TEXT, NOTHING, *[IMAGE] * 5]
    by_column = [TEXT, TEXT, NOTHING, TEXT, IMAGE, IMAGE, IMAGE, TEXT]
    assert modality(modality="mixed", mixed_by="column") == by_column
    assert set(modality(modality="mixed", mixed_by="random")[3:]) == {TEXT, IMAGE}
    assert "shop: 2 items are texts, 5 pictures, 1 have neither" in caplog.text
    path.write_text(path.read_text().replace("\tnone", "\tmaybe").replace("image\n", "sound\n"))
    with pytest.raises(UserError, match=r"line \d+: modality is 'sound': write text or image"):
        modality(modality="mixed", mixed_by="column")
    with pytest.raises(UserError, match="no column 'kind', which modality_field names"):
        modality(modality="mixed", mixed_by="column", modality_field="kind")


def test_each_item_is_encoded_by_the_encoder_of_its_modality_and_none_else(pictured, vit):
    built, _, _ = made(pictured, "TransRec_MoM", image_encoder=vit, modality="mixed", mixed_by="random")
    with torch.no_grad():
        vectors = built.encode_items()
        for number, kind in enumerate(kinds(built), 1):
            row = torch.tensor([number])
            expected = (
                built.contents.text.pooled(row, built.heads["text"])
                if kind == TEXT
                else built.heads["image"](built.contents.image(row))
            )
            torch.testing.assert_close(vectors[number], expected[0])
    assert not vectors[0].any()


def test_a_target_without_pictures_is_refused_where_items_are_to_be_pictures(domains):
    with pytest.raises(UserError, match="has no column of pictures"):
        made(domains, "TransRec_MoM", modality="image")


def test_a_mixed_target_without_pictures_is_one_of_texts(domains, vit):
    built, _, _ = made(domains, "TransRec_MoM", modality="mixed", image_encoder=vit)
    assert set(kinds(built)) == {TEXT}


@pytest.mark.parametrize("modality", ["image", "mixed"])
def test_learns_the_next_items_from_pictures_and_from_both(pictured, vit, modality):
    changes = {"epochs": 30, "stopping_step": 30, "learning_rate": 0.01, **LEARNING}
    config = configured(pictured, "TransRec_MoM", image_encoder=vit, modality=modality, mixed_by="random", **changes)
    trainer, test = fitted(config)
    assert trainer.evaluate(test)["hit@1"] > 0.95
    if modality == "mixed":
        assert set(kinds(trainer.model)) == {TEXT, IMAGE}


@pytest.mark.slow
def test_with_more_next_items_the_next_ones_come_first(domains):
    write_dataset(domains, "wide", 150, n_items=24)
    changes = {"epochs": 60, "stopping_step": 60, "learning_rate": 0.01, "next_items": 2, "epoch_steps": 4}
    config = configured(domains, "TransRec_MoM", "wide", **changes)
    tokens = loaders_of(config)[0].dataset.item_tokens()
    trainer, _ = fitted(config)
    items = torch.tensor([[tokens.index(f"i{(5 + step) % 24}") for step in range(4)]])
    model = trainer.model.eval()
    rows = Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: torch.tensor([4])})
    with torch.no_grad():
        best = model.full_sort_predict(rows)[0].topk(2).indices.tolist()
    assert {tokens[item] for item in best} == {"i9", "i10"}


def test_the_layers_that_are_trained_learn_and_the_others_stay(pictured, vit, bert):
    changes = {"train_encoder": "last_n", "trained_layers": 1, "modality": "mixed", "mixed_by": "random"}
    config = configured(pictured, "TransRec_MoM", image_encoder=vit, text_encoder=bert, **changes, epochs=1)
    built, _, _ = made(pictured, "TransRec_MoM", image_encoder=vit, text_encoder=bert, **changes)
    names = {name for name, parameter in built.named_parameters() if parameter.requires_grad}
    assert {name.split(".")[1] for name in names if name.startswith("contents.")} == {"text", "image"}
    trainer, _ = fitted(config)
    assert [len(group["params"]) > 0 for group in trainer.optimizer.param_groups] == [True, True]
    assert trainer.optimizer.param_groups[1]["lr"] == 1e-4
    first = get_model("TransRec_MoM")(config, loaders_of(config)[0].dataset).contents.named_parameters()
    after = dict(trainer.model.contents.named_parameters())
    # Nothing reads the poolers that come with the encoders.
    assert all(torch.equal(value, after[name]) == ("pooler" in name) for name, value in first if "weight" in name)


def test_pictures_may_be_added_to_one_domain_alone(domains, vit):
    add_pictures(domains, "shop")
    built, _, _ = made(domains, "TransRec_MoM", modality="image", image_encoder=vit)
    assert set(kinds(built)) == {IMAGE}
