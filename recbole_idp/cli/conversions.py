"""Tasks that have options of their own instead of a model's keys: they turn files into others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recbole_idp import registry
from recbole_idp.cli.arguments import Options
from recbole_idp.data.convert.formats import FORMATS
from recbole_idp.errors import UserError

CONVERT = "recbole_idp.data.convert.keys:ConvertSettings"


def convert(options: Options) -> int:
    """Convert the files of other formats."""
    given = {key: value for key, value in options.items() if key == "format"}
    name = _own_options(given, (CONVERT,), (), "")["format"]
    form = FORMATS[name]
    _refuse_others_options(options, name)
    values = _own_options(options, (CONVERT, form.keys), form.needed, form.usage)
    del values["format"]
    print(registry.resolve(form.convert)(**values))
    return 0


def _refuse_others_options(options: Options, name: str) -> None:
    """Raise UserError for an option of convert that belongs to another format alone."""
    from recbole_idp.config.setting import declared_by

    takers = {form: declared_by(registry.resolve(entry.keys)) for form, entry in FORMATS.items()}
    for key in options:
        found = [form for form, keys in takers.items() if key in keys]
        if found and name not in found:
            formats = " and ".join(f"--format={form}" for form in found)
            raise UserError(f"--{key} belongs to {formats}, and this is --format={name}: {FORMATS[name].usage}")


def generate(options: Options) -> int:
    """Make datasets of any size."""
    usage = "generate --users=N --items=N --events=N [--source_events=N --twins=0.5] [--name=NAME --output=DIR]"
    values = _own_options(options, ("recbole_idp.data.made.keys:GenerateSettings",), (), usage)
    from recbole_idp.data.made.generate import generate as make

    print(make(**values))
    return 0


def report(options: Options) -> int:
    """Make a leaderboard again from its JSON file."""
    usage = "report --result=FILE.json [--output=DIR]"
    values = _own_options(options, ("recbole_idp.report.keys:ReportSettings",), ("result",), usage)
    from recbole_idp.report.board.redraw import redraw

    redraw(**values)
    return 0


def recommend(options: Options) -> int:
    """Recommend items by a trained model."""
    usage = 'recommend --trained=DIR --history="ID,ID" [--k=10], or --user=ID, or --users=FILE --out=FILE'
    values = _own_options(options, ("recbole_idp.serving.keys:RecommendSettings",), ("trained",), usage)
    from recbole_idp.cli import trained

    trained.recommend(**values)
    return 0


def add_items(options: Options) -> int:
    """Add new items to a trained model."""
    usage = "add-items --trained=DIR --items=FILE.item --out=DIR [--pretrained=DIR --text_vectors=FILE]"
    values = _own_options(options, ("recbole_idp.serving.keys:AddItemsSettings",), ("trained", "items", "out"), usage)
    from recbole_idp.cli import trained

    trained.add_items(**values)
    return 0


def export(options: Options) -> int:
    """Export a trained model for use without Python."""
    usage = "export --trained=DIR --out=DIR [--index=ivf]"
    values = _own_options(options, ("recbole_idp.serving.keys:ExportSettings",), ("trained", "out"), usage)
    from recbole_idp.cli import trained

    trained.export(**values)
    return 0


def serve(options: Options) -> int:
    """Serve a trained model over HTTP until Ctrl-C."""
    usage = "serve --trained=DIR [--port=8000] [--items=FILE.item]"
    values = _own_options(options, ("recbole_idp.web.keys:ServeSettings",), ("trained",), usage)
    from recbole_idp.web import server

    server.serve(**values)
    return 0


def push(options: Options) -> int:
    """Give a sealed folder away on the hub."""
    usage = "push --bundle=DIR --repo=user/name [--private=false] [--license=NAME]"
    values = _own_options(options, ("recbole_idp.hub.keys:PushSettings",), ("repo",), usage)
    bundle, folder = values.pop("bundle"), values.pop("folder")
    if (bundle is None) == (folder is None):
        raise UserError(f"push needs one folder, --bundle=DIR or --folder=DIR: {usage}")
    from recbole_idp.hub.push import push as give

    made = give(bundle or folder, values["repo"], values["private"], values["license"])
    seen = "private" if made.private else "public"
    print(f"{made.url} ({seen}): {made.files} files, {made.size / (1 << 20):,.1f} MiB, commit {made.commit}")
    print(f"Use it: {made.use}")
    return 0


def _own_options(options: Options, groups: Iterable[str], needed: Iterable[str], usage: str) -> dict[str, Any]:
    """Check the options of a task that has options of its own instead of keys.

    Args:
        options: The given options.
        groups: "module:Class" of their declarations.
        needed: Options that must be given.
        usage: Usage of the task, for messages.

    Returns:
        The value of each option.

    Raises:
        UserError: An option is unknown, wrong or missing.
    """
    from recbole_idp.config.checks import check_layer
    from recbole_idp.config.layers import COMMAND_LINE, Layer
    from recbole_idp.config.setting import declared_by

    settings = {key: declared for group in groups for key, declared in declared_by(registry.resolve(group)).items()}
    defaults = {name: setting.default for name, setting in settings.items()}
    values = {**defaults, **check_layer(Layer(COMMAND_LINE, options), settings)}
    for key in needed:
        if values[key] is None:
            raise UserError(f"{usage.partition(' ')[0]} needs --{key}: {usage}")
    return values
