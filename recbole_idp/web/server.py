"""Start the server: what can be wrong is found before the model is loaded."""

from __future__ import annotations

import errno
import importlib
import socket
from pathlib import Path

from recbole_idp.errors import UserError
from recbole_idp.hub.download import local_folder
from recbole_idp.serving.whole_folder import check_trained

PACKAGES = ("fastapi", "uvicorn")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BACKLOG = 2048
_LAST_PORT = 65535


def serve(
    trained: str,
    host: str,
    port: int,
    items: str | None,
    image_field: str | None,
    search: str | None,
    rate: float,
) -> None:
    """Serve a trained model until Ctrl-C or SIGTERM.

    Args:
        trained: The model's folder, or its address on the hub.
        host: Address to listen at.
        port: Port to listen at; 0: any free one.
        items: ``.item`` file whose column of pictures names the posters; None: there are none.
        image_field: That column; None: the usual one.
        search: Kind of the index that ranks; None: every item is scored.
        rate: Requests a second of one client; 0: no limit.

    Raises:
        UserError: The folder or a file cannot be used, a package is missing, or the address cannot be listened at.
    """
    trained = str(local_folder(trained))
    check_trained(trained)
    if items is None and image_field is not None:
        raise UserError("--image_field names a column of the file of --items: give both, or none")
    check_packages()
    with listening(host, port) as listener:
        _serve(listener, trained, host, items, image_field, search, rate)


def check_packages() -> None:
    """Check that the packages of the extra are installed.

    Raises:
        UserError: One is missing.
    """
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(f'serve needs {name} ({error}): pip install "recbole_idp[serve]"') from error


def listening(host: str, port: int) -> socket.socket:
    """Open the socket that requests come to.

    Args:
        host: Name or address.
        port: The port; 0: any free one.

    Raises:
        UserError: It cannot be opened.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (socket.gaierror, UnicodeError):
        raise UserError(f"{host!r} is no address of this machine: give --host=127.0.0.1, or 0.0.0.0 for all") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            other = port + 1 if port < _LAST_PORT else port - 1
            remedy = f"is in use: end what listens there, or choose another, --port={other}"
        elif error.errno == errno.EACCES:
            remedy = "may not be used: choose one above 1023, as in --port=8000"
        else:
            raise UserError(f"cannot listen at {host} ({error.strerror}): give --host=127.0.0.1") from None
        raise UserError(f"port {port} of {host} {remedy}") from None


def _serve(
    listener: socket.socket,
    trained: str | Path,
    host: str,
    items: str | None,
    image_field: str | None,
    search: str | None,
    rate: float,
) -> None:
    """Load the model and answer at a socket."""
    import torch
    import uvicorn

    from recbole_idp.serving.load import load
    from recbole_idp.web.app import make_app
    from recbole_idp.web.catalogue import Catalogue
    from recbole_idp.web.limits import MOST_CONNECTIONS
    from recbole_idp.web.posters import Posters

    # A processor is left to the requests: the model's batches are small.
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    recommender = load(trained, **({} if search is None else {"search": search}))
    posters = None if items is None else Posters(recommender.trained, items, image_field)
    hosts = _LOOPBACK if host in _LOOPBACK else ()
    app = make_app(Catalogue(recommender, posters), rate, hosts)
    about, port = recommender.trained.description, listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    print(
        f"{about['model']} on {about['dataset']}, {len(recommender.trained.tokens):,} items: "
        f"http://{shown}:{port} (Ctrl-C ends it)",
        flush=True,
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        # uvicorn has answered what was asked, and passes on the signal that ended it: nothing went wrong.
        return
