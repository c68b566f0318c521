"""Runs on splits by time and by files, from the command line: results, tables, fingerprints, leaderboards."""

import json

import pytest

from recbole_idp import registry
from recbole_idp.cli.main import main
from recbole_idp.config.declarations import model_settings
from recbole_idp.leaderboard.plan import make_plan
from recbole_idp.report.result import read_ranks
from recbole_idp.testing.toy import settings, write_dataset
from tests.support.commands import options, refused
from tests.support.splits import BENCHMARK, SPLITS, histories, write_all, write_histories

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

SMALL = {"targeted_length": 5, "semantic_size": 8, "token_width": 8, "head_size": 16, "pretrain_epochs": 1, "epochs": 1}
# RecBole's models that need nothing but sequences, one of each kind of input.
THEIRS = ("BERT4Rec", "Caser", "CORE", "FDSA", "FOSSIL", "GRU4Rec", "HGN", "LightSANs", "NARM", "RepeatNet", "SASRec")
THEIRS += ("SRGNN",)


def argv(folder, model, dataset, **changes):
    """Returns a command on one of the data sets of SPLITS, without the keys that the model does not have."""
    known = model_settings(model, dataset)
    given = settings(folder, **{**SMALL, **SPLITS.get(dataset, {}), **changes})
    given = {key: value for key, value in given.items() if key in known}
    return ["run", *options({"model": model, "dataset": dataset, **given})]


def result_of(folder, *args, **changes):
    """Runs a command; returns its result and the path of it."""
    before = set((folder / "results").glob("*.json"))
    assert main(argv(folder, *args, **changes)) == 0
    (path,) = set((folder / "results").glob("*.json")) - before
    return json.loads(path.read_text()), path


@pytest.fixture
def data(workplace):
    folder = workplace / "data"
    write_all(folder)
    for number, name in enumerate(("pens", "lamps")):
        write_dataset(folder, name, 20, prefix=name[0], seed=number)
    return folder


@pytest.mark.parametrize("dataset", SPLITS)
@pytest.mark.parametrize("model", ["PositionSASRec", "SASRec", "ItemKNN"])
def test_a_run_ranks_each_target_and_reports_what_training_has_not_seen(data, capsys, caplog, model, dataset):
    caplog.set_level("INFO")
    result, path = result_of(data, model, dataset)
    ranks = read_ranks(path)
    (row,) = result["variants"].values()
    groups = row["runs"][0]["buckets"]
    for kind in ("user_novelty", "item_novelty"):
        assert sum(group["users"] for group in groups[kind]) == len(ranks.users) > len(set(ranks.users))
    out, _ = capsys.readouterr()
    said = f"[evaluate] {row['variant']}-2020 on {len(ranks.users)} test targets of {len(set(ranks.users))} users"
    assert said in caplog.messages
    unseen = groups["user_novelty"][-1]
    assert f"user not seen in training ({unseen['users']})" in out
    assert f"{unseen['metrics']['ndcg@10']:.4f}" in out


def test_leave_one_out_warns_and_a_split_by_time_does_not(data, capsys, caplog):
    assert main(argv(data, "Pop", "times", eval_args={"split": {"LS": "valid_and_test"}})) == 0
    (line,) = [record for record in caplog.records if "lie before training events of other users" in record.message]
    assert line.levelname == "WARNING" and "test events of times" in line.message and "%" in line.message
    assert "not seen" not in capsys.readouterr().out
    caplog.clear()
    assert main(argv(data, "Pop", "times")) == 0
    assert not [record for record in caplog.records if "lie before" in record.message]


def test_fingerprints_follow_the_split(data):
    def fingerprints(model, dataset, **changes):
        plan = make_plan(
            dict(part.removeprefix("--").split("=", 1) for part in argv(data, model, dataset, **changes)[1:])
        )
        return result_of(data, model, dataset, **changes)[0]["data_fingerprint"], plan.jobs()[0].fingerprint

    by_time = fingerprints("Pop", "times")
    longer = fingerprints("Pop", "times", eval_args={"split": {"TS": [0.7, 0.1, 0.2]}})
    leave_one_out = fingerprints("Pop", "times", eval_args={"split": {"LS": "valid_and_test"}})
    assert all(len({found[number] for found in (by_time, longer, leave_one_out)}) == 3 for number in (0, 1))
    plain = result_of(data, "Pop", "plain")[0]["data_fingerprint"]
    assert plain == result_of(data, "PositionSASRec", "plain")[0]["data_fingerprint"]
    # Each of the three files counts.
    for part in ("train", "valid", "test"):
        path = data / "plain" / f"plain.{part}.inter"
        content = path.read_text()
        path.write_text(content + content.splitlines()[-1] + "\n")
        assert result_of(data, "Pop", "plain")[0]["data_fingerprint"] != plain
        path.write_text(content)
    swapped = result_of(data, "Pop", "plain", benchmark_filename=["train", "test", "valid"])[0]
    assert swapped["data_fingerprint"] != plain


