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
    from recbole_idp.models.p5.catalogue import Catalogue
    from recbole_idp.models.p5.sampling import Ratings


class P5(PromptModel):
    """P5 on a target: trained alone, or from what was pre-trained on prompts about the source domains.

    Args:
        config: RecBole's configuration.
        dataset: The training part of the target.
    """

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        catalogue = target_catalogue(config, dataset)
        super().__init__(config, dataset, catalogue, _start(config, catalogue))

    def read_ratings(self, dataset: SequenceDataset) -> Ratings:
        """Return the ratings of the training part of the target."""
        return training_ratings(dataset, self.settings.rating_field)


def _start(config: Config, catalogue: Catalogue) -> Start:
    """Return what the network starts from, as ``transfer`` says."""
    if config["transfer"] == "scratch":
        return first_start(P5Settings.of(config), catalogue)
    pretrained = find_or_pretrain(config)
    return Start(pretrained.tokenizer, pretrained.sizes, pretrained.state)
