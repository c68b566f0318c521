"""SASRec that starts from the target's own texts: the baseline for transfer from sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.text_vectors import frozen_text_vectors
from recbole_idp.models.idp.co_occurrence import behaviour_vectors
from recbole_idp.models.idp.generation import centred, principal_components
from recbole_idp.models.idp.keys import GraphStartSettings, TextStartSettings
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
        settings = GraphStartSettings.of(config)
        vectors = frozen_text_vectors(TextEncoding.of(config), dataset)
        if settings.graph_share:
            graph = behaviour_vectors(dataset.targets(), dataset.item_num - 1, config["seed"])
            vectors = beside_graph(vectors, graph, settings.graph_share)
        spread, whitening = settings.generated_spread, settings.text_whitening
        self.start_from(principal_components(vectors, settings.hidden_size, spread, whitening=whitening))


def beside_graph(texts: np.ndarray, graph: np.ndarray, share: float) -> np.ndarray:
    """Put the vectors of what users take together beside those of texts.

    Args:
        texts: Text vectors of all inputs; shape [I - 1, W].
        graph: Vectors of the candidates, which are the first inputs, zero where an item stands beside no other;
            shape [N - 1, G].
        share: Share of the graph in the variance of both.

    Returns:
        Shape [I - 1, W + G].
    """
    both = [centred(texts), np.pad(centred(graph), ((0, len(texts) - len(graph)), (0, 0)))]
    lengths = [np.sqrt(np.square(part).sum(1).mean()) or 1.0 for part in both]
    weights = np.sqrt([1 - share, share])
    return np.concatenate(
        [part * np.float32(weight / length) for part, weight, length in zip(both, weights, lengths, strict=True)], 1
    )
