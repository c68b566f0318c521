"""The command line: one small function per task.

Tasks import what they need: PyTorch and RecBole take seconds, and even without YAML there is one clear line.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import recbole_idp
from recbole_idp import compat, registry
from recbole_idp.cli.arguments import parse_arguments
from recbole_idp.cli.columns import columns
from recbole_idp.cli.console import exit_status
from recbole_idp.cli.memory import check_loadable, quiet_about_memory
from recbole_idp.cli.signals import end_undisturbed, ignore_at_the_end
from recbole_idp.cli.streams import usable_streams
from recbole_idp.cli.threads import share_processors
from recbole_idp.data.convert.formats import FORMATS
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole_idp.config.resolve import Resolved

PROGRAM = "recbole-idp"

Options = dict[str, str | bool]
"""The options of a command line: the text of each, or True for a flag."""


def main(argv: list[str] | None = None) -> int:
    """Run the task that the command line names.

    Args:
        argv: The arguments after the program's name; None: those of this process.

    Returns:
        The exit status: 0, 1 (doctor has found a problem), 2 (one line says why), 130, 143 or 129 (ended by Ctrl-C,
        SIGTERM, SIGHUP), 141 (the reader of the output is gone).
    """
    share_processors()
    usable_streams()
    if argv is None:
        # The command is this whole process.
        end_undisturbed()
        quiet_about_memory()
    arguments = sys.argv[1:] if argv is None else argv
    interrupted = "finished stages are kept, the same command goes on there"
    status = exit_status(lambda: _dispatch(arguments), PROGRAM, interrupted, arguments)
    if argv is None:
        ignore_at_the_end()
    return status


def run(options: Options) -> int:
    """Pre-train, transfer and compare; with several models or datasets, make a leaderboard."""
    from recbole_idp.leaderboard.plan import is_leaderboard

    if is_leaderboard(options):
        return leaderboard(options)
    return _start("run", options, with_target=True)


def pretrain(options: Options) -> int:
    """Pre-train a bundle."""
    return _start("pretrain", options, with_target=False)


def _start(job: str, options: Options, with_target: bool) -> int:
    """Run a job of run/run.py after checking its datasets, or show its configuration."""
    resolved = _resolve_or_show(options)
    if resolved is not None:
        _find_datasets(resolved.values, with_target)
        from recbole_idp.config.strict import StrictConfig
        from recbole_idp.run import run as jobs

        getattr(jobs, job)(StrictConfig.from_resolved(resolved))
    return 0


def leaderboard(options: Options) -> int:
    """Train every model on every dataset with every seed, and make the leaderboard."""
    options = dict(options)
    if options.pop("dry_run", False):
        from recbole_idp.leaderboard.plan import make_plan

        print(columns([("job", "command"), *((job.name, job.command()) for job in make_plan(options).jobs())]))
        return 0
    from recbole_idp.leaderboard.run import leaderboard as start

    return start(options)


def inspect(options: Options) -> int:
    """Show the matches of a target's items."""
    resolved = _resolve(options)
    _find_datasets(resolved.values, with_target=True)
    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.run.inspect import inspect as show

    show(StrictConfig.from_resolved(resolved))
    return 0


def warm_up(options: Options) -> int:
    """Study how often to restart targeted training from the universal model."""
    resolved = _resolve_or_show(options)
    if resolved is not None:
        _find_datasets(resolved.values, with_target=True)
        from recbole_idp.config.strict import StrictConfig
        from recbole_idp.run.warm_up import warm_up as study

        study(StrictConfig.from_resolved(resolved))
    return 0


def doctor(options: Options) -> int:
    """Examine the installation."""
    from recbole_idp.cli.doctor import examine

    return examine(_resolve(options))


def models(options: Options) -> int:
    """List the models."""
    _resolve(options)
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
    resolved = _resolve(options)
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

    found = available(_resolve(options).values["data_path"])
    print(columns([("dataset", "on disk", "origin"), *((row.name, _yes(row.on_disk), row.origin) for row in found)]))
    return 0


def convert(options: Options) -> int:
    """Convert the files of other formats."""
    given = {key: value for key, value in options.items() if key == "format"}
    name = _own_options(given, (_CONVERT,), (), "")["format"]
    form = FORMATS[name]
    _refuse_others_options(options, name)
    values = _own_options(options, (_CONVERT, form.keys), form.needed, form.usage)
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
    usage = "add-items --trained=DIR --items=FILE.item --out=DIR [--pretrained=DIR]"
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


