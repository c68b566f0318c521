"""Features of items, embedded once for all the places of a batch at which an item stands."""

from contextlib import ExitStack, contextmanager

import torch
from recbole.model.layers import FeatureSeqEmbLayer


class EachItemOnce:
    """Stands for the way in which a layer of RecBole embeds the features of the items of histories.

    An item has many words and stands at many places; how its features are embedded hangs on the item alone.

    Args:
        embed (Callable): RecBole's way: for users, or None, and ``(B, L)`` items, two dicts of ``(B, L, fields, D)``.
    """

    def __init__(self, embed):
        self.embed, self.kept = embed, None

    @contextmanager
    def keeping(self, items):
        """Embeds the features of all items of a batch, from which calls within take those of its parts.

        Args:
            items (torch.LongTensor): Shape [any].
        """
        self.kept = self._embedded(None, items)
        try:
            yield
        finally:
            self.kept = None

    def __call__(self, users, items):
        """Embeds the features of the items of histories; arguments and result as those of ``embed``."""
        known, found = self.kept or self._embedded(users, items)
        places = torch.searchsorted(known, items.contiguous())
        return tuple(
            {name: value if value is None else value.squeeze(1)[places] for name, value in embedded.items()}
            for embedded in found
        )

    def _embedded(self, users, items):
        """Returns the different items, in order, and what ``embed`` returns for them."""
        known = items.unique()
        return known, self.embed(users, known.unsqueeze(1))


def embed_features_once(model):
    """Lets a model of RecBole, in place, embed the features of each item once a batch.

    Args:
        model (nn.Module): One of RecBole's models, with features or without.

    Returns:
        Callable: Makes a context for the histories of a batch, a list of tensors [B, L], in which the model may be
        asked for these histories one after another.
    """
    layers = [module for module in model.modules() if isinstance(module, FeatureSeqEmbLayer)]
    for layer in layers:
        layer.forward = EachItemOnce(layer.forward)

    @contextmanager
    def once(histories):
        with ExitStack() as stack:
            for layer in layers:
                stack.enter_context(layer.forward.keeping(torch.cat([items.flatten() for items in histories])))
            yield

    return once
