"""Items that join a trained TransRec by their texts."""

import pytest
import torch

from recbole_idp.errors import UserError
from recbole_idp.serving.pack import trained_model
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.testing import configured
from recbole_idp.testing.models import with_random_weights
from recbole_idp.testing.toy import title
from tests.support.encoders import write_bert
from tests.support.pictures import add_pictures, write_vit

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

FACTS = {"variant": "TransRec_MoM", "seed": 1, "valid": {}, "test": {}}


def packed(config):
    """Returns a trained folder's content of a model with random weights."""
    model, loaders = with_random_weights(config)
    data = loaders[0].dataset
    return trained_model(model, config, data, [""] * (data.item_num - 1), FACTS)


@pytest.mark.parametrize("encoder", ["bert", "tuned", "lsa"])
def test_a_new_item_gets_the_vector_of_its_text(domains, encoder):
    folder = domains / "bert"
    folder.mkdir()
    write_bert(folder, sorted({word for item in range(40) for word in title(item).split()}))
    text_encoder = "lsa" if encoder == "lsa" else str(folder)
    depth = {"train_encoder": "last_n", "trained_layers": 1} if encoder == "tuned" else {}
    trained = packed(configured(domains, "TransRec_MoM", text_encoder=text_encoder, **depth))
    trained.save(domains / "kept")
    opened = TrainedModel.open(domains / "kept")
    assert (domains / "kept" / "content_encoder").is_dir() == (encoder != "bert")
    tokens = opened.tokens
    lines = (domains / "shop" / "shop.item").read_text().splitlines()
    known = dict(line.split("\t") for line in lines[1:])
    twin = tokens[2]
    (domains / "new.item").write_text(f"{lines[0]}\nnew\t{known[twin]}\nblank\t\n{lines[1]}\n")
    longer, new = opened.with_items(domains / "new.item")
    assert longer.tokens == [*tokens, "new"] and (new.known, new.blank) == (1, 1)
    # States are kept in half precision where they are frozen.
    torch.testing.assert_close(longer.item_vectors[-1], opened.item_vectors[3], rtol=0, atol=0.05)
    others = (opened.item_vectors[1:] - opened.item_vectors[3]).norm(dim=1)
    assert (longer.item_vectors[-1] - opened.item_vectors[3]).norm() < 0.1 * others[others > 0.2].min()
    longer.save(domains / "longer")
    again, _ = TrainedModel.open(domains / "longer").with_items(_renamed(domains / "new.item"))
    torch.testing.assert_close(again.item_vectors[-1], longer.item_vectors[-1])


def _renamed(path):
    path.write_text(path.read_text().replace("new\t", "newer\t"))
    return path


def test_a_model_of_texts_and_pictures_takes_no_items(domains):
    add_pictures(domains, "shop")
    trained = packed(
        configured(
            domains, "TransRec_MoM", modality="mixed", mixed_by="random", image_encoder=write_vit(domains / "vit")
        )
    )
    assert trained.content is None
    with pytest.raises(UserError, match="cannot make items of texts"):
        trained.with_items(domains / "shop" / "shop.item")
