"""Give a sealed folder away on the hub: only what its seal lists, and a card made from its facts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_idp.errors import UserError
from recbole_idp.hub.address import check_repository
from recbole_idp.hub.card import hub_card, use_command
from recbole_idp.hub.download import SECONDS, SUBFOLDER, hub
from recbole_idp.hub.formats import kind_of, opener
from recbole_idp.hub.refusals import one_line
from recbole_idp.storage.sealed import check_sealed

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

CARD = "README.md"
_USERS = "users"


class Pushed(NamedTuple):
    """A folder that was given away.

    Attributes:
        url: The repository's page.
        private: Whether only those whom its owner admits see it.
        files: The number of sealed files, the description among them.
        size: Their bytes.
        commit: The commit.
        use: The command that uses the folder.
    """

    url: str
    private: bool
    files: int
    size: int
    commit: str
    use: str


def push(folder: str | Path, repository: str, private: bool, license: str | None) -> Pushed:
    """Put a sealed folder into a repository, in one commit that replaces what was pushed there before.

    Args:
        folder: The folder.
        repository: ``user/name``; it is made if it is missing.
        private: Whether a repository that is made is private.
        license: Licence for the card; None: the card names none.

    Returns:
        What was done.

    Raises:
        UserError: The folder is not as it was sealed or holds users, the hub refuses, or the repository is public and
            should not be.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    check_repository(repository)
    kind, folder = kind_of(folder), Path(folder)
    folder_format = opener(kind).folder_format
    about = check_sealed(folder, folder_format)
    names = [kind, *about["sha256"]]
    check_holds_nobody(folder, names)
    # Numbers that are none, and parts that do not fit each other, are refused here and not at whoever fetches it.
    opener(kind).open(folder)
    own_card = (
        (folder / CARD).read_text(encoding="utf-8") if CARD in names else f"# {opener(kind).folder_format.name}\n"
    )
    card = hub_card(repository, about, own_card, license)

    api, address = hub(), f"hf://{repository}"
    with one_line(address):
        url = api.create_repo(repository, private=private, exist_ok=True)
        there = api.model_info(repository, timeout=SECONDS)
        if private and not there.private:
            raise UserError(
                f"{address} is public, and private is true: give --private=false, or the name of another repository"
            )
        kept = {f"{SUBFOLDER}/{name}" for name in names}
        old = [file.rfilename for file in there.siblings or ()]
        stale = [name for name in old if name.startswith(f"{SUBFOLDER}/") and name not in kept]
        changes = [
            CommitOperationAdd(CARD, card.encode()),
            *(CommitOperationAdd(f"{SUBFOLDER}/{name}", str(folder / name)) for name in names),
            *(CommitOperationDelete(name) for name in stale),
        ]
        made = _commit(api, repository, changes, f"Push a {folder_format.name} of recbole_idp")
    size = sum((folder / name).stat().st_size for name in names)
    return Pushed(str(url), bool(there.private), len(names), size, made.oid, use_command(own_card, repository))


def _commit(api: HfApi, repository: str, changes: list[Any], message: str) -> CommitInfo:
    """Commit changes.

    Raises:
        UserError: The hub does not take the card, or a file cannot be uploaded.
    """
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return api.create_commit(repository, changes, commit_message=message)
    except HfHubHTTPError:
        raise
    except ValueError as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(f"hf://{repository}: the hub does not take the card ({said}): check --license") from error
    except RuntimeError as error:
        raise UserError(f"hf://{repository}: {error} Give the same command again") from error


def check_holds_nobody(folder: Path, names: Iterable[str]) -> None:
    """Check that a folder to give away holds no user.

    Args:
        folder: The folder, whose files were checked.
        names: Its files.

    Raises:
        UserError: A file is one of users, or a table names them.
    """
    for name in names:
        path = PurePosixPath(name)
        if path.stem == _USERS or (path.suffix == ".tsv" and _names_users(folder / name)):
            raise UserError(
                f"{folder} holds users ({name}), and what is given away holds none: train with --keep_users=false, or "
                "give its bundle"
            )


def _names_users(table: Path) -> bool:
    """Return whether a column of a table is one of users."""
    with table.open(encoding="utf-8", errors="replace") as file:
        header = file.readline(1 << 16)
    return any(column.strip().startswith("user") for column in header.split("\t"))
