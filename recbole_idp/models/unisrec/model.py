"""UniSRec: universal sequence representations from item texts (arXiv 2206.05941)."""

import dataclasses

import torch

from recbole_idp.errors import UserError
from recbole_idp.models.base.serving import Serving
from recbole_idp.models.base.text_model import TextModel
from recbole_idp.models.base.text_vectors import frozen_text_vectors
from recbole_idp.models.unisrec.adaptor import MixtureAdaptor

_NO_LENGTH = 1e-6


class UniSRec(TextModel):
    """UniSRec, inductive: items are their texts alone (arXiv 2206.05941).

    item texts -> frozen vectors -> whitening experts, mixed -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> cosine of last state and item vectors, divided by the
    temperature -> scores

    Made from a configuration alone its weights are random; :class:`~recbole_idp.models.unisrec.trainer.UniSRecTrainer`
    gives it those pre-trained on the source domains and then trains the adaptor, the blocks being frozen.

    Attributes:
        encoder_keys (tuple[str, ...]): Keys that must be equal before and after the transfer for the weights to fit.
    """

    # They are those of the folder with the pre-trained weights, which need not be there when a checkpoint is opened.
    texts_in_checkpoint = True
    encoder_keys = (
        *("hidden_size", "n_layers", "n_heads", "inner_size", "hidden_act", "MAX_ITEM_LIST_LENGTH"),
        "n_experts",
    )

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.temperature = config["temperature"]
        self._cached_candidates = (None, None)

    def read_texts(self, config, dataset):
        """Returns the text vectors of all items as the adaptor reads them; shape [N, W]."""
        return adaptor_inputs(frozen_text_vectors(config, dataset))

    def build_item_encoder(self, config, text_width):
        """Makes the adaptor."""
        return MixtureAdaptor(text_width, self.hidden_size, config["n_experts"], config["adaptor_dropout_prob"])

    def candidate_vectors(self):
        """Returns the vector of every item as candidate, of length one; shape [N, D]."""
        vectors = self.item_vectors()
        if vectors is not self._cached_vectors:
            return unit(vectors)
        # Evaluation asks for each chunk of users, and a large catalogue takes long to be divided.
        if self._cached_candidates[0] is not vectors:
            self._cached_candidates = (vectors, unit(vectors))
        return self._cached_candidates[1]

    def encode(self, items):
        """Encodes sequences; the states are of length one, divided by the temperature; shape [B, L, D]."""
        return unit(super().encode(items)) / self.temperature

    def serving(self) -> Serving:
        """Return what is needed to answer: by the cosine, divided by the temperature."""
        return dataclasses.replace(super().serving(), temperature=self.temperature)

    def start_from(self, state, text_vectors):
        """Takes over pre-trained weights, and the target's texts as their text encoder reads them.

        Args:
            state (dict[str, torch.Tensor]): Weights of ``encoder`` and ``item_encoder``, named as in this model.
            text_vectors (np.ndarray): Vectors of items 1 to N - 1; shape [N - 1, W].

        Raises:
            UserError: The weights are of other sizes than this model's.
        """
        inputs = adaptor_inputs(text_vectors).to(self.text_vectors)
        own = {name: value.shape for name, value in transferable(self).items()}
        if own != {name: value.shape for name, value in state.items()} or inputs.shape != self.text_vectors.shape:
            keys = ", ".join((*self.encoder_keys, "text_encoder"))
            raise UserError(f"the pre-trained UniSRec does not fit this model: {keys} must be as in pre-training")
        self.load_state_dict(state, strict=False)
        self.text_vectors.copy_(inputs)

    def freeze_blocks(self):
        """Keeps positions and blocks as they were pre-trained: training changes the adaptor and the input's norm."""
        for part in (self.encoder.position_embedding, self.encoder.blocks):
            part.requires_grad_(False)


class UniSRec_IDt(UniSRec):
    """UniSRec_{ID+t}, transductive: an ID, random at first, is added to each item's adapted text (arXiv 2206.05941).

    item vectors = adapted texts + IDs, at the input and at the candidate side; all else as in :class:`UniSRec`.
    """

    def _remove_ids(self):
        """Keeps the IDs."""

    def encode_items(self):
        """Makes the vector of every item; shape [N, D]."""
        return super().encode_items() + self.item_embedding.weight


def transferable(model):
    """Returns the weights that pre-training hands on: those of adaptor and sequence encoder, by their names."""
    return {name: value for name, value in model.state_dict().items() if name.startswith(("encoder.", "item_encoder."))}


def adaptor_inputs(vectors):
    """Gives text vectors the length that the adaptor's first weights and its learning rate are made for.

    Text encoders differ in the length of what they give: BERT's states have about the square root of their width,
    sentence encoders' often one.

    Args:
        vectors (np.ndarray): Vectors of items 1 to N - 1, zero for items without text; shape [N - 1, W].

    Returns:
        torch.Tensor: Of length sqrt(W), zero for the padding item and for items without text; shape [N, W].
    """
    vectors = torch.nn.functional.pad(torch.from_numpy(vectors), (0, 0, 1, 0))
    return unit(vectors) * vectors.shape[1] ** 0.5


def unit(vectors):
    """Divides vectors by their length; one without length stays as it is, and its gradient finite; shape [..., D]."""
    lengths = vectors.norm(dim=-1, keepdim=True)
    return vectors / torch.where(lengths > _NO_LENGTH, lengths, torch.ones_like(lengths))
