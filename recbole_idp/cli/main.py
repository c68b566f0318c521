"""The command line: one small function per task.

Tasks import what they need: PyTorch and RecBole take seconds, and where even YAML is missing a line shall say so.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from recbole_idp import compat, registry
from recbole_idp.cli.arguments import parse_arguments
from recbole_idp.cli.columns import columns
from recbole_idp.cli.console import exit_status
from recbole_idp.cli.threads import share_processors
from recbole_idp.errors import UserError

PROGRAM = "recbole-idp"


def main(argv=None):
    """Runs the task that the command line names.

    Args:
        argv (list[str] | None): The arguments after the program's name; None: those of this process.

    Returns:
        int: The exit status: 0, 1 (doctor has found a problem), 2 (the user can fix this), 130 (interrupted).
    """
    share_processors()
    arguments = sys.argv[1:] if argv is None else argv
    interrupted = "finished stages are kept, the same command goes on there"
    return exit_status(lambda: _dispatch(arguments), PROGRAM, interrupted)


def run(options):
    """Runs the whole pipeline; with several models or datasets, a leaderboard."""
    from recbole_idp.leaderboard.plan import is_leaderboard

    if is_leaderboard(options):
        return leaderboard(options)
    return _start("run", options, with_target=True)


def pretrain(options):
    """Pre-trains a bundle and stops."""
    return _start("pretrain", options, with_target=False)


def _start(job, options, with_target):
    """Does a job of run/run.py, or shows its configuration; what can be checked before is checked."""
    resolved = _resolve_or_show(options)
    if resolved is not None:
        _find_datasets(resolved.values, with_target)
        from recbole_idp.config.strict import StrictConfig
        from recbole_idp.run import run as jobs

        getattr(jobs, job)(StrictConfig.from_resolved(resolved))
    return 0


def leaderboard(options):
    """Runs every model on every dataset with every seed, and draws the board."""
    options = dict(options)
    if options.pop("dry_run", False):
        from recbole_idp.leaderboard.plan import make_plan

        print(columns([("job", "command"), *((job.name, job.command()) for job in make_plan(options).jobs())]))
        return 0
    from recbole_idp.leaderboard.run import leaderboard as start

    return start(options)


def inspect(options):
    """Shows what a bundle's matcher finds for a target."""
    resolved = _resolve(options)
    _find_datasets(resolved.values, with_target=True)
    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.run.inspect import inspect as show

    show(StrictConfig.from_resolved(resolved))
    return 0


def warm_up(options):
    """Studies how often targeted training should start anew from the universal model."""
    resolved = _resolve_or_show(options)
    if resolved is not None:
        _find_datasets(resolved.values, with_target=True)
        from recbole_idp.config.strict import StrictConfig
        from recbole_idp.run.warm_up import warm_up as study

        study(StrictConfig.from_resolved(resolved))
    return 0


def doctor(options):
    """Examines the installation."""
    from recbole_idp.cli.doctor import examine

    return examine(_resolve(options))


def models(options):
    """Lists the models."""
    _resolve(options)
    rows = [("model", "from", "what")]
    rows += [(name, entry.package, _purpose(name)) for name, entry in sorted(registry.models().items())]
    rows += [(name, "recbole", "sequential model of RecBole") for name in registry.recbole_models()]
    rows += [(name, "recbole", "general model of RecBole, for comparison") for name in registry.GENERAL_MODELS]
    print(columns(rows))
    return 0


def keys(options):
    """List the keys of a model, or write their JSON schema."""
    options = dict(options)
    schema = options.pop("schema", None)
    resolved = _resolve(options)
    from recbole_idp.config import reference

    model, dataset = resolved.values["model"], resolved.values["dataset"]
    if schema is None:
        print(columns([("key", "type", "default", "affects", "what"), *reference.rows(model, dataset)]))
    elif schema is True:
        raise UserError("--schema names no file: write --schema=FILE.json")
    else:
        from recbole_idp.storage.files import write_json

        write_json(Path(schema), reference.json_schema(model, dataset))
        print(f"{schema}: JSON schema of the keys of {model}")
    return 0


