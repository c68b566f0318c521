"""Fetch a sealed folder from the hub, and check it before anything uses it.

hf://user/name -> description -> the files that it lists, through the cache of huggingface_hub -> each compared with its
hash -> a folder of the commit, without links -> opened like any other
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from recbole_idp.errors import UserError
from recbole_idp.hub.address import HubAddress, is_address, parse_address
from recbole_idp.hub.formats import KINDS, opener
from recbole_idp.hub.refusals import OutOfReach, one_line
from recbole_idp.storage.files import MOST_JSON_BYTES, sha256_of_file
from recbole_idp.storage.folders import new_folder
from recbole_idp.storage.sealed import DATA_SUFFIXES, read_sealed

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SUBFOLDER = "model"
"""The folder of a repository that holds the sealed one; the card of the repository lies beside it."""
MOST_BYTES, MOST_FILES = 32 << 30, 10_000
"""The largest folder that is fetched."""
SECONDS = 8
"""How long an answer of the hub may take."""
_SAFE = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]*")


def local_folder(given: str | Path) -> str | Path:
    """Return the folder of this machine that is meant.

    Args:
        given: A folder, which is returned as it is, or an address on the hub, ``hf://user/name`` or
            ``hf://user/name@revision``, which is fetched and checked.

    Returns:
        The folder.

    Raises:
        UserError: The address is wrong, the hub refuses it or is out of reach and has not been asked before, or what it
            has is not as it was sealed.
    """
    return fetch(parse_address(str(given))) if is_address(given) else given


def hub() -> HfApi:
    """Return the client of the hub that ``HF_ENDPOINT`` names, by default that of Hugging Face."""
    from huggingface_hub import HfApi

    return HfApi(library_name="recbole_idp")


def fetch(address: HubAddress) -> Path:
    """Fetch a folder, or find the one that was fetched from the same commit.

    Args:
        address: Where it is.

    Returns:
        The folder, in the cache of huggingface_hub.

    Raises:
        UserError: As of :func:`local_folder`.
    """
    api = hub()
    try:
        with one_line(address):
            described, sizes = _ask(api, address)
    except OutOfReach as error:
        if (found := _described_before(address)) is None:
            raise
        described, sizes = found, None
        logging.getLogger().warning(f"{error}; the copy that was fetched before is used")
    commit = described.relative_to(_snapshots(described)).parts[0]
    folder = _place(address, commit)
    if not folder.exists():
        description = _description(address, described)
        files = description["sha256"]
        _check_files(address, files, sizes)
        source = HubAddress(address.repository, commit)
        logging.getLogger().info(f"Fetching {source}: {len(files) + 1} files{_amount(files, sizes)}")
        with new_folder(folder) as building:
            _put(described, building / described.name)
            for name, expected in files.items():
                with one_line(address):
                    found = Path(_file(api, source, name, local_only=sizes is None))
                if sha256_of_file(found) != expected:
                    raise UserError(f"{source}: {name} is damaged or was changed: do not use it, ask its owner")
                _put(found, building / name)
    logging.getLogger().info(f"{address}: commit {commit}, in {folder}")
    return folder


def _ask(api: HfApi, address: HubAddress) -> tuple[Path, dict[str, int]]:
    """Ask the hub which files there are, and fetch the one that describes the folder.

    Returns:
        The description in the cache, below the commit that it is of; the size of each file of that commit.
    """
    revision = address.revision
    while True:
        info = api.model_info(address.repository, revision=revision, files_metadata=True, timeout=SECONDS)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
        kinds = [name for name in KINDS if f"{SUBFOLDER}/{name}" in sizes]
        if len(kinds) != 1:
            raise UserError(
                f"{address}: the repository has no folder that recbole-idp push has put there: check the name"
            )
        if (size := sizes[f"{SUBFOLDER}/{kinds[0]}"]) > MOST_JSON_BYTES:
            raise UserError(f"{address}: {kinds[0]} has {size:,} bytes, more than {MOST_JSON_BYTES:,}: do not use it")
        # By the name of the revision, so that the cache knows later which commit it was.
        described = Path(_file(api, address, kinds[0]))
        commit = described.relative_to(_snapshots(described)).parts[0]
        if commit == info.sha:
            return described, {name.removeprefix(f"{SUBFOLDER}/"): size for name, size in sizes.items()}
        # The branch has moved between the two questions.
        revision = commit


def _file(api: HfApi, address: HubAddress, name: str, local_only: bool = False) -> str:
    """Return the path of a file in the cache, which is fetched where it is missing."""
    return api.hf_hub_download(
        address.repository,
        f"{SUBFOLDER}/{name}",
        revision=address.revision,
        etag_timeout=SECONDS,
        local_files_only=local_only,
    )


def _described_before(address: HubAddress) -> Path | None:
    """Return the description that was fetched before; None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    for name in KINDS:
        found = try_to_load_from_cache(address.repository, f"{SUBFOLDER}/{name}", revision=address.revision)
        if isinstance(found, str):
            return Path(found)
    return None


def _snapshots(described: Path) -> Path:
    """Return the folder of the cache that has a folder for each commit."""
    return described.parents[2]


def _place(address: HubAddress, commit: str) -> Path:
    """Return the place of the folder of a commit: where the client lets other packages keep files."""
    from huggingface_hub import cached_assets_path, constants

    user, _, name = address.repository.partition("/")
    place = cached_assets_path("recbole_idp", namespace=user, subfolder=name, assets_dir=constants.HF_ASSETS_CACHE)
    return place / f"{name}-{commit[:12]}"


def _description(address: HubAddress, described: Path) -> dict[str, Any]:
    """Read the description, and check that this version can use the folder."""
    try:
        return read_sealed(described.parent, opener(described.name).folder_format)
    except UserError as error:
        raise UserError(f"{address}: {error}") from None


def _check_files(address: HubAddress, files: Mapping[str, str], sizes: Mapping[str, int] | None) -> None:
    """Check the names of the listed files, and their sizes where the hub has told them.

    Raises:
        UserError: A name is none that this package writes, a file is missing, or all are too large.
    """
    for name in files:
        if not _SAFE.fullmatch(name) or PurePosixPath(name).suffix not in DATA_SUFFIXES:
            raise UserError(f"{address}: its list names {name}, which no such folder holds: do not use it")
        if sizes is not None and name not in sizes:
            raise UserError(f"{address}: lacks {name}: ask its owner to push it again")
    total = sum(sizes[name] for name in files) if sizes is not None else 0
    if total > MOST_BYTES or len(files) > MOST_FILES:
        raise UserError(
            f"{address}: has {len(files):,} files of {total:,} bytes, more than {MOST_FILES:,} of {MOST_BYTES:,}: do "
            "not use it"
        )


def _amount(files: Mapping[str, str], sizes: Mapping[str, int] | None) -> str:
    """Return the words for the size of the files; empty where it is not known."""
    return "" if sizes is None else f", {sum(sizes[name] for name in files) / (1 << 20):,.1f} MiB"


def _put(source: Path, target: Path) -> None:
    """Put a file of the cache into a folder, without taking its space twice where the disk allows it.

    The cache's own folders hold links, which a sealed folder must not.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    source = source.resolve()
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)
