"""Download a zipped data set; check, unpack and rename it before its folder appears."""

import http.client
import logging
import shutil
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

from recbole_idp.data.folders import SOURCE_FILE, read_source, write_source
from recbole_idp.errors import UserError
from recbole_idp.storage.files import sha256_of_file
from recbole_idp.storage.folders import new_folder
from recbole_idp.terminal.progress import progress_bar

ATOMIC_SUFFIXES = (".inter", ".item", ".user", ".kg", ".link", ".net")
TIMEOUT_SECONDS = 30
# URL -> SHA-256 of its archive, for those that were checked by hand. RecBole publishes none.
KNOWN_SHA256: dict[str, str] = {}

MOST_RATIO = 100
"""How many times smaller than its content an archive may be; data sets shrink to a third or a tenth."""

_SMALL = 1 << 24
_MOST_MEMBERS = 10_000
_BLOCK = 1 << 18
_Answer = TypeVar("_Answer")
_logger = logging.getLogger(__name__)


def download(url: str, name: str, folder: Path, checksums: Mapping[str, str] | None = None) -> None:
    """Download a zip of atomic files to ``folder``, renamed to ``name.inter``, ``name.item`` and so on.

    The archive's SHA-256 is compared with the known one and with that of an earlier download, then noted in
    ``folder/source.json``. If anything fails, nothing is left behind.

    Args:
        url: The URL of the zip.
        name: The new name of the data set.
        folder: The folder to make; it may hold the ``source.json`` of an earlier download.
        checksums: URL -> SHA-256; ``KNOWN_SHA256`` by default.

    Raises:
        UserError: There is no network. Or the download is incomplete, is not a zip, is not the one expected, is unsafe
            to unpack or has no interactions. Or the folder cannot be written.
    """
    known = KNOWN_SHA256 if checksums is None else checksums
    with new_folder(folder, note=SOURCE_FILE) as building:
        archive, unpacked = building / ".archive.zip", building / ".unpacked"
        _fetch(url, archive, name, folder)
        checksum = sha256_of_file(archive)
        _logger.info("%s: %d bytes, SHA-256 %s", url, archive.stat().st_size, checksum)
        _compare(checksum, url, known, read_source(folder), folder)
        write_source(building, origin=f"downloaded from {url}", url=url, sha256=checksum, bytes=archive.stat().st_size)
        _unpack(archive, unpacked, url)
        _take(unpacked, building, name, url)
        archive.unlink()
        shutil.rmtree(unpacked)


def _fetch(url: str, path: Path, name: str, folder: Path) -> None:
    """Download ``url`` to ``path`` with a progress bar, and check the length."""
    by_hand = f"try again, or put {name}.inter and {name}.item into {folder} by hand"
    response = _online(url, by_hand, lambda: urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS))
    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdigit() else None
    with (
        response,
        open(path, "wb") as file,
        progress_bar(total=expected, unit="B", unit_scale=True, desc=f"download {name}") as bar,
    ):
        while block := _online(url, by_hand, lambda: response.read(_BLOCK)):
            file.write(block)
            bar.update(len(block))
        received = file.tell()
    if expected is not None and received != expected:
        raise UserError(f"only {received} of {expected} bytes of {url} came: {by_hand}")


def _online(url: str, by_hand: str, call: Callable[[], _Answer]) -> _Answer:
    """Return what ``call`` returns; turn an error of the network into a line for the user."""
    try:
        return call()
    except (OSError, http.client.HTTPException) as error:
        reason = (error.reason if isinstance(error, urllib.error.URLError) else None) or error
        if isinstance(error, urllib.error.HTTPError):
            reason = f"HTTP {error.code} {reason}"
        reason = " ".join(str(reason).split()) or type(error).__name__
        raise UserError(f"cannot download {url} ({reason}): {by_hand}") from error


def _compare(checksum: str, url: str, known: Mapping[str, str], earlier: Mapping[str, Any], folder: Path) -> None:
    """Check that the archive is the known one of this URL."""
    if checksum != known.get(url, checksum):
        raise UserError(f"{url} has SHA-256 {checksum}, not the known {known[url]}: it was changed; do not use it")
    if earlier.get("url") == url and earlier.get("sha256", checksum) != checksum:
        changed = f"{url} has SHA-256 {checksum}, unlike {earlier['sha256']} of the earlier download"
        raise UserError(f"{changed}; to accept the new one, delete the folder {folder}")


def _unpack(archive: Path, folder: Path, url: str) -> None:
    """Unpack a zip, which checks each file's CRC; refuse one with files outside of ``folder``."""
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            for member in members:
                _check_member(member, url)
            unpacked = sum(member.file_size for member in members)
            if len(members) > _MOST_MEMBERS or unpacked > max(_SMALL, MOST_RATIO * archive.stat().st_size):
                raise UserError(
                    f"the archive from {url} unpacks to {len(members):,} files of {unpacked:,} bytes, "
                    "more than a data set of its size: do not use it"
                )
            content.extractall(folder)
    # zipfile raises RuntimeError for an encrypted archive, NotImplementedError for a compression it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"the download from {url} is no valid zip archive ({reason}): try again later") from error


def _check_member(member: zipfile.ZipInfo, url: str) -> None:
    """Check that a file of the archive stays inside the folder and is not a link."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or PureWindowsPath(member.filename).drive
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise UserError(f"the archive from {url} holds the unsafe path {member.filename!r}: do not use it")


def _take(unpacked: Path, folder: Path, name: str, url: str) -> None:
    """Move the atomic files to ``folder`` as ``name.inter`` and so on; keep what follows the first dot of a name."""
    files = [path for path in sorted(unpacked.rglob("*")) if path.is_file() and not _is_clutter(path)]
    taken = [path for path in files if path.suffix in ATOMIC_SUFFIXES]
    if not any(path.suffix == ".inter" for path in taken):
        found = ", ".join(path.name for path in files[:5]) or "nothing"
        raise UserError(f"the archive from {url} has no .inter file but {found}: it is no RecBole data set")
    for path in taken:
        alone = sum(other.suffix == path.suffix for other in taken) == 1
        target = folder / (name + (path.suffix if alone else path.name[path.name.index(".") :]))
        if target.exists():
            raise UserError(f"the archive from {url} has two files for {target.name}: unpack it by hand")
        path.rename(target)


def _is_clutter(path: Path) -> bool:
    """Return whether a file is one of those that macOS adds to archives."""
    return path.name.startswith("._") or "__MACOSX" in path.parts
