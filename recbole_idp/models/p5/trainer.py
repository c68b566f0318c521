"""Training of P5 on a target, alone or from what was pre-trained on the source domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.errors import UserError
from recbole_idp.models.p5.pretrain import find_or_pretrain
from recbole_idp.models.p5.training import PromptTrainer
from recbole_idp.train.from_sources import FromSources

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.models.p5.model import P5
    from recbole_idp.models.p5.pretrain import PretrainedP5
    from recbole_idp.train.clock import StageClock


class P5Trainer(FromSources, PromptTrainer):
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
    def find_start(cls, config: Config, clock: StageClock | None = None) -> PretrainedP5:
        """Open what the model starts from, or make it; see :class:`FromSources`."""
        return find_or_pretrain(config, clock)
