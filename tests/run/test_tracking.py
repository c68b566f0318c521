"""A finished run is reported to MLflow and Weights & Biases, offline; where one is not installed, a line says so."""

import json
import os
import sys

import pytest

from recbole_idp.errors import UserError
from recbole_idp.run.tracking import check_tracker, report_of
from recbole_idp.testing.toy import write_domains
from tests.support.trained import run

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Toy domains, and trackers that report to the folder and nowhere else."""
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "WANDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    write_domains(tmp_path / "data")
    return tmp_path


@pytest.mark.slow
def test_mlflow_has_parameters_metrics_and_files(shop, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="the extra track is not installed")
    pytest.importorskip("alembic", reason="mlflow is installed without its database")
    mlflow.set_tracking_uri(f"sqlite:///{shop / 'mlflow.db'}")
    monkeypatch.chdir(shop)
    result = run(shop, "PositionSASRec", seeds=[1, 2], track="mlflow")
    (found,) = mlflow.search_runs(experiment_names=["recbole_idp"], output_format="list")
    assert found.info.status == "FINISHED" and found.info.run_name == "PositionSASRec on shop"
    row = result["variants"]["PositionSASRec"]
    assert found.data.metrics["PositionSASRec/test/ndcg_at_5"] == pytest.approx(row["test"]["ndcg@5"])
    second = row["runs"][1]["test"]["ndcg@5"]
    assert found.data.metrics["PositionSASRec-2/test/ndcg_at_5"] == pytest.approx(second)
    assert found.data.params["hidden_size"] == "16" and "versions.torch" in found.data.params
    names = [one.path for one in mlflow.MlflowClient().list_artifacts(found.info.run_id)]
    assert sorted(name.rpartition(".")[2] for name in names) == ["json", "safetensors"]


def test_a_tracker_that_cannot_be_reached_loses_no_result(shop, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="the extra track is not installed")
    mlflow.set_tracking_uri("nowhere://there")
    with pytest.raises(UserError, match="the result is saved, but mlflow could not be told of it") as caught:
        run(shop, "PositionSASRec", track="mlflow")
    assert "\n" not in str(caught.value) and list((shop / "data" / "results").glob("*.json"))


@pytest.mark.slow
def test_wandb_is_told_offline(shop):
    pytest.importorskip("wandb", reason="the extra track is not installed")
    run(shop, "PositionSASRec", track="wandb")
    (folder,) = (shop / "wandb").glob("offline-run-*")
    (log,) = folder.glob("*.wandb")
    content = log.read_bytes()
    assert b"PositionSASRec on shop" in content and b"PositionSASRec/test/ndcg@5" in content


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_is_refused_before_work(name, shop, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=rf"track is {name}, and the package cannot be imported .*recbole-idp\[track\]"):
        run(shop, "PositionSASRec", track=name)
    assert not (shop / "data" / "results").exists()


def test_wandb_without_a_key_is_refused_before_work(shop, monkeypatch):
    pytest.importorskip("wandb", reason="the extra track is not installed")
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("NETRC", str(shop / "none"))
    monkeypatch.setenv("HOME", str(shop))
    with pytest.raises(UserError, match="it has no key: set WANDB_API_KEY"):
        check_tracker("wandb")


def test_what_is_reported(shop):
    result = run(shop, "PositionSASRec")
    (path,) = (shop / "data" / "results").glob("*.json")
    report = report_of(result, [path, path.with_suffix(".none")])
    assert report.files == [path] and report.name == "PositionSASRec on shop"
    saved = json.loads(path.read_text())
    assert report.metrics["PositionSASRec/test/ndcg@5"] == saved["variants"]["PositionSASRec"]["test"]["ndcg@5"]
    assert report.metrics["peak_memory_mb"] == saved["peak_memory_mb"]
    assert report.parameters["hidden_size"] == 16 and "pretrained" not in report.parameters
