"""Training of P5 on a target, alone or from what was pre-trained on the source domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbole_idp.data.domains import source_locations
from recbole_idp.errors import UserError
from recbole_idp.models.p5.pretrain import find_or_pretrain
from recbole_idp.models.p5.training import PromptTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.p5.model import P5
    from recbole_idp.train.clock import StageClock


class P5Trainer(PromptTrainer):
    """Trains P5 as ``transfer`` says.

    ``scratch``: on the target alone, as the paper does; ``fine_tune``: from the network that was pre-trained on prompts
    of the source domains; ``zero_shot``: with that network as it is.
    """

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Refuse to keep users, of which P5 has no vectors, and to add scores to those of beams."""
        super().check_config(config)
        if config["fuse"]:
            raise UserError(f"fuse adds scores to those of all items, and {config['model']} writes items: remove fuse")
        if config["keep_users"]:
            raise UserError(f"{config['model']} has no vectors of users to keep: take keep_users out")

    def __init__(self, config: Config, model: P5) -> None:
        self.check_config(config)
        super().__init__(config, model)

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check the source domains where something is pre-trained on them."""
        if config["transfer"] != "scratch" and not config["pretrained"]:
            source_locations(config)

    @classmethod
    def prepare_start(
        cls, config: Config, dataset: SequenceDataset, variants: Sequence[str], clock: StageClock
    ) -> None:
        """Make, or find, what the model starts from, which opens it again."""
        if config["transfer"] != "scratch":
            find_or_pretrain(config, clock)

    def is_trained(self) -> bool:
        """Return whether the model is trained on the target: not with ``zero_shot``."""
        return self.config["transfer"] != "zero_shot"
