"""Shells complete the command line: their own completion runs the scripts that the task prints."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from recbole_idp.cli.arguments import parse_arguments
from recbole_idp.cli.completion import SHELLS
from recbole_idp.cli.completion.fish import fish_script
from recbole_idp.cli.completion.posix import bash_script, zsh_script
from recbole_idp.cli.completion.words import completed_words
from recbole_idp.cli.main import main
from recbole_idp.cli.tasks import TASKS
from tests.support.commands import refused

CASES = {
    "recbole-idp lea": ["leaderboard"],
    "recbole-idp help exp": ["export"],
    "recbole-idp keys Recf": ["Recformer"],
    "recbole-idp completion f": ["fish"],
    "recbole-idp run --model=Recf": ["--model=Recformer"],
    "recbole-idp run --model Recf": ["Recformer"],
    "recbole-idp run -m Recf": ["Recformer"],
    "recbole-idp --model=IDP,Recf": ["--model=IDP,Recformer"],
    "recbole-idp run --cdim_dep": ["--cdim_depth="],
    "recbole-idp run --model=Pop --cdim_dep": [],
    "recbole-idp run --model=Pop,IDP --cdim_dep": ["--cdim_depth="],
    "recbole-idp run --cdim_depth=head --cdim_dep": [],
    "recbole-idp run --cdim_depth=last": ["--cdim_depth=last_n"],
    "recbole-idp run --model=Conure --variants=": ["--variants=scratch", "--variants=learn", "--variants=stored"],
    "recbole-idp run --variants=scratch,fi": ["--variants=scratch,fine_tune"],
    "recbole-idp run --encoder=H": ["--encoder=HSTU"],
    "recbole-idp run --keep_users=t": ["--keep_users=true"],
    "recbole-idp recommend --route=u2i2": ["--route=u2i2i"],
    "recbole-idp recommend --cdim_dep": [],
    "recbole-idp convert --format=pix": ["--format=pixelrec"],
    "recbole-idp convert --mapp": [],
    "recbole-idp push --priv": ["--private="],
    "recbole-idp run --data_path=things --dataset=own": ["--dataset=own_data"],
    "recbole-idp run --data_path things --source_domains=own_data,own": ["--source_domains=own_data,own_data"],
    "recbole-idp recommend --trained=things/own": ["--trained=things/own_data/"],
    "recbole-idp recommend --users=things/own_data/o": ["--users=things/own_data/own_data.inter"],
    "recbole-idp run --debug lea": [],
}


@pytest.fixture(scope="module")
def words():
    return completed_words()


@pytest.fixture
def things(workplace):
    """Makes a folder with a dataset, and one without; returns the current folder."""
    (workplace / "things" / "own_data").mkdir(parents=True)
    (workplace / "things" / "owner").mkdir()
    (workplace / "things" / "own_data" / "own_data.inter").write_text("")
    (workplace / "things" / "owner").rmdir()
    return workplace


def test_bash_completes(words, things):
    (things / "script").write_text(bash_script(words))
    lines = "".join(f'try "{line}"\n' for line in CASES)
    code = (
        "set -eu; source ./script\n"
        'try() { COMP_LINE=$1 COMP_POINT=${#1}; _recbole_idp; for one in ${COMPREPLY[@]+"${COMPREPLY[@]}"}; do'
        " printf '%s\\t' $one; done; echo; }\n"
        f"COMP_WORDBREAKS=' '\n{lines}"
    )
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, check=False, cwd=things)
    assert done.stderr == "" and done.returncode == 0
    found = dict(zip(CASES, (line.split() for line in done.stdout.splitlines()), strict=True))
    assert found == CASES


def pressed(shell, environment, lines):
    """Types lines and TAB into an interactive shell on a terminal of its own; returns what stands in each then."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(shell[0], shell, {**os.environ, "TERM": "vt100", **environment})
    try:
        _read(terminal, "READY")
        found = {}
        for line in lines:
            os.write(terminal, line.encode() + b"\t")
            found[line] = _read(terminal, lines[line])
            os.write(terminal, b"\x15")
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)
    return found


def _read(terminal, until, patience=30):
    """Reads what a terminal shows until a text is there, or nothing has come for too long."""
    shown, end = "", time.monotonic() + patience
    while until not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


TYPED = {
    "recbole-idp lea": "recbole-idp leaderboard ",
    "recbole-idp run --model=Recf": "--model=Recformer",
    "recbole-idp run --variants=scratch,fi": "--variants=scratch,fine_tune",
    "recbole-idp recommend --trained=things/own": "--trained=things/own_data/",
}


def test_a_tab_in_bash_completes_at_each_break_of_words(words, things):
    (things / "rc").write_text(f"{bash_script(words)}\nPS1='READY '\nbind 'set bell-style none'\n")
    found = pressed(["bash", "--rcfile", "rc", "-i"], {}, TYPED)
    assert all(TYPED[line] in shown for line, shown in found.items()), found


def test_a_tab_in_zsh_completes(words, things):
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (things / ".zshrc").write_text(f"{zsh_script(words)}\nPS1='READY '\n")
    found = pressed(["zsh", "-i"], {"ZDOTDIR": str(things)}, TYPED)
    assert all(TYPED[line] in shown for line, shown in found.items()), found


def test_fish_completes(words, things):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    (things / "script").write_text(fish_script(words))
    lines = "\n".join(f"complete -C '{line}'; echo END" for line in CASES)
    command = ["fish", "--no-config", "-c", f"source ./script\n{lines}"]
    environment = {**os.environ, "HOME": str(things)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=things, env=environment)
    assert done.stderr == ""
    parts = [part.split() for part in done.stdout.split("END\n")[:-1]]
    # Fish also offers what has the letters in its middle.
    found = {
        line: sorted(one for one in part if one.startswith(line.split()[-1]))
        for line, part in zip(CASES, parts, strict=True)
    }
    assert found == {line: sorted(expected) for line, expected in CASES.items()}


def test_what_is_offered_can_be_parsed(words):
    for (task, model, key), values in words.choices.items():
        argv = [task] if task in TASKS else []
        argv += [f"--model={model}"] if model != "*" and key != "model" else []
        parse_arguments([*argv, *(f"--{key}={value}" for value in values[:1])], TASKS)
    assert set(words.tasks) == set(TASKS) and "cdim_depth" in words.model_keys["IDP"] and "epochs" in words.common


@pytest.mark.parametrize("shell", SHELLS)
def test_the_task_prints_a_script(shell, words, capsys):
    assert main(["completion", shell]) == 0
    assert f"for {shell}." in capsys.readouterr().out


def test_no_shell_or_an_unknown_one_is_refused(capsys):
    for argv in (["completion"], ["completion", "csh"], ["completion", "bash", "--model=IDP"]):
        refused(capsys, argv, "completion bash|zsh|fish")
