"""The script for fish."""

from __future__ import annotations

from collections.abc import Iterable

from recbole_idp.cli.completion.words import Words, script


def fish_script(words: Words) -> str:
    """Return the script for fish."""
    parts = ["# Completion of recbole-idp for fish.", ""]
    parts += [f"set -g __recbole_idp_{name} {' '.join(found)}" for name, found in words.lists().items()]
    parts += ["", "function __recbole_idp_keys # task, model, or several models with commas"]
    parts += _switch("$argv[1]", words.task_keys.items())
    parts += [f"    contains -- \"$argv[1]\" '' {' '.join(words.modelled)}; or return"]
    parts += [f"    printf '%s\\n' {' '.join(words.common)}"]
    parts += ["    for model in (string split , -- $argv[2])"]
    parts += ["    " + line for line in _switch("$model", words.model_keys.items())]
    parts += ["    end", "end", "", "function __recbole_idp_choices # task/model/key"]
    parts += _switch("$argv[1]", ((f"'{'/'.join(place)}'", found) for place, found in words.choices.items()))
    parts += ["end", "", "function __recbole_idp_words # task"]
    parts += _switch("$argv[1]", words.arguments.items())
    return "\n".join([*parts, "end", "", script("complete.fish")])


def _switch(of: str, rows: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Return lines that print the words of a pattern."""
    cases = [line for pattern, found in rows for line in _case(pattern, found)]
    return [f'    switch "{of}"', *cases, "    end"]


def _case(pattern: str, found: Iterable[str]) -> list[str]:
    """Return the branch of a pattern."""
    return [f"        case {pattern}", f"            printf '%s\\n' {' '.join(found)}".rstrip()]
