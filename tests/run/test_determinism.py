"""The same command gives the same numbers to the last digit; another number of threads only rounds otherwise."""

import pytest
import torch
from safetensors.torch import load_file

from recbole_idp.cli.main import main
from recbole_idp.report.result import read_ranks, read_result
from recbole_idp.testing.toy import settings, write_domains
from tests.support.commands import options
from tests.support.precise import SMALL

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")
MODELS = {"IDP": {"variants": ["zero_shot", "fine_tune", "scratch"]}, "UniSRec": {}, "PRECISE": SMALL, "GRU4Rec": {}}


@pytest.fixture
def run(workplace):
    """Returns a function that runs a model from nothing in a new folder and returns all that it has found."""
    threads = torch.get_num_threads()

    def from_nothing(name, model, **changes):
        data = workplace / name
        write_domains(data)
        values = {"model": model, "dataset": "shop", **settings(data, **{**MODELS[model], **changes})}
        if model == "GRU4Rec":
            keys = ("data_path", "checkpoint_dir", "result_dir", "epochs", "topk", "valid_metric", "threads", "state")
            values = {key: values[key] for key in ("model", "dataset", *keys)}
        assert main(["run", *options(values)]) == 0
        (path,) = (data / "results").glob("*.json")
        rows, ranks = read_result(path)["variants"], read_ranks(path)
        metrics = {row: (one["test"], one["valid"], one["runs"][0].get("buckets")) for row, one in rows.items()}
        weights = {row: load_file(one["runs"][0]["checkpoint"]) for row, one in rows.items()}
        return metrics, {trial: part.tolist() for trial, part in ranks.trials.items()}, weights

    yield from_nothing
    torch.set_num_threads(threads)


@pytest.mark.parametrize("model", ["IDP", "UniSRec", pytest.param("PRECISE", marks=pytest.mark.slow), "GRU4Rec"])
def test_the_same_command_twice_gives_the_same_numbers_to_the_last_digit(model, run):
    first, second = (run(name, model) for name in ("one", "two"))
    assert first[:2] == second[:2]
    for row, weights in first[2].items():
        assert weights.keys() == second[2][row].keys()
        assert all(torch.equal(weights[name], second[2][row][name]) for name in weights)


def test_two_threads_differ_from_one_by_rounding_alone(run):
    (_, _, one), (_, _, two) = run("one", "IDP", threads=1), run("two", "IDP", threads=2)
    for row, weights in one.items():
        for name in weights:
            torch.testing.assert_close(two[row][name], weights[name], rtol=1e-3, atol=1e-4)
