"""Strangers' files: pickles that are never opened, and JSON in which anything may stand, sealed as if it were ours."""

import copy
import json
import pickle
import shutil

import pytest
from safetensors.torch import save_file

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.errors import UserError
from recbole_idp.testing import configured
from recbole_idp.testing.toy import settings
from tests.support.commands import refused
from tests.support.mistakes import command
from tests.support.planted import Planted
from tests.support.trained import bundle_of, change_tensors, resealed

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


# ---- RecBole looks for pickles of a dataset and of its parts, by names that anybody knows


def plant(folder, model, dataset):
    """Plants pickles where RecBole would look for data that it has saved."""
    for name in (f"shop-{dataset}.pth", f"shop-for-{model}-dataloader.pth"):
        (folder / "data" / "saved" / name).write_bytes(pickle.dumps(Planted(folder / f"opened-{name}")))


PLANTED = [("IDP", "SequenceDataset"), ("IDP", "IDPDataset"), ("SASRec", "SequentialDataset"), ("Pop", "Dataset")]


@pytest.mark.parametrize(("model", "dataset"), PLANTED)
def test_a_run_opens_no_pickle(model, dataset, finished, workplace):
    shutil.copytree(finished / "data", workplace / "data")
    plant(workplace, model, dataset)
    places = {"data_path": "data", "checkpoint_dir": "data/saved", "result_dir": "data/results"}
    values = {"model": model, "dataset": "shop", **places, "topk": 5, "valid_metric": "NDCG@5", "epochs": 1}
    if model == "IDP":
        values.update(transfer="scratch", variants="scratch", source_domains="pens")
    assert main(["run", *(f"--{key}={value}" for key, value in values.items())]) == 0
    assert not list(workplace.glob("opened-*"))


def test_recboles_own_functions_open_none_for_a_registered_model(finished, workplace, monkeypatch):
    from recbole.quick_start import load_data_and_model, run_recbole

    shutil.copytree(finished / "data", workplace / "data")
    plant(workplace, "IDP", "SequenceDataset")
    monkeypatch.setattr("sys.argv", ["recbole"])
    run_recbole(model="IDP", dataset="shop", config_dict=settings(workplace / "data", transfer="scratch"))
    load_data_and_model(str(max((workplace / "data" / "saved").glob("IDP-*.safetensors"))))
    assert not list(workplace.glob("opened-*"))
    assert len(list((workplace / "data" / "saved").glob("*.pth"))) == 2


# ---- JSON that somebody else wrote: whatever stands in a place, it is read or refused, and never a traceback

VALUES = (None, -1, "x", [{}], {"x": []})