def datasets(options):
    """Lists the datasets."""
    from recbole_idp.data.catalog import available

    found = available(_resolve(options).values["data_path"])
    print(columns([("dataset", "on disk", "origin"), *((row.name, _yes(row.on_disk), row.origin) for row in found)]))
    return 0


def convert(options):
    """Converts raw Amazon files."""
    usage = "convert --reviews=FILE --name=NAME [--metadata=FILE --output=DIR]"
    values = _own_options(options, "recbole_idp.data.amazon.keys:ConvertSettings", ("reviews", "name", "output"), usage)
    from recbole_idp.data.amazon.convert import convert_amazon

    print(convert_amazon(**values))
    return 0


def report(options):
    """Draws a leaderboard from its JSON file."""
    usage = "report --result=FILE.json [--output=DIR]"
    values = _own_options(options, "recbole_idp.report.keys:ReportSettings", ("result",), usage)
    from recbole_idp.report.board.redraw import redraw

    redraw(**values)
    return 0


def recommend(options):
    """Recommends items by a trained model."""
    usage = 'recommend --trained=DIR --history="ID,ID" [--k=10], or --user=ID, or --users=FILE --out=FILE'
    values = _own_options(options, "recbole_idp.serving.keys:RecommendSettings", ("trained",), usage)
    from recbole_idp.cli import trained

    trained.recommend(**values)
    return 0


def add_items(options):
    """Adds new items to a trained model."""
    usage = "add-items --trained=DIR --items=FILE.item --out=DIR [--pretrained=DIR]"
    values = _own_options(options, "recbole_idp.serving.keys:AddItemsSettings", ("trained", "items", "out"), usage)
    from recbole_idp.cli import trained

    trained.add_items(**values)
    return 0


def export(options):
    """Exports a trained model for use without Python."""
    usage = "export --trained=DIR --out=DIR [--index=ivf]"
    values = _own_options(options, "recbole_idp.serving.keys:ExportSettings", ("trained", "out"), usage)
    from recbole_idp.cli import trained

    trained.export(**values)
    return 0


def show_help(options):
    """Prints how the command line is used."""
    tasks = columns(((name, task.purpose) for name, task in TASKS.items()), indent="  ")
    print(_HELP.format(program=PROGRAM, tasks=tasks))
    return 0


class Task(NamedTuple):
    """A task of the command line.

    Attributes:
        do (Any): The function that does it: ``do(options) -> exit status``.
        purpose (str): One line for ``--help``.
        dry (bool): Whether it knows ``--dry_run``.
    """

    do: Any
    purpose: str
    dry: bool = False


