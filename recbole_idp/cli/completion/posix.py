"""The script for bash, which zsh runs as well, by its own emulation of bash's completion."""

from __future__ import annotations

from collections.abc import Iterable

from recbole_idp.cli.completion.words import Words, script

_ZSH = """autoload -U +X compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
"""


def bash_script(words: Words) -> str:
    """Return the script for bash."""
    return f"# Completion of recbole-idp for bash.\n{_data(words)}\n{script('complete.sh')}"


def zsh_script(words: Words) -> str:
    """Return the script for zsh."""
    return f"# Completion of recbole-idp for zsh.\n{_ZSH}{_data(words)}\n{script('complete.sh')}"


def _data(words: Words) -> str:
    """Return variables and functions with the words."""
    variables = "".join(f'RECBOLE_IDP_{name.upper()}="{" ".join(found)}"\n' for name, found in words.lists().items())
    modelled = "|".join([*words.modelled, '""'])
    keys = (
        "_recbole_idp_keys() {  # task, model, or several models with commas\n"
        f'    case "$1" in\n{_cases(words.task_keys.items())}    esac\n'
        f'    case "$1" in {modelled}) ;; *) return ;; esac\n'
        f'    echo "{" ".join(words.common)}"\n'
        + "".join(
            f'    case ",$2," in *",{model},"*) echo "{" ".join(found)}" ;; esac\n'
            for model, found in words.model_keys.items()
        )
        + "}\n"
    )
    choices = [("/".join(place), found) for place, found in words.choices.items()]
    return (
        f"{variables}\n{keys}\n"
        f'_recbole_idp_choices() {{  # task/model/key\n    case "$1" in\n{_cases(choices)}    esac\n}}\n\n'
        f'_recbole_idp_words() {{  # task\n    case "$1" in\n{_cases(words.arguments.items())}    esac\n}}\n'
    )


def _cases(rows: Iterable[tuple[str, Iterable[str]]]) -> str:
    """Return branches that print the words of a pattern."""
    return "".join(f'        {pattern}) echo "{" ".join(found)}" ;;\n' for pattern, found in rows)
