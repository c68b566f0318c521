"""Items that join a trained model by their pictures."""

import shutil

import pytest
import torch

from recbole_idp.errors import UserError
from recbole_idp.serving.recommender import Recommender
from recbole_idp.serving.trained_model import TrainedModel
from tests.support.pictures import write_pictured_domains
from tests.support.trained import run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

MOREC = {"content": "image"}
TRANSREC = {"modality": "image"}


@pytest.mark.parametrize(
    ("model", "changes", "apart"),
    # Outputs of lower blocks are kept in half precision.
    [
        ("MoRec", {**MOREC, "image_encoder": "efficientnet-lite0"}, 1e-5),
        ("MoRec", {**MOREC, "train_encoder": "last_n"}, 1e-3),
        ("TransRec_MoM", {**TRANSREC, "image_encoder": "efficientnet-lite0"}, 1e-5),
        ("TransRec_MoM", {**TRANSREC, "train_encoder": "last_n"}, 1e-3),
        ("PixelNet", {}, 1e-3),
        ("PixelNet", {"train_encoder": "none", "image_pooling": "cls", "projection_layers": 2}, 1e-3),
    ],
)
def test_an_item_that_joins_by_its_picture_is_the_one_that_training_would_have_made(
    workplace, vit, model, changes, apart
):
    folder = write_pictured_domains(workplace / "data")
    options = {"image_encoder": vit, "trained_layers": 1, "epochs": 1, **changes}
    result = run(workplace, model, **options, checkpoint_dir=str(workplace / "saved"))
    trained = TrainedModel.open(result["trained"]["folder"])
    file, posters = workplace / "new" / "new.item", workplace / "new" / "posters"
    posters.mkdir(parents=True)
    shutil.copy(folder / "shop" / "posters" / "3.png", posters / "a.png")
    (posters / "b.png").write_bytes(b"broken")
    lines = ["item_id:token\tposter:token", "twin\tposters/a.png", "bad\tposters/b.png", "si3\tposters/a.png", "none\t"]
    file.write_text("\n".join(lines) + "\n")
    extended, new = trained.with_items(file)
    assert (list(new.texts), new.known, new.blank) == (["twin"], 1, 2)
    extended.save(workplace / "more")
    again = TrainedModel.open(workplace / "more")
    rows = [1 + again.tokens.index(token) for token in ("si3", "twin")]
    assert again.item_vectors[rows].any()
    torch.testing.assert_close(*again.item_vectors[rows], rtol=0, atol=apart)
    assert Recommender(again).recommend([["twin"]], 3)
    file.write_text(f"{lines[0]}\nbad\tposters/b.png\n")
    with pytest.raises(
        UserError, match="no new item with a picture: 0 of its 1 items are in the model already, 1 have"
    ):
        again.with_items(file)
    file.write_text(f"{lines[0]}\nout\t../../data/shop/posters/1.png\n")
    with pytest.raises(UserError, match="lies outside"):
        again.with_items(file)