def show_help(options: Options) -> int:
    """Print the usage of the command line."""
    tasks = columns(((name, task.purpose) for name, task in TASKS.items()), indent="  ")
    print(_HELP.format(program=PROGRAM, tasks=tasks))
    return 0


class Task(NamedTuple):
    """A task of the command line.

    Attributes:
        do: The function that does it: ``do(options) -> exit status``.
        purpose: Its line in ``--help``.
        dry: Whether it takes ``--dry_run``.
        keys: "module:Class" of the declarations of its own keys, which its ``--help`` lists.
        others: Whether it takes the keys of a model as well.
        kinds: An option -> "module:Class" of the keys that the task takes with it, besides.
    """

    do: Any
    purpose: str
    dry: bool = False
    keys: tuple[str, ...] = ()
    others: bool = True
    kinds: Mapping[str, str] = MappingProxyType({})


_RUN, _SOURCES = "recbole_idp.run.keys:RunSettings", "recbole_idp.data.keys:SourceSettings"
_COMPARED, _PLACES = "recbole_idp.run.keys:ComparisonSettings", "recbole_idp.run.keys:PlaceSettings"
_CONVERT = "recbole_idp.data.convert.keys:ConvertSettings"
_BOARD, _STUDY = "recbole_idp.leaderboard.keys:BoardSettings", "recbole_idp.models.precise.keys:WarmUpSettings"

# The modules with PyTorch and RecBole that tasks need.
_LOADED = {
    **dict.fromkeys(("run", "pretrain", "leaderboard", "warm-up", "inspect"), "recbole_idp.run.run"),
    **dict.fromkeys(("recommend", "add-items", "export"), "recbole_idp.serving.load"),
}

TASKS = {
    "run": Task(run, "pre-train, match, transfer and compare (the default)", dry=True, keys=(_SOURCES, _RUN)),
    "pretrain": Task(
        pretrain,
        "pre-train on the source domains and keep the bundle",
        dry=True,
        keys=(_SOURCES, "recbole_idp.train.keys:PretrainingSettings", _PLACES),
    ),
    "leaderboard": Task(
        leaderboard,
        "train several models on several datasets with several seeds",
        dry=True,
        keys=(_BOARD, _COMPARED),
    ),
    "warm-up": Task(
        warm_up, "replay a target over time: how often PRECISE should start anew", dry=True, keys=(_STUDY,)
    ),
    "inspect": Task(
        inspect,
        "show what is matched to a target's items, and write a page with plots",
        keys=("recbole_idp.run.keys:InspectionSettings", _PLACES),
    ),
    "doctor": Task(doctor, "examine versions, hooks, text encoder, data and folders", keys=(_PLACES,)),
    "models": Task(models, "list the models"),
    "keys": Task(keys, "list the keys of a model, with types, defaults and what they affect; or --schema=FILE.json"),
    "datasets": Task(datasets, "list the datasets: on disk, carried by packages, to download", keys=(_PLACES,)),
    "report": Task(
        report,
        "draw a leaderboard again from its JSON file: tables, Markdown, LaTeX, page",
        keys=("recbole_idp.report.keys:ReportSettings",),
        others=False,
    ),
    "convert": Task(
        convert,
        "turn reviews, ratings and metadata (Amazon's, CSV, JSON lines), or other formats, into RecBole's atomic files",
        keys=(_CONVERT,),
        kinds={f"--format={name}": entry.keys for name, entry in FORMATS.items()},
        others=False,
    ),
    "recommend": Task(
        recommend,
        "recommend items by a trained model: after one history, or for all users of a file",
        keys=("recbole_idp.serving.keys:RecommendSettings",),
        others=False,
    ),
    "add-items": Task(
        add_items,
        "add new items to a trained model by their texts, without training",
        keys=("recbole_idp.serving.keys:AddItemsSettings",),
        others=False,
    ),
    "export": Task(
        export,
        "write a trained model for other languages: ONNX, item vectors, a faiss index",
        keys=("recbole_idp.serving.keys:ExportSettings",),
        others=False,
    ),
    "help": Task(show_help, "print this"),
}

_HELP = """usage: {program} [TASK] [--key=value ...]

tasks:
{tasks}

Options are keys of RecBole or of the plugin; values are written as in YAML, lists also as a,b,c. For example:
  --dataset=Office --source_domains=Health,Clothing,Beauty,Toys   target and source domains
  --model=IDP                     a model that the task models lists
  --data_path=DIR                 where the datasets are (a folder with RecBole atomic files for each)
  --pretrained=DIR                use this bundle and do not pre-train
  --config_files="a.yaml b.yaml"  read keys from files first
  --dry_run                       print every key, its value and its origin, and stop
  --help                          after a task: its own keys
  --version                       print the version
  --debug                         show the traceback of an error
Without --dataset, two platforms carved from the ml-100k that RecBole carries are used, and nothing is downloaded."""


