"""Tasks that take a model's configuration: each resolves it, checks the datasets, and does its job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from recbole_idp.cli.arguments import Options
from recbole_idp.cli.columns import columns
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole_idp.config.resolve import Resolved


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
        _check_engine(resolved.values)
        _find_datasets(resolved.values, with_target)
        from recbole_idp.config.strict import StrictConfig
        from recbole_idp.run import run as jobs

        getattr(jobs, job)(StrictConfig.from_resolved(resolved))
    return 0


def _check_engine(values: dict[str, Any]) -> None:
    """Join the cluster before hours of work, where a training is shared by it."""
    if values["engine"] != "ray":
        return
    if (values.get("nproc") or 1) < 2:
        raise UserError(
            "engine ray runs the jobs of a leaderboard, or the processes of one training: name several models, or give "
            "--nproc=2 or more"
        )
    from recbole_idp.cluster.tasks import connect

    connect()


def leaderboard(options: Options) -> int:
    """Train every model on every dataset with every seed, and make the leaderboard."""
    options = dict(options)
    if options.pop("dry_run", False):
        from recbole_idp.leaderboard.plan import make_plan
        from recbole_idp.leaderboard.tuning import checked_spaces

        plan = make_plan(options)
        checked_spaces(plan)
        print(columns([("job", "command"), *((job.name, job.command()) for job in plan.jobs())]))
        return 0
    from recbole_idp.leaderboard.run import leaderboard as start

    return start(options)


def sweep(options: Options) -> int:
    """Compare the values of a key: a leaderboard with a row for each, and a curve."""
    options = dict(options)
    key, values = options.pop("key", None), options.pop("values", None)
    if not isinstance(key, str) or not isinstance(values, str):
        raise UserError("sweep needs a key and its values, such as --key=top_m --values=1,3,10")
    # Read as YAML, as all values of the command line are.
    listed = values if values.startswith("[") else f"[{values}]"
    return leaderboard({**options, "sweep": f"{{{key}: {listed}}}"})


def inspect(options: Options) -> int:
    """Show the matches of a target's items."""
    resolved = resolve_options(options)
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

    return examine(resolve_options(options))


def resolve_options(options: Options) -> Resolved:
    """Resolve the configuration of a command line."""
    from recbole_idp.config.resolve import option_layers, resolve

    return resolve(option_layers(options))


def _resolve_or_show(options: Options) -> Resolved | None:
    """Return the resolved configuration; with ``--dry_run`` print it and return None."""
    options = dict(options)
    dry = options.pop("dry_run", False)
    resolved = resolve_options(options)
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
    from recbole_idp.run.keys import sources_of_run

    sources = sources_of_run(values) if with_target else pretrained_on(values)
    if not sources and not with_target:
        raise UserError("pretrain has no source_domains: name them, and remove --pretrained")
    if with_target and values["dataset"] in sources:
        raise UserError(f"dataset {values['dataset']} is one of source_domains: remove it there, or choose another")
    names = [*sources, values["dataset"]] if with_target else sources
    if twice := sorted({name for name in sources if sources.count(name) > 1}):
        raise UserError(f"source_domains names {', '.join(twice)} twice: name each source once")
    known = {row.name for row in available(values["data_path"])}
    # unknown names first: locate() refuses them, and would download the others before
    for name in sorted(names, key=known.__contains__):
        locate(name, values["data_path"])


def _flow(value: Any) -> str:
    """Return a value in one line, as the command line takes it."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
