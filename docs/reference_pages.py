"""Fill the generated parts of the pages: a hook of mkdocs, which mkdocs.yml names.

A page asks for a part by a comment on a line of its own:

    <!-- keys: properties/model/IDP.yaml -->    the table of keys of a YAML file
    <!-- tasks -->                              the tasks of the command line

Values, order and meaning of keys are those of the YAML files that users read, types and what a key affects those of its
declaration; a test of the package holds the two equal.
"""

import ast
import re
import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
TASKS = ROOT / "recbole_idp" / "cli" / "tasks.py"
_PART = re.compile(r"^<!-- (keys|tasks)(?:: (\S+))? -->$", re.MULTILINE)
_ROLE = re.compile(r":(?:class|func|meth|data|attr|mod):\s*<code>~?(?:\w+\.)*(\w+)</code>")
_KEY = re.compile(r"^(?P<key>\w+):.*?#\s*\([^)]*\)\s*(?P<text>.*)$")


class Key(NamedTuple):
    """A key of a YAML file.

    Attributes:
        group (str): The heading that it stands under; empty: none.
        name (str): The key.
        default (str): Its value, as YAML on one line.
        type (str): Its type in words.
        affects (str): What it affects, in words.
        text (str): What it means.
    """

    group: str
    name: str
    default: str
    type: str
    affects: str
    text: str


def read_keys(path: Path) -> list[Key]:
    """Read the keys of a YAML file: what stands there, and what their declarations say.

    Args:
        path: The file. Its head, up to the first empty line, describes the file and is skipped.

    Returns:
        The keys in the file's order.

    Raises:
        ValueError: A key has no comment with its meaning.
    """
    from recbole_idp.config.declarations import declared_settings
    from recbole_idp.config.reference import affects_name

    model = path.stem if path.parent.name == "model" else "IDP"
    declared = {**declared_settings("IDP"), **declared_settings(model)}
    text = path.read_text(encoding="utf-8")
    values = yaml.safe_load(text) or {}
    keys, group, rest = [], "", text.partition("\n\n")[2]
    for line in rest.splitlines():
        if not line.strip():
            group = ""
        elif line.startswith("# "):
            group = line[2:].partition(":")[0]
        elif match := _KEY.match(line):
            default = _flow(values[match["key"]])
            setting = declared[match["key"]]
            facts = setting.type_name(), affects_name(setting.affects)
            keys.append(Key(group, match["key"], default, *facts, match["text"]))
        elif keys and (more := re.match(r"^\s{20,}# (.*)$", line)):
            keys[-1] = keys[-1]._replace(text=f"{keys[-1].text} {more[1]}")
    if missing := set(values) - {key.name for key in keys}:
        raise ValueError(f"{path}: no meaning beside {', '.join(sorted(missing))}")
    return keys


def keys_table(path: Path) -> str:
    """Return the keys of a YAML file as Markdown tables, one for each of its groups."""
    groups = {}
    for key in read_keys(path):
        groups.setdefault(key.group, []).append(key)
    parts = []
    for group, keys in groups.items():
        lines = [f"**{group or 'Others'}**", ""] if len(groups) > 1 else []
        lines += ["| key | default | type | affects | meaning |", "| --- | --- | --- | --- | --- |"]
        for key in keys:
            cells = [f"`{key.name}`", f"`{key.default}`", key.type, key.affects, escape(key.text, quote=False)]
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def tasks_table() -> str:
    """Return the tasks of the command line as a Markdown table, read from the source without importing it."""
    tree = ast.parse(TASKS.read_text(encoding="utf-8"))
    (table,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TASKS" and isinstance(node.value, ast.Dict)
    )
    lines = ["| task | what it does |", "| --- | --- |"]
    for name, task in zip(table.keys, table.values, strict=True):
        lines.append(f"| `{ast.literal_eval(name)}` | {_cell(ast.literal_eval(task.args[1]))} |")
    return "\n".join(lines)


def on_config(config, **_):
    """Let the package be imported from the checkout, installed or not; mkdocs calls this once."""
    sys.path.insert(0, str(ROOT))
    return config


def on_page_markdown(markdown: str, **_) -> str:
    """Replace the comments of a page by the parts that they name; mkdocs calls this for each page."""
    return _PART.sub(lambda match: tasks_table() if match[1] == "tasks" else keys_table(ROOT / match[2]), markdown)


def on_page_content(html: str, **_) -> str:
    """Show roles of docstrings, such as ``:class:`~package.Name```, as the last part of the name."""
    return _ROLE.sub(r"<code>\1</code>", html)


def _flow(value):
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.strip().removesuffix("...").strip()


def _cell(text):
    return text.replace("|", "\\|")