def places(value, path=()):
    """Yields the path to every value inside a JSON value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


def damaged(value):
    """Yields a JSON value with each place in turn left out, or replaced."""
    for path in places(value):
        for new in (..., *VALUES):
            other = copy.deepcopy(value)
            parent = other
            for key in path[:-1]:
                parent = parent[key]
            if new is ...:
                del parent[path[-1]]
            else:
                parent[path[-1]] = new
            yield path, new, other


def refusals(read, values):
    """Counts how many damaged values are refused; anything but a line for the user is an error of the test."""
    found = 0
    for path, new, value in values:
        try:
            read(value)
        except UserError as error:
            assert "\n" not in str(error)
            found += 1
        except Exception as error:
            raise AssertionError(f"{new!r} at {path}") from error
    return found


@pytest.mark.slow
def test_any_damage_to_a_result_is_read_or_refused(finished, tmp_path):
    from recbole_idp.report.result import markdown_table, read_ranks, read_result
    from recbole_idp.report.text import report_text

    (result,) = (finished / "data" / "results").glob("*.json")
    value = json.loads(result.read_text())
    for part in ("config", "versions"):
        value[part] = {"valid_metric": "NDCG@5"}
    path = shutil.copytree(result.parent, tmp_path / "results") / result.name

    def read(changed):
        path.write_text(json.dumps(changed))
        markdown_table(read_result(path))
        report_text(read_result(path), path)
        read_ranks(path)

    assert refusals(read, damaged(value)) > 100


@pytest.mark.slow
def test_any_damage_to_the_description_of_a_trained_model_is_read_or_refused(finished, tmp_path):
    from recbole_idp.serving import new_items
    from recbole_idp.serving.card import model_card
    from recbole_idp.serving.trained_model import FORMAT

    folder = shutil.copytree(finished / "made", tmp_path / "made")
    bundle = bundle_of(finished / "data" / "saved")
    value = json.loads((folder / FORMAT.description_file).read_text())
    # Of the configuration what adding items reads; the list of files is for other tests.
    value["config"] = {key: value["config"][key] for key in new_items._SAYS if key in value["config"]}
    for key in ("sha256", "checksum", "versions"):
        del value[key]

    def read(changed):
        resealed(folder, FORMAT, changed)
        recommender = recbole_idp.load(folder)
        recommender.recommend([["si1", "si2"]], 3)
        model_card(recommender.trained)
        if recommender.trained.transfer is not None:
            new_items.check_generated(recommender.trained)
            new_items.find_bundle(recommender.trained, bundle)

    assert refusals(read, damaged(value)) > 100


@pytest.mark.slow
def test_any_damage_to_the_description_of_a_bundle_is_read_or_refused(finished, tmp_path):
    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.models.idp.bundle import Bundle
    from recbole_idp.models.idp.model import IDP, check_encoder

    folder = shutil.copytree(bundle_of(finished / "data" / "saved"), tmp_path / "bundle")
    value = json.loads((folder / Bundle.folder_format.description_file).read_text())
    for key in ("sha256", "checksum", "versions", "hyper_parameters"):
        del value[key]
    config = configured(finished / "data", "IDP")

    def read(changed):
        resealed(folder, Bundle.folder_format, changed)
        bundle = Bundle.open(folder)
        bundle.matcher(TextEncoding.of(config))
        check_encoder("IDP", IDP.describe_encoder(config), bundle.description["encoder"], ["fine_tune"])
        assert all(domain["name"] for domain in bundle.description["domains"])

    assert refusals(read, damaged(value)) > 50


def other_tensors(name, **tensors):
    return lambda folder: change_tensors(folder / name, **tensors)


def with_a_head_that_does_not_fit(folder):
    """Gives a bundle a matcher's head of two widths: validation may have kept none, by the last digit of one user."""
    import torch

    from recbole_idp.models.idp.cdim.head import MatchingHead

    path, about = folder / "cdim" / "head.safetensors", folder / "bundle.json"
    path.parent.mkdir(exist_ok=True)
    save_file({**MatchingHead(16).state_dict(), "change.bias": torch.zeros(3)}, path)
    description = json.loads(about.read_text())
    description["cdim"]["matcher"] = "head"
    about.write_text(json.dumps(description))


def test_tensors_of_a_bundle_that_do_not_fit_are_refused_in_one_line(finished, workplace, capfd):
    import torch

    from recbole_idp.models.idp.bundle import Bundle

    shutil.copytree(finished / "data", workplace / "data")
    bundle = bundle_of(workplace / "data" / "saved")
    steps = {
        "fewer IDs": other_tensors("items.safetensors", item_embeddings=torch.zeros(3, 16)),
        "no IDs": other_tensors("items.safetensors", item_embeddings=None),
        "wider IDs": other_tensors("items.safetensors", item_embeddings=torch.zeros(16, 32)),
        "no numbers": other_tensors("items.safetensors", item_embeddings=torch.full((16, 16), torch.nan)),
        "whole numbers": other_tensors("items.safetensors", item_embeddings=torch.zeros(16, 16).long()),
        "other texts": other_tensors("items.safetensors", adapted_vectors=torch.zeros(16, 3)),
        "another norm": other_tensors("encoder.safetensors", **{"norm.weight": torch.zeros(3)}),
        "no norm": other_tensors("encoder.safetensors", **{"norm.weight": None}),
        "another head": with_a_head_that_does_not_fit,
        "no titles": lambda folder: (folder / "items.tsv").write_text("domain\n"),
    }
    for name, step in steps.items():
        other = shutil.copytree(bundle, workplace / name)
        step(other)
        resealed(other, Bundle.folder_format)
        refused(capfd, command(workplace, pretrained=str(other), keep_trained=False))
