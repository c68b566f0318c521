"""Recognise errors that mean that memory has run out, and say so in one line."""

from __future__ import annotations

import errno
import importlib
import os
import re
import sys
from collections.abc import Iterator

from recbole_idp.errors import UserError

# The words of PyTorch (processor and accelerator), C++, Python's threads, the loader of libraries, safetensors, and
# oneDNN, which says no more where it has no memory for a kernel.
_WORDS = re.compile(
    r"can't allocate memory|out of memory|cannot allocate memory|bad_alloc|can't start new thread|"
    r"failed to map segment|unable to allocate|\(os error 12\)|insufficient memory|could not create a primitive",
    re.IGNORECASE,
)
# What Python says where it could not even make an exception.
_SPEECHLESS = "without exception set"
# Where less address space is allowed, a library may crash while it is loaded.
_PLENTY = 16 << 30
_LOADED, _NOT_LOADED, _OTHER = range(3)
_AMOUNT = re.compile(r"\d+(\.\d+)? ?(bytes|[KMGT]i?B)")


def memory_line(error: BaseException) -> str | None:
    """Return the line for an error that means that memory has run out.

    Args:
        error: What has ended a command.

    Returns:
        How much was asked for, where the error says it, and the remedy; None: it means something else.
    """
    found = next(filter(_means_no_memory, _chain(error)), None)
    if found is None:
        return None
    amount = _AMOUNT.search(str(found))
    remedy = "lower hidden_size, MAX_ITEM_LIST_LENGTH or a batch size, or take a larger machine"
    if limit := _limit():
        remedy += f", or {_raise(limit)}"
    return f"not enough memory, {amount[0] if amount else 'more'} were asked for: {remedy}"


def quiet_about_memory() -> None:
    """Let the end of this process add nothing to the line: what libraries do at the end needs memory as well."""
    show = sys.unraisablehook

    def quiet(dropped: sys.UnraisableHookArgs) -> None:
        if dropped.exc_value is None or memory_line(dropped.exc_value) is None:
            show(dropped)

    sys.unraisablehook = quiet


def check_loadable(module: str) -> None:
    """Check that a module can be loaded under the limit of address space, if there is a low one.

    Libraries in C++ crash where they are loaded with too little, so that it is tried in a process of its own.

    Args:
        module: The module.

    Raises:
        UserError: It cannot be loaded.
    """
    limit = _limit()
    if limit is None or limit >= _PLENTY or module in sys.modules:
        return
    child = os.fork()
    if not child:
        os._exit(_load(module))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (_LOADED, _OTHER):
        raise UserError(f"not enough memory to load PyTorch and RecBole: {_raise(limit)}")


def _load(module: str) -> int:
    """Load a module quietly and return how that went; other errors are left to the process that needs the module."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        importlib.import_module(module)
    except BaseException as error:
        return _NOT_LOADED if memory_line(error) else _OTHER
    return _LOADED


def _raise(limit: int) -> str:
    """Return what to do about a limit."""
    return f"raise the limit of this process, {limit / 2**30:.1f} GiB (ulimit -v)"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was made of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _means_no_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if isinstance(error, SystemError):
        return _SPEECHLESS in str(error)
    # The others' words may be quoted by an error of the data, whose classes are not these.
    named = isinstance(error, (RuntimeError, ImportError, OSError)) or type(error).__name__ == "SafetensorError"
    return named and _WORDS.search(str(error)) is not None


def _limit() -> int | None:
    """Return the bytes of address space that this process may have; None: no limit is set, or none is known."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit
