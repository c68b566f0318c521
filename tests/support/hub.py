"""A stand-in on this machine for the Hugging Face hub: the part of its HTTP interface that its client calls.

Repositories with commits and branches; files by LFS or in the commit itself; private ones for who has the token.
"""

import base64
import contextlib
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.support.web import in_a_thread

TOKEN = "hf_thetokenofthetests"
NAME = r"(?P<repository>[\w.-]+/[\w.-]+)"


class Repository:
    """Commits of a repository, oldest first, each a dict of the bytes of its files."""

    def __init__(self, private=False):
        self.private, self.commits, self.branches = private, {}, {}
        self.commit({".gitattributes": b""})

    def commit(self, files):
        """Adds a commit to the main branch; returns its number."""
        content = [(name, hashlib.sha256(data).hexdigest()) for name, data in sorted(files.items())]
        number = hashlib.sha1(json.dumps([len(self.commits), content]).encode()).hexdigest()
        self.commits[number] = files
        self.branches["main"] = number
        return number

    def files(self, revision="main"):
        """Returns the files of a branch or commit; None: there is no such."""
        return self.commits.get(self.number(revision))

    def number(self, revision):
        """Returns the commit of a branch or commit."""
        return self.branches.get(revision, revision)


class Hub(ThreadingHTTPServer):
    """The server; ``repositories`` by name, ``requests`` as they came, ``uploads`` by digest."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories, self.requests, self.uploads = {}, [], {}
        self.owner = "anna"
        self.broken = None

    @property
    def url(self):
        """Its address, for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    def change(self, repository, name, data):
        """Changes a file of a repository in a commit, as whoever may write there can."""
        there = self.repositories[repository]
        return there.commit({**there.files(), name: data})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *arguments):
        """Keeps the tests' output quiet."""

    def _answer(self):
        self.path = urlsplit(self.path).path
        self.server.requests.append((self.command, self.path))
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else self._chunks()
        self.known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.server.broken:
            return self._send(self.server.broken, {"error": "the hub is being mended"})
        for method, pattern, answer in _ROUTES:
            if method == self.command.replace("HEAD", "GET") and (found := re.fullmatch(pattern, self.path)):
                return answer(self, **{key: unquote(value) for key, value in found.groupdict().items() if value})
        return self._send(404, {"error": f"the stand-in does not know {self.command} {self.path}"})

    def _chunks(self):
        """Reads a body that comes in chunks."""
        parts = []
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        return b"".join(parts)

    def _send(self, status, value=None, headers=None, data=None):
        data = json.dumps(value).encode() if data is None else data
        self.send_response(status)
        for name, text in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(data)

    def _refuse(self, status, code, text):
        self._send(status, {"error": text}, {"X-Error-Code": code, "X-Error-Message": text})

    def _found(self, repository, revision="main"):
        """Returns a repository that this client may see; else it is refused."""
        there = self.server.repositories.get(repository)
        if there is None or (there.private and not self.known):
            return self._refuse(404 if self.known else 401, "RepoNotFound", "Repository not found")
        if there.files(revision) is None:
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return there

    def _may_write(self, repository):
        if not self.known:
            self._send(401, {"error": "Invalid username or password."})
        elif repository.partition("/")[0] != self.server.owner:
            self._send(403, {"error": "You don't have the rights to write there"})
        else:
            return True
        return False

    def create(self):
        asked = json.loads(self.body)
        repository = f"{asked['organization']}/{asked['name']}"
        if not self._may_write(repository):
            return
        if repository in self.server.repositories:
            self._send(409, {"error": "You already created this model repo", "url": f"{self.server.url}/{repository}"})
            return
        private = asked.get("visibility") == "private" or asked.get("private", False)
        self.server.repositories[repository] = Repository(private)
        self._send(200, {"url": f"{self.server.url}/{repository}"})

    def info(self, repository, revision="main"):
        if there := self._found(repository, revision):
            files = [{"rfilename": name, "size": len(data)} for name, data in there.files(revision).items()]
            about = {"id": repository, "private": there.private, "sha": there.number(revision), "siblings": files}
            self._send(200, about)

    def check_card(self):
        errors = (
            [] if "license: nonsense" not in json.loads(self.body)["content"] else [{"message": '"license" is wrong'}]
        )
        self._send(400 if errors else 200, {"errors": errors, "warnings": []})

    def preupload(self, repository, revision):
        if self._may_write(repository):
            files = json.loads(self.body)["files"]
            modes = [
                {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular"}
                for file in files
            ]
            self._send(200, {"files": [{**mode, "shouldIgnore": False} for mode in modes]})

    def batch(self, repository):
        if self._may_write(repository):
            objects = json.loads(self.body)["objects"]
            for one in objects:
                if one["oid"] not in self.server.uploads:
                    one["actions"] = {"upload": {"href": f"{self.server.url}/upload/{one['oid']}"}}
            self._send(200, {"transfer": "basic", "objects": objects})

    def upload(self, digest):
        assert hashlib.sha256(self.body).hexdigest() == digest
        self.server.uploads[digest] = self.body
        self._send(200, data=b"")

    def commit(self, repository, revision):
        if not self._may_write(repository):
            return
        there = self.server.repositories[repository]
        files = dict(there.files(revision))
        for line in self.body.splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                files[value["path"]] = self.server.uploads[value["oid"]]
            elif one["key"] == "deletedFile":
                del files[value["path"]]
        number = there.commit(files)
        self._send(200, {"commitUrl": f"{self.server.url}/{repository}/commit/{number}", "commitOid": number})

    def resolve(self, repository, revision, path):
        there = self._found(repository, revision)
        if not there:
            return
        data = there.files(revision).get(path)
        if data is None:
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        etag = hashlib.sha256(data).hexdigest()
        self._send(200, headers={"X-Repo-Commit": there.number(revision), "ETag": f'"{etag}"'}, data=data)


_ROUTES = [
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.check_card),
    ("GET", f"/api/models/{NAME}(/revision/(?P<revision>[^/]+))?", _Handler.info),
    ("POST", f"/api/models/{NAME}/preupload/(?P<revision>[^/]+)", _Handler.preupload),
    ("POST", f"/api/models/{NAME}/commit/(?P<revision>[^/]+)", _Handler.commit),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", "/upload/(?P<digest>[0-9a-f]{64})", _Handler.upload),
    ("GET", f"/{NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
]


def running():
    """Yields a running stand-in. To be made a fixture."""
    yield from in_a_thread(Hub())
