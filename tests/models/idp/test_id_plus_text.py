"""IDP_{ID+t}: the contract, and how the target's texts take part."""

import pytest
import torch
from recbole.data import create_dataset, data_preparation

from recbole_idp.errors import UserError
from recbole_idp.models.idp.id_plus_text import IDP_IDt
from recbole_idp.run.run import run
from recbole_idp.testing import ModelContract, configured
from recbole_idp.testing.toy import write_dataset
from tests.support.trained import bundles


class TestIDPIDt(ModelContract):
    model = "IDP_IDt"
    random_start = {"transfer": "scratch"}


def make(folder, **changes):
    """Returns the model on the toy target, and its training loader."""
    config = configured(folder, "IDP_IDt", **changes)
    train, _, _ = data_preparation(config, create_dataset(config))
    return IDP_IDt(config, train.dataset), train


def test_before_training_the_text_adds_nothing(domains):
    model, _ = make(domains)
    assert torch.equal(model.item_vectors(), model.item_embedding.weight)


def test_equal_texts_move_together_at_both_sides(domains):
    model, _ = make(domains)
    with torch.no_grad():
        model.adapter.weight.normal_()
    added = model.item_vectors() - model.item_embedding.weight
    assert not added[0].any()
    torch.testing.assert_close(added[1:], model.adapter(model.text_vectors[1:]))
    items = torch.tensor([[1, 2, 3]])
    expected = model.eval().encoder(model.item_vectors()[items], items == 0)
    torch.testing.assert_close(model.encode(items), expected)


def test_text_vectors_are_centred_unit_and_zero_without_text(domains):
    path = domains / "shop" / "shop.item"
    lines = path.read_text().splitlines()
    lines[3] = lines[3].split("\t")[0] + "\t"
    path.write_text("\n".join(lines) + "\n")
    model, train = make(domains)
    blank = train.dataset.item_tokens().index(lines[3].split("\t")[0])
    norms = model.text_vectors.norm(dim=1)
    assert norms[0] == norms[blank] == 0
    others = torch.arange(len(norms))[(torch.arange(len(norms)) != blank)][1:]
    torch.testing.assert_close(norms[others], torch.ones(len(others)))


def test_a_target_without_texts_is_refused_in_one_line(domains):
    write_dataset(domains, "bare", 20, texts=False)
    config = configured(domains, "IDP_IDt", "bare")
    train, _, _ = data_preparation(config, create_dataset(config))
    with pytest.raises(UserError, match="bare has no item texts"):
        IDP_IDt(config, train.dataset)


def test_ids_and_encoder_are_shared_with_idp(domains):
    run(configured(domains, "IDP", variants=["zero_shot"]))
    result = run(configured(domains, "IDP_IDt", variants=["scratch", "zero_shot", "fine_tune"]))
    assert len(bundles(domains / "saved")) == 1
    assert set(result["variants"]) == {"scratch", "zero_shot", "fine_tune"}


def test_it_is_not_pretrained_itself(domains):
    config = configured(domains, "IDP_IDt", pretrain_model="IDP_IDt")
    with pytest.raises(UserError, match="pretrain_model IDP_IDt cannot be pre-trained"):
        run(config)
