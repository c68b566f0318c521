"""Fixtures that several test files share."""

import os
import signal
import sys
from pathlib import Path

import pytest

from recbole_idp.cli.threads import share_processors
from tests.support.ray_cluster import started

share_processors()
if "PYTEST_XDIST_WORKER" in os.environ:
    # As many processes as there are processors; PyTorch reads it once, and child processes inherit it.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


TRAINED_IN_QUICK_TESTS = ("PositionSASRec", "IDP")
TRAININGS = ("test_learns_which_item_follows_which", "test_an_interrupted_training_ends_like_an_uninterrupted_one")


def pytest_collection_modifyitems(items):
    """Marks the trainings of the contract as slow, but for two models: the kit has no marks, which others lack."""
    from recbole_idp.testing import ModelContract

    for item in items:
        if item.cls is None or not issubclass(item.cls, ModelContract):
            continue
        if item.originalname in TRAININGS and item.cls.model not in TRAINED_IN_QUICK_TESTS:
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def signals():
    """Lets Ctrl-C interrupt and a hang-up end where a shell, or nohup, has started the tests and ignores them."""
    before = [signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGHUP, signal.SIG_DFL)]
    yield
    for number, handler in zip((signal.SIGINT, signal.SIGHUP), before, strict=True):
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def no_anomaly_detection():
    """Switches off what RecBole's trainers switch on for the whole process, and what makes all later tests slower."""
    yield
    if (torch := sys.modules.get("torch")) is not None:
        torch.autograd.set_detect_anomaly(False)


@pytest.fixture(scope="session")
def ray_cluster():
    """Returns Ray with a cluster of two processors, which takes a while to start; skips the test without Ray."""
    with started() as ray:
        yield ray


@pytest.fixture(scope="session")
def shared_dataset():
    """Returns the folder of real data, or skips the test where there is none.

    The folder is named by the environment variable ``RECBOLE_IDP_DATA``, or is ``../shared/dataset`` beside the
    repository.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "dataset"
    folder = Path(os.environ.get("RECBOLE_IDP_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set RECBOLE_IDP_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def format_1():
    """Returns the folders that version 0.1.0 wrote, or skips the test where there are none.

    Their folder is named by the environment variable ``RECBOLE_IDP_FORMAT_1``, or is ``../shared/format-1`` beside the
    repository.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "format-1"
    folder = Path(os.environ.get("RECBOLE_IDP_FORMAT_1", beside))
    if not folder.is_dir():
        pytest.skip(f"no folders of format 1 at {folder}; set RECBOLE_IDP_FORMAT_1 to their folder")
    return folder


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Makes an empty folder the current one: RecBole writes log/ and log_tensorboard/ there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def domains(workplace):
    """Writes the toy domains; returns their folder."""
    from recbole_idp.testing.toy import write_domains

    return write_domains(workplace / "data")


@pytest.fixture
def pictured(workplace):
    """Writes the toy domains, whose items have pictures; returns their folder."""
    from tests.support.pictures import write_pictured_domains

    return write_pictured_domains(workplace / "data")


@pytest.fixture(scope="session")
def vit(tmp_path_factory):
    """The folder of an untrained vision transformer of three layers, in the layout of Hugging Face."""
    from tests.support.pictures import write_vit

    return write_vit(tmp_path_factory.mktemp("encoders") / "vit")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run: toy domains in ``data``, with a bundle and a result, and a trained folder ``made``.

    Not to be changed.
    """
    from tests.support.mistakes import command
    from tests.support.trained import toy_after

    folder = tmp_path_factory.mktemp("finished")
    return toy_after(folder, command(folder, trained_dir=str(folder / "made"), variants=["scratch", "fine_tune"]))


@pytest.fixture(scope="module")
def processes():
    """Returns a function that starts commands in processes; see tests/support/processes.py."""
    from tests.support.processes import starter

    yield from starter()


@pytest.fixture
def server():
    """A web server on this machine; see tests/support/web.py."""
    from tests.support.web import serving

    yield from serving()
