"""How RecBole's datasets of any kind read atomic files here: found by name, literally, with exact times."""

from recbole.utils import FeatureSource, FeatureType

from recbole_idp.config.derive import data_root
from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.catalog import locate
from recbole_idp.errors import UserError


class LiteralReading:
    """To be mixed into a RecBole dataset: it is found by :func:`~recbole_idp.data.catalog.locate`, its files are read
    without quoting, and what is wrong with them is said in one line.

    Attributes:
        location (DatasetLocation): Where the atomic files lie.
    """

    def _load_data(self, token, dataset_path):
        self.location = locate(token, data_root(self.config))
        super()._load_data(self.location.stem, str(self.location.folder))

    def _load_feat(self, filepath, source):
        load_columns, unload_columns = self._get_load_and_unload_col(source)
        if load_columns == set():
            return None
        frame = read_atomic(filepath, load_columns, self.config["field_separator"], self.config["encoding"] or "utf-8")
        types = frame.attrs["types"]
        # Sequence columns are texts; they are read as they are by recbole_idp.data.item_text.
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

    def _check_columns(self, path, types):
        """Raises where a column that makes a sequence is missing or of another type."""
        for name, kind in ((self.uid_field, "token"), (self.iid_field, "token"), (self.time_field, "float")):
            if name not in types:
                raise UserError(f"{path} has no column {name}:{kind}, which every event needs: add it")
            if types[name] != kind:
                raise UserError(f"{path}, line 1: column {name} is of type {types[name]}: write it as {name}:{kind}")

    def _data_filtering(self):
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
            # RecBole's only word for it; the interval keys are checked where they are read.
            if "empty" not in str(error):
                raise
            filters = "user_inter_num_interval, item_inter_num_interval or val_interval"
            raise UserError(f"nothing is left of {self.config['dataset']} after filtering: widen {filters}") from error

    def _change_feat_format(self):
        # RecBole turns times into float32, in which seconds since 1970 are told apart by the minute only. Its own
        # sorting is stable, so that what is sorted here stays sorted.
        self.inter_feat = self.inter_feat.sort_values(self.time_field, kind="stable", ignore_index=True)
        super()._change_feat_format()

    def user_tokens(self):
        """Returns the id of each row's user, in the order of the rows; length R."""
        return self.field2id_token[self.uid_field][self.inter_feat[self.uid_field].numpy()].tolist()

    def item_tokens(self):
        """Returns the item tokens in the order of their numbers; number 0 is RecBole's padding token; length N."""
        return list(self.field2id_token[self.iid_field])
