"""The server of trained models, in this process or in one of its own, on a folder that is made in no time."""

import contextlib

import pytest

from tests.support.large import large_model

ITEMS = 60


def client_of(trained, posters=None, **options):
    """Returns a client of the application that serves a trained model; skips the test where it cannot be made."""
    for package in ("fastapi", "uvicorn"):
        pytest.importorskip(package, reason="the extra serve is not installed")
    pytest.importorskip("httpx", reason="the client of the tests needs httpx")
    from starlette.testclient import TestClient

    from recbole_idp.web.app import make_app
    from recbole_idp.web.catalogue import Catalogue

    return TestClient(make_app(Catalogue(trained.recommender(), posters), **options), raise_server_exceptions=False)


@contextlib.contextmanager
def small_client(change=lambda trained: None, posters=lambda trained: None, **options):
    """Yields a client of a model of 60 items and width 16, which ``change`` may change before."""
    trained = large_model(ITEMS, width=16, length=10)
    change(trained)
    with client_of(trained, posters(trained), **options) as client:
        yield client


def refusal(answer, status):
    """Returns the line with which a request was refused; ``status`` is one, or those of several versions of FastAPI."""
    assert answer.status_code in (status if isinstance(status, tuple) else (status,)), answer.text
    assert list(answer.json()) == ["error"]
    line = answer.json()["error"]
    assert line and "\n" not in line and len(line) < 600
    return line
