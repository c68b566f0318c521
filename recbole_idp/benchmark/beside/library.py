"""RecTools and PyTorch Lightning, where they are installed (``pip install rectools[torch]``)."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole_idp.benchmark.steps import TimedSteps

REMEDY = 'pip install "rectools[torch]==0.19.*"'


def is_installed() -> bool:
    """Return whether RecTools can be imported."""
    return importlib.util.find_spec("rectools") is not None


def load() -> None:
    """Import RecTools, before anything is measured.

    Raises:
        UserError: It is not installed.
    """
    if not is_installed():
        raise UserError(f"RecTools, which is measured beside, is not installed: {REMEDY}")
    for name in ("pytorch_lightning", "rectools.dataset", "rectools.models.nn.transformers.sasrec"):
        importlib.import_module(name)
    # It knows nothing of the strings of pandas 3.
    pd.set_option("future.infer_string", False)


def dataset(events: pd.DataFrame) -> Any:
    """Return RecTools' dataset of events.

    Args:
        events: Columns user_id, item_id, datetime and weight.
    """
    return importlib.import_module("rectools.dataset").Dataset.construct(events)


def targets_of(batch: Any) -> int:
    """Return the number of targets of one of RecTools' training batches."""
    return int((batch["y"] != 0).sum())


def trainer(steps: TimedSteps, **more: Any) -> Any:
    """Return Lightning's trainer, which ends after some steps.

    Args:
        steps: They are marked here.
        **more: Further arguments of Lightning's class.
    """
    lightning: Any = importlib.import_module("pytorch_lightning")

    class Marks(lightning.Callback):  # type: ignore[misc]  # its class is not known to mypy
        """Notes the beginning of each step; one more is made after the last one that counts."""

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            steps.mark(targets_of(batch))
            trainer.should_stop = steps.is_done

    return lightning.Trainer(
        max_epochs=-1,
        callbacks=[Marks()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
        accelerator="cpu",
        devices=1,
        **more,
    )


def sasrec(steps: TimedSteps, **options: Any) -> Any:
    """Return RecTools' ``SASRecModel``, whose training ends after some steps.

    Args:
        steps: The steps.
        **options: Arguments of the class.
    """
    module: Any = importlib.import_module("rectools.models.nn.transformers.sasrec")

    class Preparator(module.SASRecDataPreparator):  # type: ignore[misc]  # its class is not known to mypy
        """Its own, with the padding token in an array: pandas 3 finds no unique values of a tuple."""

        item_extra_tokens = np.array(module.SASRecDataPreparator.item_extra_tokens, dtype=object)

    return module.SASRecModel(data_preparator_type=Preparator, get_trainer_func=lambda **_: trainer(steps), **options)


def unisrec(vectors: Any, steps: TimedSteps, **options: Any) -> Any:
    """Return RecTools' ``UniSRecModel``, whose training ends after some steps.

    Args:
        vectors: Vector of each item, number 0 being padding; shape [N, W].
        steps: The steps.
        **options: Arguments of the class.
    """
    module: Any = importlib.import_module("rectools.fast_transformers.unisrec")

    class Timed(module.UniSRecModel):  # type: ignore[misc]  # its class is not known to mypy
        """Its own, with the trainer that is timed."""

        def _make_trainer(self, max_epochs: int, val_dl: Any = None) -> Any:
            return trainer(steps, gradient_clip_val=self.grad_clip)

    return Timed(vectors, device="cpu", **options)
