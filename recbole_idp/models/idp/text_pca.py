"""SASRec that starts from the target's own texts: the baseline for transfer from sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.text_vectors import frozen_text_vectors
from recbole_idp.models.idp.generation import principal_components
from recbole_idp.models.idp.keys import TextStartSettings
from recbole_idp.models.idp.model import IDP

if TYPE_CHECKING:
    import torch
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset


def text_components(settings: TextStartSettings, encoding: TextEncoding, dataset: SequenceDataset) -> torch.Tensor:
    """Return the principal components of the texts of all inputs but padding; shape [I - 1, D].

    Args:
        settings: Width, spread and whitening.
        encoding: Settings of texts and text encoder.
        dataset: The target.

    Raises:
        UserError: There are no texts, or the encoder cannot be loaded.
    """
    vectors = frozen_text_vectors(encoding, dataset)
    spread, whitening = settings.generated_spread, settings.text_whitening
    return principal_components(vectors, settings.hidden_size, spread, whitening=whitening)


class TextPCASASRec(IDP):
    """SASRec whose item vectors start from principal components of the items' text vectors.

    item texts -> frozen vectors -> principal components -> item vectors, trained and pulled towards their start
    item ids -> item vectors + positions -> SASRec blocks, random at first -> last state . item vectors -> scores

    No source domain is used. The result is that of IDP in the variant ``text_pca``, to the digit: the prior that IDP
    has around generated IDs is here around the components (``generated_prior``; 0: the start alone).
    """

    can_be_pretrained = False

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        super().__init__(config, dataset)
        self.start_from(text_components(TextStartSettings.of(config), TextEncoding.of(config), dataset))