TASKS = {
    "run": Task(run, "pre-train, match, transfer and compare (the default)", dry=True),
    "pretrain": Task(pretrain, "pre-train on the source domains and keep the bundle", dry=True),
    "leaderboard": Task(leaderboard, "train several models on several datasets with several seeds", dry=True),
    "warm-up": Task(warm_up, "replay a target over time: how often PRECISE should start anew", dry=True),
    "inspect": Task(inspect, "show what is matched to a target's items, and write a page with plots"),
    "doctor": Task(doctor, "examine versions, hooks, text encoder, data and folders"),
    "models": Task(models, "list the models"),
    "keys": Task(keys, "list the keys of a model, with types, defaults and what they affect; or --schema=FILE.json"),
    "datasets": Task(datasets, "list the datasets: on disk, carried by packages, to download"),
    "report": Task(report, "draw a leaderboard again from its JSON file: tables, Markdown, LaTeX, page"),
    "convert": Task(convert, "turn raw Amazon reviews and metadata into RecBole's atomic files"),
    "recommend": Task(recommend, "recommend items by a trained model: after one history, or for all users of a file"),
    "add-items": Task(add_items, "add new items to a trained model by their texts, without training"),
    "export": Task(export, "write a trained model for other languages: ONNX, item vectors, a faiss index"),
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
Without --dataset, two platforms carved from the ml-100k that RecBole carries are used, and nothing is downloaded."""


def _dispatch(argv):
    if len(argv) > 1 and argv[0] == "keys" and not argv[1].startswith("-"):
        argv = ["keys", f"--model={argv[1]}", *argv[2:]]
    task, options = parse_arguments(argv, TASKS)
    if options.pop("help", False):
        task = "help"
    # doctor lists the problems one by one, if it can run at all
    readable = importlib.util.find_spec("yaml") is not None
    if task != "help" and not (task == "doctor" and readable) and (problems := compat.check_versions()):
        raise UserError(compat.summary(problems))
    if "dry_run" in options and not TASKS[task].dry:
        dry = " and ".join(name for name in TASKS if TASKS[name].dry)
        raise UserError(f"--dry_run has no meaning for {task}: it belongs to {dry}")
    return TASKS[task].do(options)


def _own_options(options, group, needed, usage):
    """Read the options of a task that has its own instead of keys of the configuration.

    Args:
        options (dict[str, str | bool]): What was given.
        group (str): "module:Class" of the declarations.
        needed (Iterable[str]): Options that must be given.
        usage (str): How the task is used.

    Returns:
        dict[str, Any]: The value of each option.

    Raises:
        UserError: An option is unknown, wrong or missing.
    """
    from recbole_idp.config.checks import check_layer
    from recbole_idp.config.layers import COMMAND_LINE, Layer
    from recbole_idp.config.setting import declared_by

    settings = declared_by(registry.resolve(group))
    defaults = {name: setting.default for name, setting in settings.items()}
    values = {**defaults, **check_layer(Layer(COMMAND_LINE, options), settings)}
    for key in needed:
        if values[key] is None:
            raise UserError(f"{usage.partition(' ')[0]} needs --{key}: {usage}")
    return values


def _resolve(options):
    from recbole_idp.config.resolve import option_layers, resolve

    return resolve(option_layers(options))


def _resolve_or_show(options):
    """Returns the resolved configuration, or prints it and returns None if that is all that is asked for."""
    options = dict(options)
    dry = options.pop("dry_run", False)
    resolved = _resolve(options)
    if not dry:
        return resolved
    rows = [("key", "value", "origin")]
    rows += [(key, _flow(value), resolved.origins[key]) for key, value in sorted(resolved.values.items())]
    print(columns(rows))
    return None


def _find_datasets(values, with_target):
    """Finds every dataset, and downloads what is missing, before hours of work on the first of them."""
    from recbole_idp.data.catalog import available, locate

    sources = values["source_domains"] if registry.transfers(values["model"]) and not values["pretrained"] else []
    if not sources and not with_target:
        raise UserError("pretrain has no source_domains: name them, and leave --pretrained away")
    if with_target and values["dataset"] in sources:
        raise UserError(f"dataset {values['dataset']} is one of source_domains: remove it there, or choose another")
    names = [*sources, values["dataset"]] if with_target else sources
    if twice := sorted({name for name in sources if sources.count(name) > 1}):
        raise UserError(f"{', '.join(twice)} stands twice in source_domains: name each source once")
    known = {row.name for row in available(values["data_path"])}
    # unknown names first: locate() refuses them, and would download the others before
    for name in sorted(names, key=known.__contains__):
        locate(name, values["data_path"])


def _flow(value):
    """Returns a value in one line, as it could stand on the command line."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def _purpose(name):
    """Returns the first line of a model's properties file, which says what it is for."""
    from recbole_idp.config.layers import properties_folder

    path = properties_folder() / "model" / f"{name}.yaml"
    first = path.read_text(encoding="utf-8").partition("\n")[0] if path.is_file() else ""
    return first.removeprefix(f"# {name}:").strip() if first.startswith("#") else ""


def _yes(value):
    return "yes" if value else "no"
