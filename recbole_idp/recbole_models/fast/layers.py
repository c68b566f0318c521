"""Layers of RecBole's models in forms that a CPU computes faster."""

from recbole.model.layers import FeedForward
from torch import nn

from recbole_idp.nn.dropout import Dropout


def take_faster_layers(model):
    """Gives a model of RecBole, in place, layers that compute the same in fewer passes over memory.

    RecBole writes GELU as five operations, each of which reads and writes the widest tensor of a layer; PyTorch has it
    as one. Dropout needs no full random number for an element. No parameter and no name of one changes.

    Args:
        model (nn.Module): One of RecBole's models.
    """
    for module in list(model.modules()):
        if isinstance(module, FeedForward) and module.intermediate_act_fn == module.gelu:
            module.intermediate_act_fn = nn.functional.gelu
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p).train(child.training))
