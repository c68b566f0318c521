"""Read atomic files for RecBole's datasets of any kind: found by name, literally, with exact times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from recbole.utils import FeatureSource, FeatureType

from recbole_idp.config.derive import data_root, derive
from recbole_idp.data.atomic import ColumnChoice, FileFormat, check_ids, read_atomic, read_header
from recbole_idp.data.catalog import DatasetLocation, locate, with_fixed_split
from recbole_idp.data.fixed_split import FixedSplit, HistoryRow, benchmark_files, join_histories, read_plain
from recbole_idp.data.ordering import is_ascending, order_by, stable_order
from recbole_idp.data.splits import PARTS, TRAIN, Events, PartRows, Seen, by_user, part_rows, parts_of
from recbole_idp.data.vectorised import VectorisedSteps
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.dataset import Dataset as _MixedInto

    from recbole_idp.data.history_items import JoinedDomains
else:
    _MixedInto = object


# Those of the plugin and of RecBole, which a fixed split replaces.
_DEFAULT_SPLITS = ({"LS": "valid_and_test"}, {"RS": [0.8, 0.1, 0.1]})
ALL_EVENTS = (None, "[0,inf)", "[1,inf)")
"""Values of RecBole's k-core keys that filter nothing; the second is its default."""

# What would make a fixed split another one, if it is given by histories.
_FILTERS = ("val_interval", "user_inter_num_interval", "item_inter_num_interval", "rm_dup_inter", "latest_events")


