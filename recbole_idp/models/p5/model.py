"""P5: recommendation as language processing (RecSys 2022, arXiv 2203.13366)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.models.p5.catalogue import target_catalogue
from recbole_idp.models.p5.keys import P5Settings
from recbole_idp.models.p5.pretrain import find_or_pretrain
from recbole_idp.models.p5.prompt_model import PromptModel
from recbole_idp.models.p5.ratings import training_ratings
from recbole_idp.models.p5.start import Start, first_start

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.p5.sampling import Ratings


class P5(PromptModel):
    """P5 on a target: trained alone, or from what was pre-trained on prompts about the source domains.

    Args:
        config: RecBole's configuration.
        dataset: The training part of the target.

    Attributes:
        pretrained_on: Names of the source domains; empty where nothing was pre-trained.
    """

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        catalogue = target_catalogue(config, dataset)
        if config["transfer"] == "scratch":
            start, self.pretrained_on = first_start(P5Settings.of(config), catalogue), []
        else:
            pretrained = find_or_pretrain(config)
            start = Start(pretrained.tokenizer, pretrained.sizes, pretrained.state)
            self.pretrained_on = pretrained.domain_names()
        super().__init__(config, dataset, catalogue, start)

    def read_ratings(self, dataset: SequenceDataset) -> Ratings:
        """Return the ratings of the training part of the target."""
        return training_ratings(dataset, self.settings.rating_field)
