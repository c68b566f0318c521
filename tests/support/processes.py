"""Commands in processes of their own, which can be struck, confined, or run at once."""

import contextlib
import io
import multiprocessing
import os
import resource
import sys
import time
import traceback
from pathlib import Path

from recbole_idp.cli.main import main

_TICKS = os.sysconf("SC_CLK_TCK")
_CONTEXT = multiprocessing.get_context("forkserver")
# Slow imports, done once: every process is forked from one that has them behind it.
_CONTEXT.set_forkserver_preload(["recbole_idp.run.run", "sklearn.decomposition", "torch._dynamo"])


def work(argv, folder, limit=None, confine=None):
    """Runs the command line, what it prints going to the files ``out`` and ``err``, and its seconds to ``cpu``."""
    os.chdir(folder)
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    if confine is not None:
        confine()
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    status = main(argv)
    if limit is None:
        (folder / "cpu").write_text(str(sum(os.times()[:4])))
    sys.exit(status)


def starter():
    """Yields a function that starts :func:`work`; what still runs at the end is killed. To be made a fixture.

    ``confine`` is called before the command; it is found by its name, as it is sent to the process.
    """
    started = []

    def start(folder, argv, limit=None, confine=None):
        process = _CONTEXT.Process(target=work, args=(argv, folder, limit, confine))
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()


def seconds(process):
    """Returns the processor time of a process and of its children, which a busy machine does not stretch."""
    return sum(map(_seconds, [process.pid, *children(process.pid)]))


def _seconds(number):
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # Its own, and that of children that have ended.
    return sum(int(field) for field in fields[11:15]) / _TICKS


def children(number):
    """Returns the numbers of the running children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
    except OSError:
        return []


def killed_after(process, moment):
    """Kills a process when it and its children have used so many seconds; returns how it ended."""
    while process.is_alive() and seconds(process) < moment:
        time.sleep(0.002)
    process.kill()
    process.join(60)
    return process.exitcode


def on_terminal(name):
    """Lets stderr of this process be the terminal of this name."""
    os.dup2(os.open(name, os.O_WRONLY | os.O_NOCTTY), 2)


def answers(folder, confine, commands):
    """Runs commands one after the other in one process that ``confine`` has confined.

    Args:
        folder (Path): The current folder there.
        confine (Callable[[], None]): Called first; to be found by its name, as it is sent to the process.
        commands (dict[str, list[str]]): Arguments by a name.

    Returns:
        dict[str, tuple[int | str, str, list[str]]]: By name the exit status or a traceback, what was printed to stderr,
        and the names of files that it left.
    """
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_answer, args=(folder, confine, commands, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def _answer(folder, confine, commands, pipe):
    os.chdir(folder)
    confine()
    found = {}
    for name, argv in commands.items():
        before, err = _names(folder), io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            try:
                status = main(argv)
            except BaseException:
                status = traceback.format_exc()
        found[name] = status, err.getvalue(), sorted(_names(folder) - before)
    pipe.send(found)


def _names(folder):
    """Returns the names of all that counts: not of logs, which RecBole writes."""
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in paths if path.parts[0] not in ("log", "log_tensorboard")}