class LiteralReading(VectorisedSteps, _MixedInto):
    """Mixin for RecBole's datasets that reads their files without quoting, and splits them.

    The dataset is found by :func:`~recbole_idp.data.catalog.locate`. An error in a file is reported in one line.
    Where RecBole would split each user's events, it does so. Other splits are made here, event by event, for all kinds
    of models alike: those by time, those by shares of all events, and those that ``benchmark_filename`` brings.

    Attributes:
        location: Where the atomic files are.
        fixed: What the files of a fixed split hold; None: there are none.
        joined: What the users did in other domains; None: nothing is joined.
        events: The events in the order of time, with their parts; set by ``build()``.
        seen: Which users and items have a training event; set by ``build()``.
    """

    config: Config
    location: DatasetLocation
    fixed: FixedSplit | None = None
    joined: JoinedDomains | None = None
    events: Events
    seen: Seen
    inter_feat: Any  # RecBole's: a DataFrame while it loads, an Interaction afterwards

    def _load_data(self, token: str, dataset_path: str) -> None:
        """Load the dataset from the place that :func:`~recbole_idp.data.catalog.locate` finds."""
        self.location = with_fixed_split(locate(token, data_root(self.config)), self.config["benchmark_filename"])
        super()._load_data(self.location.stem, str(self.location.folder))

    def _load_inter_feat(self, token: str, dataset_path: str) -> None:
        """Load the interactions, or the three files of a fixed split."""
        names = self.config["benchmark_filename"]
        if names is None:
            if not self.location.inter_file.is_file():
                there = ", ".join(sorted(path.name for path in Path(dataset_path).glob("*.inter")))
                raise UserError(
                    f"no file {self.location.inter_file}, but {there}: for a fixed split give the middle of these "
                    "names, such as --benchmark_filename=train,valid,test"
                )
            super()._load_inter_feat(token, dataset_path)
            return
        self._check_fixed()
        paths = benchmark_files(Path(dataset_path), token, names)
        histories = self.iid_field + self.config["LIST_SUFFIX"]
        if histories in read_header(paths[0], *FileFormat.of(self.config)):
            self.fixed = self._read_histories(paths, histories)
        else:
            self.fixed = read_plain(paths, self._read_plain_file)
        self.inter_feat = self.fixed.frame
        # From here on the events are filtered and numbered as those of one file.
        self.benchmark_filename_list = None

    def _check_fixed(self) -> None:
        """Reject another split together with a fixed one."""
        if (split := self.config["eval_args"]["split"]) not in _DEFAULT_SPLITS:
            raise UserError(
                f"benchmark_filename brings a split of its own, and eval_args names the split {split}: give one"
            )

    def _read_plain_file(self, path: Path) -> pd.DataFrame:
        """Read one file of plain rows."""
        frame = self._load_feat(str(path), FeatureSource.INTERACTION)
        if frame is None:
            raise UserError(f"load_col names no column of {path.name}: name those of user, item and time under inter")
        return frame

    def _read_histories(self, paths: list[Path], histories: str) -> FixedSplit:
        """Read the files of a fixed split whose rows have histories."""
        for key in _FILTERS:
            if self.config[key] and self.config[key] not in ALL_EVENTS:
                raise UserError(
                    f"{key} cannot filter the rows of {paths[0].name}, which have histories: remove it, or give plain "
                    f"rows of {self.uid_field}, {self.iid_field} and {self.time_field}"
                )
        columns = {self.uid_field: "token", histories: "token_seq", self.iid_field: "token"}
        tables = []
        for path in paths:
            frame = read_atomic(path, list(columns), *FileFormat.of(self.config))
            for name, kind in columns.items():
                if (found := frame.attrs["types"][name]) != kind:
                    raise UserError(f"{path}, line 1: column {name} is of type {found}: write it as {name}:{kind}")
            lists = frame[histories].map(lambda text: [part for part in text.split(self._list_separator()) if part])
            rows = zip(frame[self.uid_field], lists, frame[self.iid_field], strict=True)
            tables.append([HistoryRow(*row) for row in rows])
        for name, kind in ((self.uid_field, "token"), (self.iid_field, "token"), (self.time_field, "float")):
            self.set_field_property(name, FeatureType(kind), FeatureSource.INTERACTION, 1)
        return join_histories(tables, (self.uid_field, self.iid_field, self.time_field))

    def _list_separator(self) -> str:
        """Return what stands between the items of a history."""
        return self.config["seq_separator"] or " "

    def _init_alias(self) -> None:
        """Initialise aliases as RecBole does, without columns of histories: these are joined to events already."""
        histories = self.iid_field + self.config["LIST_SUFFIX"]
        given = self.config["alias_of_item_id"]
        if self.fixed is not None and given and histories in given:
            self.config = derive(self.config, alias_of_item_id=[name for name in given if name != histories] or None)
        super()._init_alias()

    def _benchmark_presets(self) -> None:
        """Do nothing: histories of a fixed split are made as those of any other."""

    def _load_feat(self, filepath: str, source: FeatureSource) -> pd.DataFrame | None:
        """Read one atomic file without its sequence columns; None if ``load_col`` names no column of it."""
        load_columns, unload_columns = self._get_load_and_unload_col(source)
        if load_columns == set():
            return None
        times = [self.time_field] if source == FeatureSource.INTERACTION else []
        columns = self._event_columns(filepath, load_columns) if times else load_columns
        frame = read_atomic(filepath, columns, *FileFormat.of(self.config), times)
        types = frame.attrs["types"]
        # Sequence columns are texts; recbole_idp.data.item_text reads them.
        kept = [
            name for name in frame.columns if not types[name].endswith("_seq") and name not in (unload_columns or ())
        ]
        for name in kept:
            self.field2source[name] = source
            self.field2type[name] = FeatureType(types[name])
            self.field2seqlen[name] = 1
            if types[name] == "float":
                self.field2bucketnum[name] = 2
        if source == FeatureSource.INTERACTION:
            self._check_columns(filepath, types)
            for name in (self.uid_field, self.iid_field):
                check_ids(frame[name], filepath)
        return frame[kept].copy() if kept else None

    def _event_columns(self, path: str, load_columns: set[str] | None) -> ColumnChoice:
        """Return a choice of columns that names the key for a missing one of an event."""

        def choose(types: dict[str, str]) -> Iterable[str]:
            columns = types if load_columns is None else load_columns
            for key in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD"):
                if (name := self.config[key]) in columns and name not in types and len(types) > 1:
                    there = ", ".join(types)
                    raise UserError(f"{path} has no column {name!r}; it has {there}: add it, or name it by --{key}")
            return columns

        return choose

    def _check_columns(self, path: str, types: Mapping[str, str]) -> None:
        """Check that the columns of an event are there and of the right types."""
        for name, kind in ((self.uid_field, "token"), (self.iid_field, "token"), (self.time_field, "float")):
            if name not in types:
                raise UserError(f"{path} has no column {name}:{kind}, which every event needs: add it")
            if types[name] != kind:
                raise UserError(f"{path}, line 1: column {name} is of type {types[name]}: write it as {name}:{kind}")

    def _data_filtering(self) -> None:
        """Filter as RecBole does, with one line for the user if nothing is left."""
        for field in self.config["val_interval"] or {}:
            if field not in self.field2type:
                columns = ", ".join(self.field2type)
                raise UserError(
                    f"val_interval names {field}, which is no loaded column of {self.config['dataset']} ({columns}): "
                    "add it to load_col, or correct the name"
                )
        unknown = self._unknown_items()
        try:
            super()._data_filtering()
        except ValueError as error:
            # RecBole says no more than this word; the interval keys are checked where they are read.
            if "empty" not in str(error):
                raise
            if unknown is not None:
                raise UserError(unknown) from error
            filters = "user_inter_num_interval, item_inter_num_interval or val_interval"
            raise UserError(f"nothing is left of {self.config['dataset']} after filtering: widen {filters}") from error

    def _filter_by_inter_num(self) -> None:
        """Filter users and items as RecBole does, then keep the latest events of each user."""
        super()._filter_by_inter_num()
        latest = self.config["latest_events"]
        if latest is None:
            return
        # In the order of time, those of one time in the order of the file: what stays keeps its place.
        events = self.inter_feat.sort_index().sort_values(self.time_field, kind="stable")
        kept = events.groupby(self.uid_field, sort=False).tail(latest).index
        self.inter_feat = self.inter_feat[self.inter_feat.index.isin(kept)]

    def _unknown_items(self) -> str | None:
        """Return the line for an ``.item`` file that was read and describes no item of the events; None if it does."""
        if self.item_feat is None or self.inter_feat[self.iid_field].isin(self.item_feat[self.iid_field]).any():
            return None
        return (
            f"none of the items of {self.config['dataset']} is in its .item file, and RecBole drops events of others: "
            "write the same ids in both files"
        )

    def _reset_index(self) -> None:
        """Number the rows that filters have left, and keep their numbers in the file."""
        # RecBole's filters drop rows, and sort them at times; the index stays with its row.
        self._file_rows = self.inter_feat.index.to_numpy()
        super()._reset_index()

    def read_events(self) -> Events:
        """Return the events with their parts; to be called before ``build()``.

        Raises:
            UserError: The split cannot be made.
        """
        times = self.inter_feat[self.time_field].to_numpy()
        order = order_by(times, self._file_rows)
        users, items = (self.inter_feat[name].to_numpy()[order] for name in (self.uid_field, self.iid_field))
        times, rows, args = times[order], self._file_rows[order], self.config["eval_args"]
        label = self.config["LABEL_FIELD"]
        self._labels = self.inter_feat[label].to_numpy()[order] if label in self.inter_feat else None
        if self.fixed is not None:
            parts = self.fixed.parts[rows]
        else:
            name, group_by = self.config["dataset"], args["group_by"]
            parts = parts_of(users, times, args["split"], group_by, self._calcu_split_ids, name)
        return Events(users, items, times, rows, parts)

    def _change_feat_format(self) -> None:
        """Sort the events by their exact times before RecBole rounds these."""
        self.events = self.read_events()
        self.seen = self.events.seen(self.user_num, self.item_num)
        # RecBole turns times into float32, which resolves seconds since 1970 to one or two minutes. Its own sorting is
        # stable, so that what is sorted here stays sorted.
        times = self.inter_feat[self.time_field].to_numpy()
        if not is_ascending(times):
            self.inter_feat = self.inter_feat.take(stable_order(times))
        self.inter_feat = self.inter_feat.reset_index(drop=True)
        super()._change_feat_format()

    def split_by_events(self) -> bool:
        """Return whether the split is given event by event, and not by RecBole's split of each user's events."""
        args = self.config["eval_args"]
        return self.fixed is not None or not by_user(args["split"], args["group_by"])

    def part_rows(self) -> list[PartRows]:
        """Return the targets of each part; to be called after the events are read.

        Raises:
            UserError: Nothing is left to train on, or nothing to test.
        """
        if self.fixed is not None and self.fixed.given is not None:
            tokens = self.field2token_id[self.uid_field], self.field2token_id[self.iid_field]
            found = [rows.part_rows(*tokens) for rows in self.fixed.given]
        else:
            found = part_rows(self.events)
        for part in (TRAIN, len(PARTS) - 1):
            if len(found[part].ends) == 0:
                raise UserError(self._nothing_in(part))
        return found

    def _nothing_in(self, part: int) -> str:
        """Return the line for a part without targets."""
        name, events = self.config["dataset"], int((self.events.parts == part).sum())
        doing = "trained" if part == TRAIN else "tested"
        what = f"{events:,} events, none of which has an earlier one of its user" if events else "no event"
        if self.fixed is not None:
            file = f"{self.location.stem}.{self.config['benchmark_filename'][part]}.inter"
            return f"{file} has {what}, so that nothing can be {doing} on: add rows, or loosen the filters"
        split = self.config["eval_args"]["split"]
        return f"the split {split} leaves {what} of {name} to be {doing} on: choose other shares, or loosen the filters"

    def labels_of(self, rows: PartRows) -> dict[str, torch.Tensor]:
        """Return the column of labels of a part's targets, if it was read; empty for rows of given histories."""
        if self._labels is None or rows.events is None:
            return {}
        return {self.config["LABEL_FIELD"]: torch.from_numpy(self._labels[rows.events])}

    def check_labels(self, parts: Sequence[LiteralReading]) -> None:
        """Check that the parts that are evaluated have labels where ``eval_args`` needs them.

        Args:
            parts: The parts for training, validation and test.

        Raises:
            UserError: There is no column of labels, or AUC has events of one label alone.
        """
        label, modes = self.config["LABEL_FIELD"], self.config["eval_args"]["mode"]
        for part, name in zip(parts[1:], ("valid", "test"), strict=True):
            if modes[name] != "labeled" or len(part) == 0:
                continue
            if label not in part.inter_feat:
                columns = ", ".join([self.uid_field, self.iid_field, self.time_field, label])
                raise UserError(
                    f"mode labeled compares scores with the column {label} (LABEL_FIELD), which is not loaded of "
                    f'{self.config["dataset"]}: give --load_col="{{inter: [{columns}]}}", or mode uni100'
                )
            labels = part.inter_feat[label]
            if "AUC" in self.config["metrics"] and not 0 < int((labels > 0).sum()) < len(labels):
                raise UserError(
                    f"AUC has no value on the {name} events of {self.config['dataset']}, whose {label} is the same for "
                    "all: take AUC out of metrics, or give mode uni100"
                )

    def user_tokens(self) -> list[str]:
        """Return the id of each row's user; length R."""
        return self.field2id_token[self.uid_field][self.inter_feat[self.uid_field].numpy()].tolist()

    def item_tokens(self) -> list[str]:
        """Return the item tokens in the order of their numbers, number 0 being RecBole's padding; length N."""
        return list(self.field2id_token[self.iid_field])
