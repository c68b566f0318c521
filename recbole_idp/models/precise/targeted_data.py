"""The dataset of a task that uses some events only, such as films rated four or more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.config.derive import data_root, derive
from recbole_idp.data.atomic import FileFormat, read_header
from recbole_idp.data.catalog import locate, with_fixed_split
from recbole_idp.data.dataset import SequenceDataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation


class TargetedDataset(SequenceDataset):
    """A :class:`SequenceDataset` of the events that ``targeted_interval`` selects (PRECISE, targeted sequences).

    Its own configuration selects them by ``val_interval`` and ``load_col``.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(targeted_config(config))


def targeted_config(config: Config) -> Config:
    """Return the configuration of a target's targeted events.

    Args:
        config: With ``targeted_interval``, which restricts by the columns that the dataset has.

    Returns:
        A copy with the intervals in ``val_interval`` and their columns in ``load_col``; the same configuration where
        nothing is restricted.
    """
    intervals = config["targeted_interval"] or {}
    there: Sequence[str] = ()
    if intervals:
        location = with_fixed_split(locate(config["dataset"], data_root(config)), config["benchmark_filename"])
        there = _columns(location, config["ITEM_ID_FIELD"] + config["LIST_SUFFIX"], FileFormat.of(config))
    intervals = {name: interval for name, interval in intervals.items() if name in there}
    if not intervals:
        return config
    load_col = dict(config["load_col"] or {})
    if "inter" in load_col:
        load_col["inter"] = list(dict.fromkeys([*load_col["inter"], *intervals]))
    return derive(config, load_col=load_col, val_interval={**(config["val_interval"] or {}), **intervals})


def _columns(location: DatasetLocation, histories: str, file_format: FileFormat) -> list[str]:
    """Return the names of the columns of a dataset's interactions; none of rows with histories, which stay whole."""
    columns = read_header(location.inter_file, *file_format)
    return [] if histories in columns else list(columns)
