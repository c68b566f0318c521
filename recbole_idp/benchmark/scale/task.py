"""``scale``: make data of several sizes, and measure each stage of each side in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_idp.benchmark.beside.library import is_installed
from recbole_idp.benchmark.output import Row, announce
from recbole_idp.benchmark.scale.growth import QUANTITIES, STAGES, Measured, cell, markdown, plot, slopes
from recbole_idp.benchmark.scale.kept import Kept
from recbole_idp.benchmark.scale.request import Request, ScaleSize, parse_sizes
from recbole_idp.benchmark.scale.watched import Limits, run_watched
from recbole_idp.data.made.generate import generate
from recbole_idp.errors import UserError
from recbole_idp.storage.files import write_text

if TYPE_CHECKING:
    from recbole_idp.config.strict import StrictConfig

_SEED = 2020
# Each size has its own, and where results are written decides on no number.
_ELSEWHERE = ("dataset", "data_path", "result_dir")


class Job(NamedTuple):
    """A process of the benchmark.

    Attributes:
        side: The module, and whose work it is.
        name: The function.
        stages: The stages that it measures, in their order.
        column: The column of the table that it belongs to.
    """

    side: str
    name: str
    stages: tuple[str, ...]
    column: str = "ours"


JOBS = (
    Job("ours", "read", ("read", "index", "split")),
    Job("ours", "pretraining", ("pretraining",)),
    Job("ours", "pretraining_rows", ("pretraining_rows",)),
    Job("ours", "evaluation", ("evaluation",)),
    Job("matching", "exact", ("match",)),
    Job("matching", "ivf", ("match_ivf",)),
    Job("ours", "recommend", ("recommend",)),
    Job("recbole", "everything", ("read", "split", "pretraining", "evaluation"), "recbole"),
    Job("rectools", "everything", ("read", "pretraining", "recommend"), "rectools"),
)


def run(
    config: StrictConfig,
    sizes: str,
    steps: int,
    users: int,
    targets: int,
    limit: float,
    memory: float,
    folder: str,
    only: str | None,
    fresh: bool,
) -> tuple[dict[str, Any], list[Row]]:
    """Measure all stages at all sizes.

    Args:
        config: The configuration.
        sizes: Events and items of each size.
        steps: Training steps.
        users: Users to evaluate, and users to recommend to.
        targets: Target items to match.
        limit: Seconds of processor time that a stage may take.
        memory: GiB that a process may take.
        folder: Where data and measurements are kept.
        only: Stages whose jobs are measured, separated by commas; None: all.
        fresh: Whether to measure again what was measured before.

    Returns:
        The measurements, and the rows of the table.

    Raises:
        UserError: An option is wrong.
    """
    place, limits = Path(folder), Limits(limit, memory)
    kept = Kept(place / "measured.json", fresh)
    jobs = [job for job in _chosen(only) if job.side != "rectools" or is_installed()]
    measured: dict[str, dict[ScaleSize, dict[str, dict[str, Any]]]] = {}
    values = {key: value for key, value in config.as_dict().items() if key not in _ELSEWHERE}
    for size in parse_sizes(sizes):
        _make(size, place / "data")
        for job in jobs:
            request = Request(job.side, job.name, size, str(place / "data"), steps, users, targets, values)
            stages = kept.find(request.key, limit)
            if stages is None:
                announce(f"{size}: {job.side}, {', '.join(job.stages)}")
                stages = run_watched(request, job.stages, limits)
                kept.keep(request.key, stages, limit)
            measured.setdefault(job.column, {}).setdefault(size, {}).update(stages)
    write_text(place / "growth.md", markdown(measured) + "\n")
    plot(measured, place / "growth.png")
    announce(f"table and plot: {place / 'growth.md'}, {place / 'growth.png'}")
    return _report(measured)


def _chosen(only: str | None) -> list[Job]:
    """Return the jobs that measure one of some stages."""
    stages = set(STAGES) if only is None else set(only.split(","))
    if unknown := sorted(stages - set(STAGES)):
        raise UserError(f"--only names {unknown[0]}, which is no stage: choose from {', '.join(STAGES)}")
    return [job for job in JOBS if stages & set(job.stages)]


def _make(size: ScaleSize, folder: Path) -> None:
    """Make the data of a size, unless an earlier run has made them."""
    if not (folder / size.dataset / f"{size.dataset}.inter").is_file():
        announce(f"making {size} of {size.users:,} users in {folder}")
        generate(size.dataset, folder, size.users, size.items, size.events, seed=_SEED)


def _report(measured: Measured) -> tuple[dict[str, Any], list[Row]]:
    """Return the measurements by side, and by stage and size in words; and the rows of the table."""
    fitted = slopes(measured)
    sizes = list(next(iter(measured.values())))
    facts: dict[str, dict[str, Any]] = {side: {} for side in measured}
    rows = []
    for stage, about in STAGES.items():
        for size in sizes:
            row = Row(f"{about.label}, {size}", f"{stage}, {size.events}:{size.items}", "shown", compared=False)
            for side, by_size in measured.items():
                found = by_size[size].get(stage, {})
                facts[side][row.part] = {**found, "shown": cell(found)}
            rows.append(row)
        for quantity, label in QUANTITIES.items():
            row = Row(f"{about.label}, slope of {label}", f"{stage}, slopes", quantity, compared=False)
            for side in measured:
                known = fitted.get(side, {}).get(stage, {})
                facts[side][row.part] = {each: known.get(each, "") for each in QUANTITIES}
            rows.append(row)
    return facts, rows
