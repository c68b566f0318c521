"""Models whose items are what their texts say."""

from recbole_idp.models.base.encoded_items import EncodedItemsModel
from recbole_idp.models.base.text_vectors import unit_text_vectors


class TextModel(EncodedItemsModel):
    """A next-item model without item IDs: an item's vector is made of its text by a trained item encoder.

    item texts -> frozen vectors -> item encoder -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    Shapes: B batch, L length, D width, N items, W width of the frozen vectors.

    Attributes:
        texts_in_checkpoint (bool): Whether checkpoints hold the text vectors; else they are made of the texts again.
        text_vectors (torch.Tensor): What the item encoder reads; shape [N, W].
        item_encoder (nn.Module): Makes item vectors [N, D] of them.
    """

    texts_in_checkpoint = False

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self._remove_ids()
        vectors = self.read_texts(config, dataset)
        self.register_buffer("text_vectors", vectors, persistent=self.texts_in_checkpoint)
        self.item_encoder = self.build_item_encoder(config, vectors.shape[1])

    def _remove_ids(self):
        """Take the table of IDs away; a model that has IDs beside the texts keeps it."""
        del self.item_embedding

    def read_texts(self, config, dataset):
        """Return the frozen text vectors of all items; shape [N, W]."""
        return unit_text_vectors(config, dataset)

    def build_item_encoder(self, config, text_width):
        """Make the item encoder, which a subclass names."""
        raise NotImplementedError

    def encode_items(self):
        """Make the vector of every item; shape [N, D]."""
        return self.item_encoder(self.text_vectors)

    def position_loss(self, batch):
        """Compute the mean loss over all positions that have a target; arguments as in :class:`SequenceModel`."""
        with self.items_encoded_once():
            return super().position_loss(batch)

    def calculate_loss(self, interaction):
        """RecBole's hook: the mean loss of rows with one target each."""
        with self.items_encoded_once():
            return super().calculate_loss(interaction)
