"""Read atomic files for RecBole's datasets of any kind: found by name, literally, with exact times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from recbole.utils import FeatureSource, FeatureType

from recbole_idp.config.derive import data_root
from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.catalog import DatasetLocation, locate
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole.data.dataset import Dataset as _MixedInto
else:
    _MixedInto = object


class LiteralReading(_MixedInto):
    """Mixin for RecBole's datasets that reads their files without quoting.

    The dataset is found by :func:`~recbole_idp.data.catalog.locate`. An error in a file is reported in one line.

    Attributes:
        location: Where the atomic files are.
    """

    location: DatasetLocation
    inter_feat: Any  # RecBole's: a DataFrame while it loads, an Interaction afterwards

    def _load_data(self, token: str, dataset_path: str) -> None:
        """Load the dataset from the place that :func:`~recbole_idp.data.catalog.locate` finds."""
        self.location = locate(token, data_root(self.config))
        super()._load_data(self.location.stem, str(self.location.folder))

    def _load_feat(self, filepath: str, source: FeatureSource) -> pd.DataFrame | None:
        """Read one atomic file without its sequence columns; None if ``load_col`` names no column of it."""
        load_columns, unload_columns = self._get_load_and_unload_col(source)
        if load_columns == set():
            return None
        frame = read_atomic(filepath, load_columns, self.config["field_separator"], self.config["encoding"] or "utf-8")
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
        return frame[kept].copy() if kept else None

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
        try:
            super()._data_filtering()
        except ValueError as error:
            # RecBole says no more than this word; the interval keys are checked where they are read.
            if "empty" not in str(error):
                raise
            filters = "user_inter_num_interval, item_inter_num_interval or val_interval"
            raise UserError(f"nothing is left of {self.config['dataset']} after filtering: widen {filters}") from error

    def _change_feat_format(self) -> None:
        """Sort the events by their exact times before RecBole rounds these."""
        # RecBole turns times into float32, which resolves seconds since 1970 to one or two minutes. Its own sorting is
        # stable, so that what is sorted here stays sorted.
        self.inter_feat = self.inter_feat.sort_values(self.time_field, kind="stable", ignore_index=True)
        super()._change_feat_format()

    def check_labels(self, parts: Sequence[LiteralReading]) -> None:
        """Check that the parts that are evaluated have labels where ``eval_args`` asks for them.

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
