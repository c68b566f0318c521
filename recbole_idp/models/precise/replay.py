"""A replay of PRECISE over slices of time: universal training goes on, targeted training restarts from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from recbole.utils import init_seed

from recbole_idp.config.derive import derive
from recbole_idp.data.sequences import Targets
from recbole_idp.evaluation.gains import gains
from recbole_idp.evaluation.ranking import rank_targets
from recbole_idp.models.precise.keys import WarmUpSettings
from recbole_idp.models.precise.model import OF_ITEMS, PRECISE, PRECISE_UT, PreciseModel
from recbole_idp.models.precise.slices import SliceLoader
from recbole_idp.models.precise.universal import UniversalTrainer, universal_settings
from recbole_idp.storage.checkpoint import load_checkpoint, save_checkpoint
from recbole_idp.storage.files import fingerprint, read_json, write_json
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recbole.config import Config

    from recbole_idp.models.precise.slices import SlicedData
    from recbole_idp.train.clock import StageClock

ModelT = TypeVar("ModelT", bound=PreciseModel)

METRICS = {"recall@10": "Hit@10", "ndcg@10": "NDCG@10"}
"""What is measured, and the name of the same for one right item."""


def restart(period: int, last: int) -> int:
    """Return the slice after which targeted training was last started from the universal model.

    Args:
        period: Number of slices from one start to the next; 0: there is only the first one.
        last: The latest slice that is trained on.

    Returns:
        The slice, 0 being the first part.
    """
    return last - last % period if period else 0


class Replay:
    """The models and results of each slice, computed on demand (arXiv 2412.06308, periodic warm-up).

    universal(0) -> universal(1) -> ...: after all behaviour up to a slice, each from the one before
    universal(r) -> targeted(r, r) -> targeted(r, r + 1) -> ...: started from the universal model of slice r, then going
    on with each slice's targeted events
    targeted(r, t) -> outcome(r, t): the ranks of the targeted events of slice t + 1

    Whatever periods are compared, each of these is computed once. Training on a slice uses the events, items and texts
    that were there by its end, and nothing later. All results are kept in the folder, so that an interrupted replay
    goes on. What training draws depends on the seed, r and t alone.

    Args:
        config: RecBole's configuration; ``seed`` is that of the replay.
        data: Events by slices.
        tokens: First token vectors of the universal items 1 to N - 1; shape [N - 1, M, W].
        folder: Where all results are kept.
        clock: Where stages are timed.
    """

    def __init__(
        self, config: Config, data: SlicedData, tokens: np.ndarray | None, folder: str | Path, clock: StageClock
    ) -> None:
        self.config, self.data, self.tokens = config, data, tokens
        self.settings = WarmUpSettings.of(config)
        self.folder, self.clock = Path(folder), clock

    def universal(self, last: int) -> dict[str, torch.Tensor]:
        """Train on all behaviour up to a slice, or load the result of an earlier run.

        Args:
            last: The slice.

        Returns:
            Weights of Transformer and fusion.
        """
        path = self.folder / f"universal-{last:03}.safetensors"
        if not path.is_file():
            before = self.universal(last - 1) if last else None
            n_items = self.data.universal.n_items(last)
            targets = self.data.universal.until(last).targets(last, last)
            config = self.config
            epochs = self.settings.warm_up_universal_epochs if last else config["pretrain_epochs"]
            settings = universal_settings(config, epochs=epochs, seed=self._seed("universal", last))
            what = f"slice {last}: universal training on {len(targets):,} events, {n_items - 1:,} items"
            with self.clock.stage("universal", what):
                loader = SliceLoader(targets, n_items)
                model = self._made(PRECISE_UT, settings, loader, self.tokens, before)
                _fit(UniversalTrainer(settings, model), loader)
                save_checkpoint(path, model, {"slice": last})
        return load_checkpoint(path)[0]

    def targeted(self, start: int, last: int) -> dict[str, torch.Tensor]:
        """Train on the targeted events up to a slice, or load the result of an earlier run.

        Args:
            start: The slice whose universal model it was started from.
            last: The slice, not before ``start``.

        Returns:
            The model's weights.
        """
        path = self.folder / f"targeted-{start:03}-{last:03}.safetensors"
        if not path.is_file():
            model, settings = self.started(start, last)
            kept = self.settings.warm_up_replay
            first = last if start < last else max(0, last + 1 - kept) if kept else 0
            targets = self.data.targeted.until(last).targets(first, last)
            origin = f"from the universal model of slice {last}" if start == last else "going on"
            what = f"slice {last}: targeted training on {len(targets):,} events, {origin}"
            with self.clock.stage("targeted", what):
                if len(targets):
                    _fit(SequenceTrainer(settings, model), SliceLoader(targets, model.n_items))
                save_checkpoint(path, model, {"start": start, "slice": last})
        return load_checkpoint(path)[0]

    def started(self, start: int, last: int) -> tuple[PRECISE, Config]:
        """Build a targeted model as it is before it is trained on a slice.

        Args:
            start: As for :meth:`targeted`.
            last: As for :meth:`targeted`.

        Returns:
            The model and the configuration of its training.
        """
        config, n_items = self.config, self.data.targeted.n_items(last)
        epochs = self.settings.warm_up_slice_epochs if start < last else self.settings.warm_up_targeted_epochs
        settings = derive(config, epochs=epochs, seed=self._seed("targeted", start, last))
        loader = SliceLoader(self.data.targeted.until(last).targets(0, last), n_items)
        rows = self.data.rows[:n_items]
        if start == last:
            universal = self.universal(last)
            model = self._made(PRECISE, settings, loader)
            model.start_from(universal, rows)
        else:
            before = self.targeted(start, last - 1)
            tokens = None if self.tokens is None else self.tokens[rows[1:] - 1]
            model = self._made(PRECISE, settings, loader, tokens, before)
        return model, settings

    def outcome(self, start: int, last: int) -> dict[str, Any]:
        """Rank the targeted events of the next slice among the items that were published by the end of this one.

        Args:
            start: As for :meth:`targeted`.
            last: As for :meth:`targeted`; there is a slice after it.

        Returns:
            ``slice``, that of the events; ``items``, how many are ranked; ``new_items``, how many of them are new;
            ``unpublished``, the number of events whose items are not published yet, which are not ranked; ``events``
            and :data:`METRICS` under ``all``, of ``warm_up_test_events`` drawn ones, and ``new``, of all with new
            items.
        """
        path = self.folder / f"outcome-{start:03}-{last:03}.json"
        if not path.is_file():
            state, stream = self.targeted(start, last), self.data.targeted
            n_items = stream.n_items(last)
            next_slice = stream.until(last + 1, n_items)
            targets = next_slice.targets(last + 1, last + 1)
            is_new = (stream.first[:n_items] >= self._newest(last))[targets.items.numpy()]
            chosen = self._chosen(len(targets), last)
            ranked = np.flatnonzero(chosen | is_new)
            targets = Targets(targets.sequences, targets.starts[ranked], targets.ends[ranked])
            unpublished = int((stream.slices == last + 1).sum() - (next_slice.slices == last + 1).sum())
            with self.clock.stage("evaluate", f"slice {last + 1}: ranking {len(targets):,} events"):
                model = self._made(PRECISE, self.config, SliceLoader(targets, n_items), None, state)
                max_length, show = self.config["MAX_ITEM_LIST_LENGTH"], self.config["show_progress"]
                ranks = rank_targets(model, targets, max_length, show).numpy()
            found = {
                "slice": last + 1,
                "items": n_items - 1,
                "new_items": int((stream.first[:n_items] >= self._newest(last)).sum()),
                "unpublished": unpublished,
                "all": _measured(ranks[chosen[ranked]]),
                "new": _measured(ranks[is_new[ranked]]),
            }
            write_json(path, found)
        return read_json(path, "outcome of a slice", f"delete {self.folder}, and run again")

    def _chosen(self, n_events: int, last: int) -> np.ndarray:
        """Draw the events that represent all, the same ones for each start and seed; bool, shape [n_events]."""
        count = min(n_events, self.settings.warm_up_test_events or n_events)
        chosen = np.zeros(n_events, dtype=bool)
        chosen[np.random.default_rng(last).choice(n_events, count, replace=False)] = True
        return chosen

    def _newest(self, last: int) -> int:
        """Return the first slice whose items count as new after a slice; those of the first part never do."""
        count = self.settings.warm_up_new_slices
        return max(1, last + 1 - count) if count else 1

    def _seed(self, *what: str | int) -> int:
        return int(fingerprint([self.config["seed"], *what])[:8], 16)

    def _made(
        self,
        cls: type[ModelT],
        settings: Config,
        loader: SliceLoader,
        tokens: np.ndarray | None = None,
        before: Mapping[str, torch.Tensor] | None = None,
    ) -> ModelT:
        """Build a model, with the weights of one of its class that had only the first of its items."""
        init_seed(settings["seed"], settings["reproducibility"])
        model = cls(settings, loader.dataset)
        if tokens is not None:
            model.fusion.start_tokens(tokens[: model.n_items - 1])
        if before is not None:
            take_over(model, before)
        return model.to(settings["device"])


def _fit(trainer: SequenceTrainer, loader: SliceLoader) -> None:
    """Train for all epochs: there are no later events for early stopping."""
    trainer.fit(loader, None, saved=False, show_progress=trainer.config["show_progress"])


def take_over(model: PreciseModel, state: Mapping[str, torch.Tensor]) -> None:
    """Copy the weights of a model of the same class that had only the first of the items.

    Args:
        model: The model; weights of its further items stay as they are.
        state: The other model's weights.
    """
    own = model.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            place = own[name][: len(value)] if name in OF_ITEMS else own[name]
            place.copy_(value)


def _measured(ranks: np.ndarray) -> dict[str, int | float | None]:
    """Return the number of events and the mean of each metric, None where there is no event."""
    means = {name: float(gains(ranks, metric).mean()) if len(ranks) else None for name, metric in METRICS.items()}
    return {"events": len(ranks), **means}
