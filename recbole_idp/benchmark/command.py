"""The benchmark's command line: the tasks, their own options, and the keys of the configuration."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from annotated_types import Ge

from recbole_idp import compat
from recbole_idp.cli.arguments import parse_arguments
from recbole_idp.cli.columns import columns
from recbole_idp.cli.console import exit_status
from recbole_idp.cli.streams import usable_streams
from recbole_idp.cli.threads import share_processors
from recbole_idp.config.checks import check_layer, known_key
from recbole_idp.config.declarations import model_settings
from recbole_idp.config.layers import COMMAND_LINE, Layer
from recbole_idp.config.setting import Setting
from recbole_idp.errors import UserError
from recbole_idp.storage.files import unwritable

if TYPE_CHECKING:
    from recbole_idp.config.resolve import Resolved


PROGRAM = "recbole_idp.benchmark"


class Option(NamedTuple):
    """An option of a benchmark that is no key of the configuration.

    Attributes:
        default: Its value where it is not given.
        least: Its smallest value; None for text and for what is on or off.
    """

    default: Any
    least: float | None = None


class Task(NamedTuple):
    """A benchmark.

    Attributes:
        module: The module with its ``run(config, **options)``.
        purpose: One line for ``--help``.
        options: Its own options.
    """

    module: str
    purpose: str
    options: dict[str, Option]


OUTPUT = Option(None)
MADE = "Made"
"""What stands for the made datasets where a configuration is resolved."""
TASKS = {
    "training": Task(
        "training",
        "train and evaluate RecBole's SASRec and ours for --seconds each (60), or RecBole's for --recbole_seconds",
        {"seconds": Option(60.0, 0.1), "recbole_seconds": Option(0.0, 0), "output": OUTPUT},
    ),
    "evaluation": Task(
        "evaluation",
        "evaluate both with the same weights, --repeats times (3)",
        {"repeats": Option(3, 1), "output": OUTPUT},
    ),
    "pretraining": Task(
        "pretraining",
        "read the source domains and train on them for --steps steps (100)",
        {"steps": Option(100, 1), "output": OUTPUT},
    ),
    "encoders": Task(
        "encoders",
        "pre-train PeterRec on each of its encoders, and IDP, on the source domains for --steps steps (20)",
        {"steps": Option(20, 1), "output": OUTPUT},
    ),
    "baselines": Task(
        "baselines",
        "train RecBole's own models for --steps steps (4), without padding and in RecBole's loop",
        {"steps": Option(4, 1), "output": OUTPUT},
    ),
    "rectools": Task(
        "beside.task",
        "train ours and RecTools' SASRecModel and UniSRecModel for --steps steps (20) at several batch sizes, and for "
        "--seconds processor seconds (0) at the fastest",
        {
            "steps": Option(20, 1),
            "seconds": Option(0.0, 0),
            "our_batches": Option("512,1024,2048,4096"),
            "their_batches": Option("32,64,128,256,512"),
            "output": OUTPUT,
        },
    ),
    "gpu": Task(
        "gpu.task",
        "train on an accelerator in float32 and bfloat16 for --steps steps (20): as configured, with --width (256), "
        "and with the softmax over --items (1600000); then to early stopping",
        {
            "steps": Option(20, 1),
            "width": Option(256, 8),
            "items": Option(1_600_000, 10),
            "large_batch": Option(2048, 1),
            "output": OUTPUT,
        },
    ),
    "new_items": Task(
        "new_items",
        "hide --hidden_share of the items (0.2) from training, then add them by their texts and rank them",
        {"hidden_share": Option(0.2, 0.001), "output": OUTPUT},
    ),
    "scale": Task(
        "scale.task",
        "make data of --sizes and measure how each stage grows, beside RecBole and RecTools; kept in --folder (scale)",
        {
            "sizes": Option("100000:10000,1000000:100000"),
            "steps": Option(20, 1),
            "users": Option(500, 1),
            "targets": Option(1000, 1),
            "limit": Option(120.0, 1),
            "memory": Option(6.0, 0.5),
            "folder": Option("scale"),
            "only": Option(None),
            "fresh": Option(False),
            "output": OUTPUT,
        },
    ),
    "help": Task("help", "print this", {}),
}

_HELP = """usage: python -m {program} TASK [--key=value ...]

tasks:
{tasks}