def _dispatch(argv: list[str]) -> int:
    """Run the task of a command line, and return its exit status."""
    if len(argv) > 1 and argv[0] == "keys" and not argv[1].startswith("-"):
        argv = ["keys", f"--model={argv[1]}", *argv[2:]]
    if len(argv) > 1 and argv[0] == "help" and argv[1] in TASKS:
        argv = [argv[1], "--help"]
    task, options = parse_arguments(argv, TASKS)
    options.pop("debug", None)
    if options.pop("version", False):
        print(f"{PROGRAM} {recbole_idp.__version__}")
        return 0
    if options.pop("help", False):
        if task in argv:
            print(_task_help(task))
            return 0
        task = "help"
    # doctor lists the problems one by one, if it can run at all
    readable = importlib.util.find_spec("yaml") is not None
    if task != "help" and not (task == "doctor" and readable) and (problems := compat.check_versions()):
        raise UserError(compat.summary(problems))
    if "dry_run" in options and not TASKS[task].dry:
        dry = " and ".join(name for name in TASKS if TASKS[name].dry)
        raise UserError(f"--dry_run has no meaning for {task}: it belongs to {dry}")
    if (needed := _LOADED.get(task)) is not None:
        check_loadable(needed)
    return TASKS[task].do(options)


def _task_help(name: str) -> str:
    """Return the usage of a task, with its own keys."""
    from recbole_idp.config import reference

    task = TASKS[name]
    parts = [f"usage: {PROGRAM} {name} [--key=value ...]\n\n{task.purpose}"]
    groups = {"keys": task.keys, **{f"keys with {option}": (group,) for option, group in task.kinds.items()}}
    for title, keys in groups.items():
        if rows := [(f"--{key}", *more) for key, *more in reference.rows_of(map(registry.resolve, keys))]:
            parts.append(f"{title}, with their types and defaults:\n{columns(rows, indent='  ')}")
    if task.others:
        parts.append(f"It takes the keys of a model as well, which {PROGRAM} keys --model=NAME lists.")
    return "\n\n".join(parts)


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


def _resolve(options: Options) -> Resolved:
    """Resolve the configuration of a command line."""
    from recbole_idp.config.resolve import option_layers, resolve

    return resolve(option_layers(options))


def _resolve_or_show(options: Options) -> Resolved | None:
    """Return the resolved configuration; with ``--dry_run`` print it and return None."""
    options = dict(options)
    dry = options.pop("dry_run", False)
    resolved = _resolve(options)
    if not dry:
        return resolved
    rows = [("key", "value", "origin")]
    rows += [(key, _flow(value), resolved.origins[key]) for key, value in sorted(resolved.values.items())]
    print(columns(rows))
    return None


def _find_datasets(values: dict[str, Any], with_target: bool) -> None:
    """Find every dataset, and download missing ones, before hours of work on the first."""
    from recbole_idp.data.catalog import available, locate
    from recbole_idp.data.keys import pretrained_on

    sources = pretrained_on(values)
    if not sources and not with_target:
        raise UserError("pretrain has no source_domains: name them, and remove --pretrained")
    if with_target and values["dataset"] in sources:
        raise UserError(f"dataset {values['dataset']} is one of source_domains: remove it there, or choose another")
    names = [*sources, values["dataset"]] if with_target else sources
    if twice := sorted({name for name in sources if sources.count(name) > 1}):
        raise UserError(f"{', '.join(twice)} stands twice in source_domains: name each source once")
    known = {row.name for row in available(values["data_path"])}
    # unknown names first: locate() refuses them, and would download the others before
    for name in sorted(names, key=known.__contains__):
        locate(name, values["data_path"])


def _flow(value: Any) -> str:
    """Return a value in one line, as the command line takes it."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def _purpose(name: str) -> str:
    """Return the purpose of a model, the first line of its YAML file."""
    from recbole_idp.config.layers import properties_folder

    path = properties_folder() / "model" / f"{name}.yaml"
    first = path.read_text(encoding="utf-8").partition("\n")[0] if path.is_file() else ""
    return first.removeprefix(f"# {name}:").strip() if first.startswith("#") else ""


def _yes(value: bool) -> str:
    """Return "yes" or "no"."""
    return "yes" if value else "no"
