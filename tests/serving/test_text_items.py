"""Trained folders of a model that reads items as texts: scores, new items by their texts alone, export."""

import numpy as np
import pytest
import torch

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.serving.text_items import with_tokens
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.testing.toy import write_domains
from tests.serving.test_export import assert_same_scores, exported, runtime  # noqa: F401  # a fixture
from tests.support.commands import refused
from tests.support.trained import run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
SMALL = {"transfer": "scratch", "n_heads": 2, "attention_window": 4, "max_tokens": 20, "second_epochs": 0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a Recformer on the toy target."""
    folder = tmp_path_factory.mktemp("text")
    write_domains(folder / "data")
    return folder, run(folder, "Recformer", **SMALL)["trained"]["folder"]


def test_new_items_are_their_texts_in_histories_and_as_candidates(trained):
    folder, path = trained
    (folder / "new.item").write_text(
        "item_id:token\ttitle:token_seq\nnew1\tred pen 0\nnew2\tgolden lamp\nsi1\tblue pen 1\nnew3\t\n"
    )
    assert main(["add-items", f"--trained={path}", f"--items={folder / 'new.item'}", f"--out={folder / 'more'}"]) == 0
    before, after = recbole_idp.load(path), recbole_idp.load(folder / "more")
    assert after.trained.tokens[-2:] == ["new1", "new2"] and after.trained.titles[-1] == "golden lamp"
    # An item with the text of another one is that item to the encoder, wherever it stands. Candidates of training have
    # the vectors that they were trained with.
    old, new = after.numbers(["si0", "new1"])
    twins = after.trained.user_encoder().encoder.encode_items(torch.tensor([old, new])).detach()
    torch.testing.assert_close(twins[0], twins[1])
    torch.testing.assert_close(after.trained.candidate_vectors[new], torch.nn.functional.normalize(twins[0], dim=0))
    histories = after.states([[1, old, 3], [1, new, 3]])
    torch.testing.assert_close(histories[0], histories[1])
    known = [[1, 2], [3, 4, 5]]
    torch.testing.assert_close(after.scores(known)[:, 1:9], before.scores(known)[:, 1:9])
    assert len(after.recommend([["new2"]], k=20)[0]) == 9
    again = folder / "again.item"
    again.write_text("item_id:token\ttitle:token_seq\nnew4\tred pen\n")
    assert main(["add-items", f"--trained={folder / 'more'}", f"--items={again}", f"--out={folder / 'most'}"]) == 0
    assert TrainedModel.open(folder / "most").description["added"] == 3


def test_tokens_of_new_items_stand_before_those_of_other_domains():
    state = {
        "items.offsets": torch.tensor([0, 0, 2, 3]),
        "items.ids": torch.tensor([5, 6, 7]),
        "items.kinds": torch.tensor([1, 2, 2]),
    }
    found = {"offsets": torch.tensor([0, 0, 1, 3]), "ids": torch.tensor([8, 9, 9]), "kinds": torch.tensor([1, 1, 2])}
    joined = with_tokens(state, found, 2)
    assert joined["items.offsets"].tolist() == [0, 0, 2, 3, 5, 6]
    assert joined["items.ids"].tolist() == [5, 6, 8, 9, 9, 7]


def test_onnx_gives_the_scores_of_pytorch(trained, runtime):  # noqa: F811
    folder, path = trained
    assert_same_scores(runtime, exported(path, folder / "out"), path)


def test_a_folder_without_its_tokenizer_takes_no_items(trained, capsys):
    folder, path = trained
    (folder / "one.item").write_text("item_id:token\ttitle:token_seq\nx\tred\n")
    opened = TrainedModel.open(path)
    opened.tokenizer, opened.folder = "{}", None
    opened.save(folder / "damaged")
    arguments = [f"--trained={folder / 'damaged'}", f"--items={folder / 'one.item'}", f"--out={folder / 'none'}"]
    refused(capsys, ["add-items", *arguments], "takes no items, as it is no tokenizer")


def test_users_of_a_folder_are_those_of_its_histories(trained):
    recommender = recbole_idp.load(trained[1])
    singles = torch.cat([recommender.states([[item]]) for item in range(1, 9)])
    batch = recommender.states([[item] for item in range(1, 9)])
    np.testing.assert_allclose(batch, singles, atol=1e-4)
