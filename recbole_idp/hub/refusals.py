"""Turn what the hub refuses, and a network that is missing, into one line."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from recbole_idp.errors import UserError
from recbole_idp.terminal.progress import is_shown

_LOGIN = "run `hf auth login`, or set HF_TOKEN"


class OutOfReach(UserError):
    """The hub cannot be asked: there is no network, or HF_HUB_OFFLINE is set."""


@contextlib.contextmanager
def one_line(address: object) -> Iterator[None]:
    """Turn the errors of huggingface_hub, in a block that asks the hub, into a line for the user.

    Args:
        address: What is asked for, with which each line begins.

    Raises:
        OutOfReach: The hub cannot be asked.
        UserError: The hub refuses.
    """
    from huggingface_hub import errors

    # The client's own base class, of whichever HTTP library this version of it uses.
    http_error: Any = errors.HfHubHTTPError.__bases__[0]
    try:
        with _without_advice():
            yield
    except errors.OfflineModeIsEnabled:
        raise OutOfReach(f"{address}: HF_HUB_OFFLINE is set: unset it, or give a folder of this machine") from None
    except errors.RevisionNotFoundError:
        raise UserError(
            f"{address}: the repository has no such revision: check the name of the branch or tag"
        ) from None
    except errors.GatedRepoError:
        raise UserError(f"{address}: its owner decides who may read it: ask on its page, and {_LOGIN}") from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"{address}: the hub has no such repository, or none that you may see: check the name; for a private one "
            f"{_LOGIN}"
        ) from None
    except errors.LocalEntryNotFoundError:
        raise OutOfReach(
            f"{address}: not all of it was fetched before, and the hub is out of reach: connect to the network, or "
            "give a folder of this machine"
        ) from None
    except errors.EntryNotFoundError:
        raise UserError(f"{address}: a file of it is missing on the hub: ask its owner to push it again") from None
    except errors.HfHubHTTPError as error:
        raise _refused(address, error) from None
    except (http_error, ConnectionError, TimeoutError) as error:
        raise OutOfReach(
            f"{address}: the hub is out of reach ({type(error).__name__}): connect to the network, or give a folder of "
            "this machine"
        ) from None


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Silence the client's advice, and its progress bars where nobody watches them, as all of this package does."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("huggingface_hub")
    level, silenced = logger.level, not is_shown(True) and not are_progress_bars_disabled()
    try:
        logger.setLevel(logging.ERROR)
        if silenced:
            disable_progress_bars()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        if silenced:
            enable_progress_bars()


def _refused(address: object, error: Exception) -> UserError:
    """Return the line for an answer that means a refusal."""
    status = error.response.status_code  # type: ignore[attr-defined]  # an answer of the hub
    if status in (401, 403):
        return UserError(
            f"{address}: the hub does not let you do this (status {status}): {_LOGIN} with the right to it"
        )
    said = getattr(error, "server_message", None)
    line = f"{address}: the hub answers with status {status}{f' ({said[:200]})' if said else ''}"
    return OutOfReach(f"{line}: try later") if status >= 500 else UserError(f"{line}: check what you gave")
