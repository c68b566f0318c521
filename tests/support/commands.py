"""Commands in this process: their arguments, what they print, and the line with which they refuse."""

import json

import pytest

from recbole_idp.cli.main import main as recbole_idp
from recbole_idp.errors import UserError
from recbole_idp.testing.toy import settings


def options(values):
    """Returns values by key as options of a command; a value None leaves its key out."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    return [f"--{key}={text}" for key, text in texts.items() if values[key] is not None]


def command(folder, task="run", dataset="shop", **changes):
    """Returns the arguments that run a task on the toy domains in ``folder / "data"``; None leaves a key out."""
    return [task, *options({"dataset": dataset, **settings(folder / "data", **changes)})]


_NOT_OF_POP = ("hidden_size", "inner_size", "n_layers", "hidden_dropout_prob", "attn_dropout_prob", "epoch_steps")
_NOT_OF_POP += ("pretrain_batch_size", "pretrain_negatives", "pretrain_valid_users", "pretrain_epochs")


def pop(folder, dataset, task="run"):
    """Returns the arguments of the shortest of all runs: RecBole's Pop on a dataset below ``folder / "data"``."""
    return command(folder, task, dataset, model="Pop", source_domains=None, **dict.fromkeys(_NOT_OF_POP))


def printed(capture, *argv, status=0):
    """Runs a command that prints nothing to stderr; returns what it prints."""
    assert recbole_idp(list(argv)) == status
    out, err = capture.readouterr()
    assert err == ""
    return out


def refused(capture, argv, *says, main=recbole_idp, name="recbole-idp", progress=()):
    """Runs a command that must be refused; returns the line that says why.

    Args:
        capture (CaptureFixture): ``capsys`` or ``capfd``.
        argv (Sequence[str]): The command.
        *says (str): What the line must hold.
        main (Callable[[list[str]], int]): The program.
        name (str): Its name, with which the line begins.
        progress (tuple[str, ...]): How lines begin that may be printed to stderr before.
    """
    capture.readouterr()
    status = main(list(argv))
    out, err = capture.readouterr()
    assert status == 2, out + err
    assert out == "" and "Traceback" not in err, out + err
    *lines, rest = err.split("\n")
    lines = [line for line in lines if not line.startswith(progress)]
    assert len(lines) == 1 and lines[0].startswith(f"{name}: ") and rest == "", err
    for text in says:
        assert text in lines[0]
    return lines[0]


def refusal(call, *arguments, **keywords):
    """Returns the one line with which a call refuses its arguments."""
    with pytest.raises(UserError) as caught:
        call(*arguments, **keywords)
    line = str(caught.value)
    assert line and "\n" not in line, line
    return line
