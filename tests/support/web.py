"""A web server on this machine that offers archives, as RecBole's download table does."""

import contextlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from recbole_idp.data import catalog

PATIENCE = 60


def zipped(files):
    """Returns the bytes of a zip; a name may be a ``ZipInfo``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


class Gate:
    """Holds answers in their middle until so many have come there, and then, or when it is opened, lets all pass.

    ``reached`` is set when the last of them has come; a gate for one is passed when it is opened alone.
    """

    def __init__(self, count):
        self.reached, self._open = threading.Event(), threading.Event()
        self._lock, self._missing, self._alone = threading.Lock(), count, count == 1

    def open(self):
        self._open.set()

    def __call__(self):
        with self._lock:
            self._missing -= 1
            if self._missing == 0:
                self.reached.set()
                if not self._alone:
                    self.open()
        self._open.wait(PATIENCE)


class Served(ThreadingHTTPServer):
    """A web server on this machine; ``pages`` maps paths to (bytes, Content-Length, what is done in their middle)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages = {}
        self.requests = []

    def offer(self, content, length=None, between=lambda: None):
        """Serves ``content`` at a new URL, which is returned; ``between`` is called after its first half."""
        path = f"/{len(self.pages)}.zip"
        self.pages[path] = (content, len(content) if length is None else length, between)
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers from the server's pages."""

    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path not in self.server.pages:
            self.send_error(404)
            return
        content, length, between = self.server.pages[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        # Whoever asked may have been killed.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            between()
            self.wfile.write(content[len(content) // 2 :])

    def log_message(self, *arguments):
        """Keeps the tests' output quiet."""


def in_a_thread(server):
    """Yields a server that runs in a thread of its own. To be made a fixture."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def serving():
    """Yields a running server. To be made a fixture."""
    yield from in_a_thread(Served())


def offered(name, url):
    """Lets this process, and it alone, find a dataset in RecBole's download table at a URL."""
    catalog.recbole_urls = lambda: {name: url}
