"""SASRec that starts from the target's own texts: the baseline for all that takes over more."""

from recbole_idp.models.base.text_vectors import frozen_text_vectors
from recbole_idp.models.idp.generation import principal_components
from recbole_idp.models.idp.model import IDP


class TextPCASASRec(IDP):
    """SASRec whose item vectors start from principal components of the items' text vectors.

    item texts -> frozen vectors -> principal components -> item vectors, trained and pulled towards their start
    item ids -> item vectors + positions -> SASRec blocks, random at first -> last state . item vectors -> scores

    No source domain takes part. It is what IDP is in the variant ``text_pca``, to the number: the prior that IDP has
    around generated IDs is here around the components (``generated_prior``; 0: the start alone).
    """

    can_be_pretrained = False

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        vectors = frozen_text_vectors(config, dataset)
        self.start_from(principal_components(vectors, self.hidden_size, config["generated_spread"]))