--output=FILE names the report (default: benchmark-TASK-DATASET.json in result_dir). All other options are keys of
RecBole or of the plugin, for example --dataset=Office --data_path=DIR --source_domains=Health,Toys --threads=2."""


def main(argv: list[str] | None = None) -> int:
    """Run a benchmark.

    Args:
        argv: The arguments after the program's name; None: those of this process.

    Returns:
        The exit status: 0, 2 (the user can fix this), 130 (interrupted).
    """
    share_processors()
    usable_streams()
    arguments = sys.argv[1:] if argv is None else argv
    return exit_status(lambda: _dispatch(arguments), PROGRAM, "nothing is saved", arguments)


def _dispatch(arguments: list[str]) -> int:
    task, options = parse_arguments(arguments, TASKS, default="help")
    options.pop("debug", None)
    if task == "help" or options.pop("help", False):
        tasks = columns(((name, known.purpose) for name, known in TASKS.items()), indent="  ")
        print(_HELP.format(program=PROGRAM, tasks=tasks))
    else:
        _run(task, options)
    return 0


def _run(task: str, options: dict[str, str | bool]) -> None:
    if problems := compat.check_versions():
        raise UserError(compat.summary(problems))
    own, resolved = _split(task, options)
    from importlib import import_module

    from recbole_idp.benchmark.output import publish
    from recbole_idp.config.derive import derive
    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.run.prepare import prepare

    config = StrictConfig.from_resolved(resolved)
    if task != "new_items":
        # An epoch of RecBole is one pass.
        config = derive(config, epoch_steps=1)
    name = "-".join(config["source_domains"]) if task in ("pretraining", "encoders") else config["dataset"]
    if task == "scale":
        name = own["sizes"]
    output = Path(own.pop("output") or Path(config["result_dir"]) / f"benchmark-{task}-{_file_name(name)}.json")
    _check_writable(output)
    # RecBole's log would drown the table.
    prepare(derive(config, state="WARNING"))
    facts, rows = import_module(f"recbole_idp.benchmark.{TASKS[task].module}").run(config, **own)
    publish(task, name, config, own, facts, rows, output)


def _split(task: str, options: dict[str, str | bool]) -> tuple[dict[str, Any], Resolved]:
    """Split the options into the benchmark's own and the configuration.

    Returns:
        The values of the benchmark's own options, and the resolved configuration.
    """
    from recbole_idp.config.resolve import DEFAULT_DATASET, DEFAULT_MODEL, option_layers, resolve

    own = TASKS[task].options
    if task == "scale":
        # Values of the packaged default dataset are for a small one.
        options = {"dataset": MADE, **options}
    dataset = str(options.get("dataset", DEFAULT_DATASET))
    keys = model_settings(DEFAULT_MODEL, dataset)
    everything = Layer(COMMAND_LINE, options)
    for key in options:
        known_key(key, {**own, "config_files": None, **keys}, everything)
    settings = {key: _setting(key, option) for key, option in own.items()}
    given = check_layer(everything._replace(values={key: options[key] for key in own if key in options}), settings)
    on_gpu = str(task == "gpu")
    layers = option_layers({"use_gpu": on_gpu, **{key: options[key] for key in options if key not in own}})
    resolved = resolve(layers)
    if resolved.values["model"] != DEFAULT_MODEL:
        raise UserError(f"the benchmark compares SASRec as {DEFAULT_MODEL} has it with RecBole's: remove --model")
    if resolved.values["use_gpu"] and task != "gpu":
        raise UserError("the benchmark measures processors and main memory: remove --use_gpu")
    if resolved.values["loss_type"] != "CE":
        raise UserError("the benchmark compares training with --loss_type=CE: remove the other loss")
    if 10 not in resolved.values["topk"] or "NDCG" not in resolved.values["metrics"]:
        raise UserError("the benchmark shows NDCG@10: keep 10 in topk and NDCG in metrics")
    return {**{key: option.default for key, option in own.items()}, **given}, resolved


def _setting(key: str, option: Option) -> Setting:
    kind: Any = str | None if option.default is None else type(option.default)
    annotation = kind if option.least is None else Annotated[kind, Ge(option.least)]
    return Setting(key, annotation, option.default)


def _check_writable(path: Path) -> None:
    """Refuse a report that cannot be saved, before minutes of measuring."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserError(f"cannot write {path}: choose a file in a folder that you may write")


def _file_name(name: str) -> str:
    """Return a name of datasets as a part of a file's name."""
    return re.sub(r"[^\w.-]+", "_", name)[:80]
