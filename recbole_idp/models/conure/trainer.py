"""Learning of a further task by Conure, into a folder of all tasks so far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_idp.config.derive import given_values
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.keys import PredictionSettings
from recbole_idp.errors import UserError
from recbole_idp.models.conure.folder import ConureFolder, Task, conure_card, conure_content
from recbole_idp.models.conure.masks import Phase
from recbole_idp.models.conure.phases import TwoPhaseTrainer
from recbole_idp.models.conure.pretrain import find_or_learn_first
from recbole_idp.nn.adapters.sockets import trained_share
from recbole_idp.storage.environment import versions
from recbole_idp.storage.files import fingerprint
from recbole_idp.train.pretrained_folder import write_folder
from recbole_idp.train.pretrained_items import ITEM_TABLE, ITEMS, NoCommonItems
from recbole_idp.train.source_start import SourceSequencesTrainer
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    import torch
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.conure.model import Conure
    from recbole_idp.train.clock import StageClock

VARIANTS = {
    "scratch": "the same network for this task alone, all of it trained",
    "learn": "the folder's network, trained, pruned and retrained on the weights that earlier tasks left free",
    "stored": "the task as the folder has it, not trained",
}


class ConureTrainer(SourceSequencesTrainer, TwoPhaseTrainer):
    """Learn the next task of a folder, and write a folder that has it as well.

    The folder is the one named by ``pretrained``; without a name, the source sequences are the first task, which is
    found or learned. ``transfer`` names the variant.

    Attributes:
        extended: The folder that was written; None before, and for other variants.
    """

    model: Conure
    variants = VARIANTS
    extended: Path | None = None

    def __init__(self, config: Config, model: Conure) -> None:
        super().__init__(config, model)
        self._folder: ConureFolder | None = None
        self._data: SequenceDataset | None = None

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check the folder or the source domains, and that the task is new, or known."""
        super().check_sources(config, variants)
        if config["pretrained"] and set(variants) != {"scratch"}:
            name = task_name(config["task_name"], config["dataset"], PredictionSettings.of(config))
            check_name(find_or_learn_first(config), name, variants)
        elif "stored" in variants:
            raise UserError("stored shows a task that a folder has learned: name the folder, --pretrained=FOLDER")

    @classmethod
    def find_start(cls, config: Config, clock: StageClock | None = None) -> ConureFolder:
        """Find the folder, or learn the first task."""
        return find_or_learn_first(config, clock)

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Load the network into the model."""
        if self.model.is_alone:
            return
        config, variant = self.config, self.config["transfer"]
        found = find_or_learn_first(config)
        name = task_name(config["task_name"], config["dataset"], PredictionSettings.of(config))
        check_name(found, name, [variant])
        self._folder, self._data = found, train_data
        rows = found.rows_of(train_data.history_items)
        if len(rows) and not rows.any():
            names = ", ".join(sorted({item.domain for item in train_data.history_items}))
            raise NoCommonItems(
                f"{found.folder} has none of the items of the histories, which are of {names}: its first task must be "
                "on them"
            )
        self.model.start_from(found.state, rows, found.shares())
        if variant == "stored":
            number = found.names().index(name) + 1
            if found.tasks[number - 1].ids != candidates_of(train_data):
                raise UserError(f"{found.folder} has other candidates in its task {name} than {self.config['dataset']}")
            self.model.load_task(found.tasks[number - 1], number)
        else:
            self.model.check_room()
            self.model.begin(Phase.TRAIN)

    def is_trained(self) -> bool:
        """Return whether the model is trained: all but ``stored`` are."""
        return self.config["transfer"] != "stored"

    def _train(self, *arguments: Any) -> tuple[float, dict[str, float]]:
        """Train in both phases; a network that learns one task alone in one."""
        if self.model.is_alone:
            return SequenceTrainer._train(self, *arguments)
        return super()._train(*arguments)

    def after_training(self) -> None:
        """Write the folder that has the task as well."""
        if self.config["transfer"] != "learn" or not self.config["keep_trained"]:
            return
        assert self._folder is not None and self._data is not None  # as prepare_model sets them
        self.restore(self.saved_model_file)
        config = self.config
        learned = LearnedTask(
            name=task_name(config["task_name"], config["dataset"], PredictionSettings.of(config)),
            values=values_that_affect(given_values(config), config["model"], Affects.PRETRAINING | Affects.TRAINING),
            seed=config["seed"],
            valid=dict(self.best_valid_result),
        )
        self.extended = extend(self._folder, self.model, learned, self._data, Path(config["checkpoint_dir"]))
        self.logger.info(f"Conure with {len(self._folder.tasks) + 1} tasks: {self.extended}")

    def facts(self) -> dict[str, Any]:
        """Return the share of parameters that are trained, and the folder that was written."""
        found = {"trained_share": trained_share(self.model)}
        return found if self.extended is None else {**found, "conure": str(self.extended)}


def task_name(given: str | None, dataset: str, prediction: PredictionSettings) -> str:
    """Return the given name of a task, or that of its dataset and of what is predicted there."""
    parts = [dataset, prediction.predicts, prediction.profile_field]
    return given or ":".join(part for part in parts if part)


def candidates_of(dataset: SequenceDataset) -> list[str]:
    """Return the ids of candidates 1 to N - 1."""
    return [str(token) for token in dataset.field2id_token[dataset.iid_field][1:]]


def check_name(folder: ConureFolder, name: str, variants: Sequence[str]) -> None:
    """Check that a task is new where it is learned, and known where it is shown.

    Raises:
        UserError: It is not.
    """
    names = folder.names()
    if "learn" in variants and name in names:
        raise UserError(
            f"{folder.folder} has learned a task {name} before ({', '.join(names)}): give another --task_name, or show "
            "it with --variants=stored"
        )
    if "stored" in variants and name not in names:
        raise UserError(f"{folder.folder} has no task {name}, but {', '.join(names)}: name one of them by --task_name")


class LearnedTask(NamedTuple):
    """A task that was learned.

    Attributes:
        name: Its name in the folder.
        values: Keys and values that decide on what was learned.
        seed: The seed.
        valid: Validation metrics.
    """

    name: str
    values: dict[str, Any]
    seed: int
    valid: dict[str, float]


def extend(
    folder: ConureFolder, model: Conure, learned: LearnedTask, dataset: SequenceDataset, checkpoint_dir: Path
) -> Path:
    """Write a folder with the tasks of another one, and one more; the other one stays.

    Args:
        folder: The folder that the task started from.
        model: The trained model.
        learned: What it was trained on, and how.
        dataset: The training part of its dataset.
        checkpoint_dir: Folder that the new folder is made in.

    Returns:
        The new folder; an existing one was made from the same.

    Raises:
        UserError: It cannot be written.
    """
    data = content_hashes(dataset.location, with_items=False)
    digits = fingerprint([folder.description["fingerprint"], learned.values, data])
    place = checkpoint_dir / f"conure-{learned.name.replace(':', '-')[:80]}-{digits[:8]}"
    if place.is_dir():
        return place
    about = {"name": learned.name, "pruned": model.settings.pruned, "kept": model.kept, "valid": learned.valid}
    table, token = (value.detach().cpu().clone() for value in (model.item_embedding.weight, model.encoder.token))
    task = Task(about, table, token, table.new_zeros(len(table)), candidates_of(dataset))
    state: dict[str, torch.Tensor] = {ITEM_TABLE: folder.state[ITEM_TABLE], **model.stored_network()}
    items = (folder.folder / ITEMS).read_text(encoding="utf-8")
    content = conure_content(state, items, [*folder.tasks, task], (), {})
    description = {
        **{key: folder.description[key] for key in ("domains", "sizes", "hyper_parameters")},
        **content.facts,
        "fingerprint": digits,
        "valid": learned.valid,
        "seed": learned.seed,
        "versions": versions(),
    }
    write_folder(place, ConureFolder.folder_format, content, description, conure_card(description))
    return place
