"""Layers of RecBole's models in forms that a CPU computes faster."""

from functools import partial

from recbole.model.layers import FeatureSeqEmbLayer, FeedForward
from torch import nn

from recbole_idp.model.dropout import Dropout


def take_faster_layers(model):
    """Gives a model of RecBole, in place, layers that compute the same in fewer passes over memory.

    RecBole writes GELU as five operations, each of which reads and writes the widest tensor of a layer; PyTorch has it
    as one. Dropout needs no full random number for an element. The features of an item that stands at many places of a
    batch need to be embedded only once. No parameter and no name of one changes.

    Args:
        model (nn.Module): One of RecBole's models.
    """
    for module in list(model.modules()):
        if isinstance(module, FeedForward) and module.intermediate_act_fn == module.gelu:
            module.intermediate_act_fn = nn.functional.gelu
        if isinstance(module, FeatureSeqEmbLayer):
            module.forward = partial(_each_item_once, module.forward)
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p).train(child.training))


def _each_item_once(embed, users, items):
    """Embeds the features of the items of histories.

    Args:
        embed (Callable): RecBole's way: for users, or None, and ``(B, L)`` items, two dicts of ``(B, L, fields, D)``.
        users (torch.LongTensor | None): As ``embed`` takes them.
        items (torch.LongTensor): ``(B, L)``.

    Returns:
        tuple[dict, dict]: What ``embed`` returns.
    """
    known, places = items.unique(return_inverse=True)
    found = embed(users, known.unsqueeze(1))
    for embedded in found:
        if embedded.get("item") is not None:
            embedded["item"] = embedded["item"].squeeze(1)[places]
    return found
