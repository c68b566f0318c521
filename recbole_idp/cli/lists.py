"""Tasks that list something: models, their keys, datasets."""

from __future__ import annotations

from pathlib import Path

from recbole_idp import registry
from recbole_idp.cli.arguments import Options
from recbole_idp.cli.columns import columns
from recbole_idp.cli.completion import SHELLS
from recbole_idp.cli.jobs import resolve_options
from recbole_idp.errors import UserError


def models(options: Options) -> int:
    """List the models."""
    resolve_options(options)
    rows = [("model", "from", "what")]
    rows += [(name, entry.package, _purpose(name)) for name, entry in sorted(registry.models().items())]
    rows += [(name, "recbole", "sequential model of RecBole") for name in registry.recbole_models()]
    rows += [(name, "recbole", "general model of RecBole, for comparison") for name in registry.GENERAL_MODELS]
    print(columns(rows))
    return 0


def keys(options: Options) -> int:
    """List the keys of a model, or write their JSON schema."""
    options = dict(options)
    schema = options.pop("schema", None)
    resolved = resolve_options(options)
    from recbole_idp.config import reference

    model, dataset = resolved.values["model"], resolved.values["dataset"]
    if schema is None:
        print(columns([("key", "type", "default", "affects", "what"), *reference.rows(model, dataset)]))
    elif not isinstance(schema, str):
        raise UserError("--schema names no file: write --schema=FILE.json")
    else:
        from recbole_idp.storage.files import write_json

        write_json(Path(schema), reference.json_schema(model, dataset))
        print(f"{schema}: JSON schema of the keys of {model}")
    return 0


def datasets(options: Options) -> int:
    """List the datasets."""
    from recbole_idp.data.catalog import available

    found = available(resolve_options(options).values["data_path"])
    print(columns([("dataset", "on disk", "origin"), *((row.name, _yes(row.on_disk), row.origin) for row in found)]))
    return 0


def completion(options: Options) -> int:
    """Print the script by which a shell completes the command line."""
    shell = options.get("shell")
    if not isinstance(shell, str) or shell not in SHELLS or len(options) > 1:
        raise UserError(f"completion needs a shell and nothing else: completion {'|'.join(SHELLS)}")
    from recbole_idp.cli.completion.fish import fish_script
    from recbole_idp.cli.completion.posix import bash_script, zsh_script
    from recbole_idp.cli.completion.words import completed_words

    script = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}[shell]
    print(script(completed_words()))
    return 0


def _purpose(name: str) -> str:
    """Return the purpose of a model, the first line of its YAML file."""
    from recbole_idp.config.layers import properties_folder

    path = properties_folder() / "model" / f"{name}.yaml"
    first = path.read_text(encoding="utf-8").partition("\n")[0] if path.is_file() else ""
    return first.removeprefix(f"# {name}:").strip() if first.startswith("#") else ""


def _yes(value: bool) -> str:
    """Return "yes" or "no"."""
    return "yes" if value else "no"
