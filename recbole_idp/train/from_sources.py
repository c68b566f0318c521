"""What trainers share whose model may start from what was pre-trained on source domains, as ``transfer`` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recbole_idp.data.domains import source_locations

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.train.clock import StageClock


class StartFinder:
    """Mixin for a trainer whose model may start from a folder."""

    @classmethod
    def find_start(cls, config: Config, clock: StageClock | None = None) -> Any:
        """Open what a model starts from, and make it first where there is none. Subclasses implement it.

        Args:
            config: The configuration.
            clock: Where stages are timed.

        Returns:
            The opened folder.

        Raises:
            UserError: The named folder or the sources cannot be used.
        """
        raise NotImplementedError


class FromSources(StartFinder):
    """Mixin for a trainer, before its other classes: ``scratch`` needs no sources, ``zero_shot`` no training."""

    config: Config

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check the source domains, where they are pre-trained on."""
        if config["transfer"] != "scratch" and not config["pretrained"]:
            source_locations(config)

    @classmethod
    def prepare_start(
        cls, config: Config, dataset: SequenceDataset, variants: Sequence[str], clock: StageClock
    ) -> None:
        """Make, or find, what the model starts from; each trial opens it again."""
        if config["transfer"] != "scratch":
            cls.find_start(config, clock)

    def is_trained(self) -> bool:
        """Return whether the model is trained on the target: not with ``zero_shot``."""
        return self.config["transfer"] != "zero_shot"
