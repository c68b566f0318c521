"""Folders with a vector for each source item, made by a stranger: refused in one line, when opened or when taken."""

import shutil

import pytest

from recbole_idp.models.clue.pretrain import PretrainedCLUE
from recbole_idp.models.peterrec.pretrain import PretrainedPeterRec
from recbole_idp.run.run import run as run_job
from recbole_idp.testing import configured
from recbole_idp.testing.toy import settings
from tests.support.commands import options, refusal, refused
from tests.support.people import JOINED, write_people
from tests.support.trained import change_tensors, resealed

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
TABLE = "item_embedding.weight"
OF_MODEL = {
    "PeterRec": (PretrainedPeterRec, {"variants": ["head"], "block_num": 1}),
    "CLUE": (PretrainedCLUE, {"variants": ["fine_tune"], "pretrain_batch_size": 16}),
}


@pytest.mark.parametrize("model", OF_MODEL)
def test_weights_that_do_not_fit_are_refused(model, workplace, capfd):
    people = write_people(workplace / "data")
    result, changes = OF_MODEL[model]
    changes = {"epochs": 1, "pretrain_epochs": 1, **JOINED, **changes}
    run_job(configured(people, model, "films", **changes))
    made = next(path.parent for path in people.glob(f"saved/*/{result.folder_format.description_file}"))
    first = next(name for name in result.open(made).state if name.startswith("encoder"))

    def changed(name, **tensors):
        folder = shutil.copytree(made, workplace / name)
        change_tensors(folder / "weights.safetensors", **tensors)
        resealed(folder, result.folder_format)
        return folder

    whole = changed("whole", **{TABLE: lambda table: table.long()})
    short = changed("short", **{TABLE: lambda table: table[1:].clone()})
    for folder in (whole, short):
        assert "has no vector for each of its 8 items" in refusal(result.open, folder)
    taken = {
        "narrow": ({TABLE: lambda table: table[:, :5].clone()}, "have width 5, and hidden_size is 16"),
        "less": ({first: None}, "does not fit this model"),
        "wide": ({first: lambda value: value.repeat(2, *([1] * (value.dim() - 1)))}, "does not fit this model"),
    }
    for name, (tensors, says) in taken.items():
        values = settings(people, **{**changes, "pretrained": str(changed(name, **tensors))})
        refused(capfd, ["run", f"--model={model}", "--dataset=films", *options(values)], says)
