"""The tasks of the command line, and their help."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from recbole_idp import registry
from recbole_idp.cli.arguments import Options
from recbole_idp.cli.columns import columns
from recbole_idp.cli.conversions import CONVERT, add_items, convert, export, generate, push, recommend, report, serve
from recbole_idp.cli.jobs import doctor, inspect, leaderboard, pretrain, run, sweep, warm_up
from recbole_idp.cli.lists import completion, datasets, keys, models
from recbole_idp.data.convert.formats import FORMATS

PROGRAM = "recbole-idp"


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
_BOARD, _STUDY = "recbole_idp.leaderboard.keys:BoardSettings", "recbole_idp.models.precise.keys:WarmUpSettings"

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
    "sweep": Task(
        sweep,
        "compare the values of a key: a table, and a page with a curve",
        dry=True,
        keys=("recbole_idp.leaderboard.keys:SweepSettings", _BOARD),
    ),
    "warm-up": Task(warm_up, "replay a target over time: how often PRECISE should restart", dry=True, keys=(_STUDY,)),
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
        "turn the files of Amazon, MovieLens, Yelp and others, or any table, into RecBole's atomic files",
        keys=(CONVERT,),
        kinds={f"--format={name}": entry.keys for name, entry in FORMATS.items()},
        others=False,
    ),
    "generate": Task(
        generate,
        "make a target and a source platform of any size, to try things at scale",
        keys=("recbole_idp.data.made.keys:GenerateSettings",),
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
    "serve": Task(
        serve,
        "serve a trained model over HTTP, with a page to try it",
        keys=("recbole_idp.web.keys:ServeSettings",),
        others=False,
    ),
    "push": Task(
        push,
        "give a bundle, or another pre-trained or trained folder, away on the Hugging Face hub",
        keys=("recbole_idp.hub.keys:PushSettings",),
        others=False,
    ),
    "completion": Task(completion, "print the script that completes this command in bash, zsh or fish", others=False),
    "help": Task(show_help, "print this"),
}

_HELP = """usage: {program} [TASK] [--key=value ...]

tasks:
{tasks}

Options are keys of RecBole or of the plugin; values are written as in YAML, lists also as a,b,c. For example:
  --dataset=Office --source_domains=Health,Clothing,Beauty,Toys   target and source domains
  --model=IDP                     a model that the task models lists
  --data_path=DIR                 where the datasets are (a folder with RecBole atomic files for each)
  --pretrained=DIR                use this bundle and do not pre-train; hf://user/name: one of the hub
  --config_files="a.yaml b.yaml"  read keys from files first
  --dry_run                       print every key, its value and its origin, and stop
  --help                          after a task: its own keys
  --version                       print the version
  --debug                         show the traceback of an error
Without --dataset, two platforms carved from the ml-100k that RecBole carries are used, and nothing is downloaded."""


def task_help(name: str) -> str:
    """Return the usage of a task, with its own keys."""
    from recbole_idp.config import reference

    task = TASKS[name]
    parts = [f"usage: {PROGRAM} {name} [--key=value ...]\n\n{task.purpose}"]
    groups = {"keys": task.keys, **{f"keys with {option}": (group,) for option, group in task.kinds.items()}}
    for title, declarations in groups.items():
        if rows := [(f"--{key}", *more) for key, *more in reference.rows_of(map(registry.resolve, declarations))]:
            parts.append(f"{title}, with their types and defaults:\n{columns(rows, indent='  ')}")
    if task.others:
        parts.append(f"It takes the keys of a model as well, which {PROGRAM} keys --model=NAME lists.")
    return "\n\n".join(parts)
