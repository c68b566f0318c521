"""Progress bars stand on a terminal, and neither in files nor in pipes."""

import fcntl
import functools
import os
import pty
import struct
import termios
import threading

import pytest

from recbole_idp.testing.toy import TINY
from tests.support.commands import command
from tests.support.processes import on_terminal

BARS = ("it/s", "batch/s", "item/s", "job/s", "%|")
SIZES = dict.fromkeys(("hidden_size", "inner_size", "n_layers", "hidden_dropout_prob", "attn_dropout_prob"))
OURS = dict.fromkeys(key for key in TINY if key.startswith("pretrain_")) | {"epoch_steps": None}
# Of this package, and RecBole's own loop.
RUNS = {
    "IDP": {"variants": ["fine_tune"], "cdim_epochs": 1},
    "NPE": {**SIZES, **OURS, "source_domains": None, "train_neg_sample_args": None},
    "Pop": {**SIZES, **OURS, "source_domains": None},
}


def run(workplace, processes, model, **options):
    """Runs a model with progress bars asked for; returns what it has printed to the file ``err``."""
    argv = command(workplace, model=model, **RUNS[model], state="INFO", show_progress=True)
    process = processes(workplace, argv, **options)
    process.join(120)
    text = (workplace / "err").read_text()
    assert process.exitcode == 0, text
    return text


@pytest.mark.parametrize("model", RUNS)
def test_a_file_holds_the_log_and_no_bars(model, domains, workplace, processes):
    text = run(workplace, processes, model)
    assert "epoch 0 training" in text
    assert "\r" not in text and not any(bar in text for bar in BARS)
    assert "\x1b" not in text


@pytest.mark.parametrize("model", RUNS)
def test_a_terminal_shows_the_bars(model, domains, workplace, processes):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    shown = []

    def read():
        while block := os.read(ours, 1 << 16):
            shown.append(block.decode(errors="replace"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    run(workplace, processes, model, confine=functools.partial(on_terminal, os.ttyname(theirs)))
    os.write(theirs, b"end")
    reader.join(0.5)
    assert "Train " in "".join(shown) and "%|" in "".join(shown)
