"""Trained folders on the toy domains, for tests of what uses them."""

import json

import pytest
import torch
from recbole.data.interaction import Interaction
from safetensors.torch import load_file, save_file

from recbole_idp.cli.main import main
from recbole_idp.run.run import run as run_job
from recbole_idp.serving.recommender import Recommender
from recbole_idp.storage.sealed import seal
from recbole_idp.testing import configured
from recbole_idp.testing.toy import write_domains


def toy_after(folder, argv):
    """Writes the toy domains below a new folder and runs a command there; returns the folder."""
    write_domains(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(argv) == 0
    return folder


def run(folder, model="IDP", **changes):
    """Runs a model on the toy domains below ``folder``; returns the result."""
    config = configured(folder / "data", model, **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run_job(config)


def assert_serves(folder, model, targets):
    """Asserts that a trained folder gives the scores of a model after the first histories of some targets."""
    items, lengths = targets.histories(torch.arange(6), 6)
    with torch.no_grad():
        expected = model.full_sort_predict(Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths}))
    found = Recommender.open(folder).scores([[item for item in row if item] for row in items.tolist()])
    known = expected.isfinite()
    known[:, 0] = False
    assert known.any() and torch.allclose(found[known], expected[known], atol=1e-4)


def make_trained(folder, variant="fine_tune", **changes):
    """Trains on the toy domains; returns the trained folder, which lies beside its bundle."""
    if not (folder / "data").exists():
        write_domains(folder / "data")
    saved = folder / "data" / "saved" / f"mine-{variant}"
    result = run(folder, variants=[variant], trained_dir=str(saved), **changes)
    assert result["trained"] == {"folder": str(saved), "trial": f"{variant}-2020"}
    return saved


def bundles(saved):
    """Returns the bundles in a folder of checkpoints."""
    return sorted(saved.glob("pretrain-*"))


def bundle_of(saved):
    """Returns the only bundle in a folder of checkpoints."""
    (bundle,) = bundles(saved)
    return bundle


def change_tensors(path, **tensors):
    """Writes a file of tensors anew with other ones; None leaves one out, and a function makes one of what is there."""
    found = load_file(path)
    made = {name: new(found[name]) if callable(new) else new for name, new in tensors.items()}
    save_file({name: tensor for name, tensor in {**found, **made}.items() if tensor is not None}, path)


def resealed(folder, folder_format, description=None, **changes):
    """Describes a folder anew, as a stranger can who knows how; None: as it was, but for the changes."""
    path = folder / folder_format.description_file
    description = {**(json.loads(path.read_text()) if description is None else description), **changes}
    for key in ("sha256", "checksum"):
        description.pop(key, None)
    path.unlink()
    seal(folder, folder_format, description)
