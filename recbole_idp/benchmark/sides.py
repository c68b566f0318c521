"""The two sides that are compared: RecBole's own SASRec as its users run it, and ours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

from recbole_idp.benchmark.measure import usage
from recbole_idp.config.derive import data_root
from recbole_idp.config.layers import recbole_layers
from recbole_idp.data.catalog import locate
from recbole_idp.errors import UserError
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    import torch
    from recbole.data.dataloader import AbstractDataLoader
    from recbole.data.dataset import Dataset
    from recbole.model.abstract_recommender import SequentialRecommender

    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.data.rows import Batch


@dataclass
class Side:
    """One side, ready to be trained and evaluated.

    Attributes:
        config: Its configuration.
        dataset: The whole dataset.
        loaders: RecBole's loaders for training, validation and test.
        reading: Seconds and peak memory to read, filter, split and build sequences.
        model: The model.
        trainer: Its trainer.
    """

    config: Config
    dataset: Dataset
    loaders: tuple[AbstractDataLoader, ...]
    reading: dict[str, float]
    model: SequentialRecommender = None
    trainer: Trainer = None

    @classmethod
    def read(cls, config: Config) -> Side:
        """Read the data as the configured model does, and make the model.

        Raises:
            UserError: There are too few items for RecBole's evaluator.
        """
        with usage() as used:
            dataset = create_dataset(config)
            loaders = data_preparation(config, dataset)
        if max(config["topk"]) > dataset.item_num:
            most = max(config["topk"])
            raise UserError(f"{config['dataset']} has fewer items than topk {most}: give a smaller --topk")
        reading = {"seconds": round(used.seconds, 3), "peak_memory_mb": round(used.peak_memory_mb, 1)}
        side = cls(config, dataset, loaders, reading)
        side.renew()
        return side

    def renew(self) -> None:
        """Make model and trainer again, with the random weights of the seed."""
        init_seed(self.config["seed"], self.config["reproducibility"])
        train = self.loaders[0]
        self.model = get_model(self.config["model"])(self.config, train.dataset).to(self.config["device"])
        trainer = SequenceTrainer if self.is_ours else Trainer
        self.trainer = trainer(self.config, self.model)
        # RecBole does this in fit(), for metrics that look at the training data.
        self.trainer.eval_collector.data_collect(train)

    @property
    def is_ours(self) -> bool:
        """Whether this is our side."""
        return self.config["model"] != "SASRec"

    @property
    def loss(self) -> Callable[[Any], torch.Tensor]:
        """The function that returns the loss of a training batch."""
        return self.model.position_loss if self.is_ours else self.model.calculate_loss

    @property
    def n_candidates(self) -> float:
        """Number of items that each target is compared with; RecBole's SASRec compares it with all."""
        n_items = self.model.n_items
        return self.model.loss.n_candidates(n_items) if self.is_ours else float(n_items)

    def sizes_of(self, batch: Any) -> tuple[list[torch.Size], int]:
        """Return the shapes of a training batch's parts, and its number of targets."""
        return batch_sizes(batch) if self.is_ours else ([batch[self.model.ITEM_SEQ].shape], len(batch))


def batch_sizes(batch: Batch) -> tuple[list[torch.Size], int]:
    """Return the shapes of the parts of one of our batches, and its number of targets."""
    return [items.shape for items, _ in batch.parts], batch.n_targets


def recbole_config(config: StrictConfig) -> Config:
    """Make RecBole's own configuration of its SASRec, with the same values for the keys that RecBole knows.

    Args:
        config: Ours.

    Returns:
        RecBole's configuration. It reads the ``.inter`` file only, as RecBole's reader fails on quotation marks in
        titles.
    """
    location = locate(config["dataset"], data_root(config))
    known = set().union(*(layer.values for layer in recbole_layers("SASRec", location.stem)))
    values = {key: config[key] for key in sorted(known) if key in config.final_config_dict}
    values.update(model="SASRec", dataset=location.stem, train_neg_sample_args=None)
    # RecBole's Config evaluates the options of this process.
    with mock.patch.object(sys, "argv", sys.argv[:1]):
        theirs = Config(model="SASRec", dataset=location.stem, config_dict=values)
    theirs["data_path"] = str(location.folder)
    return theirs