@pytest.mark.slow
def test_a_leaderboard_compares_models_on_one_fixed_split(data, capsys):
    result_dir = data / "board"
    command = argv(data, "PositionSASRec", "plain", result_dir=str(result_dir))
    command = [part.replace("--model=PositionSASRec", "--model=PositionSASRec,Pop") for part in command]
    assert main([*command, "--seeds=1", "--baseline=Pop"]) == 0
    (path,) = [found for found in result_dir.rglob("*.json") if '"kind": "leaderboard"' in found.read_text()]
    (board,) = json.loads(path.read_text())["boards"]
    assert [row["model"] for row in board["rows"]] == ["PositionSASRec", "Pop"]
    assert board["comparisons"][0]["users"] == len(set(read_ranks(result_of(data, "Pop", "plain")[1]).users))
    assert "user not seen in training" in capsys.readouterr().out


@pytest.mark.parametrize("dataset", ["plain", "lists"])
def test_recboles_own_entry_point_runs_our_models_on_a_fixed_split(data, monkeypatch, dataset):
    from recbole.quick_start import run_recbole

    monkeypatch.setattr("sys.argv", ["test"])
    given = settings(data, **SMALL, **BENCHMARK)
    known = model_settings("PositionSASRec", dataset)
    plain = {key: value for key, value in given.items() if key in known}
    found = run_recbole(model="PositionSASRec", dataset=dataset, config_dict=plain, saved=False)["test_result"]
    ours = next(iter(result_of(data, "PositionSASRec", dataset)[0]["variants"].values()))["test"]
    assert found["mrr"] == pytest.approx(ours["mrr"], abs=1e-4)


def test_a_fixed_split_cannot_be_replayed(data, capfd):
    command = ["warm-up", *argv(data, "PRECISE", "plain")[1:]]
    refused(capfd, command, "benchmark_filename has no meaning for warm-up")


@pytest.mark.slow
# PixelNet reads pictures, of which these data have none; its rows are MoRec's.
@pytest.mark.parametrize("model", [*(name for name in registry.MODELS if name != "PixelNet"), *THEIRS])
def test_every_model_runs_on_every_split(data, model):
    # The toy text encoder has no layers to train.
    own = {"train_encoder": "none"} if model == "Adapter4Rec" else {}
    variants = [{"IDP_BS": "new_encoder", "PeterRec": "patches", "Conure": "learn"}.get(model, "fine_tune")]
    splits = ("lists", "times") if model in THEIRS else SPLITS
    tested = {}
    for dataset in splits:
        result, path = result_of(data, model, dataset, variants=variants, **own)
        (row,) = result["variants"].values()
        # RecBole's own loop has no MRR over the whole list.
        assert 0 <= row["test"]["mrr@5"] <= 1
        tested[dataset] = sorted(read_ranks(path).users)
    pop = {dataset: sorted(read_ranks(result_of(data, "Pop", dataset)[1]).users) for dataset in splits}
    assert tested == pop


def test_rows_with_long_histories_are_joined(workplace):
    """Rows that are cut to the latest 50 events are joined, not copied: as many events as there are."""
    from tests.data.test_splits import config_of, parts_of

    events = [(f"u{user}", f"i{(user + 3 * step) % 97}", float(step)) for step in range(300) for user in range(60)]
    rows = histories((events[:-120], events[-120:-60], events[-60:]), longest=50)
    write_histories(workplace, rows)
    dataset, parts = parts_of(config_of(workplace, "lists", **BENCHMARK))
    assert len(dataset.sequences.items) == len(events)
    assert len(parts[0].targets().sequences.items) == len(events) - 120
