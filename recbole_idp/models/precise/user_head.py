"""From the states of a fixed number of events to one user vector (PRECISE, Targeted Training)."""

import torch
from torch import nn

from recbole_idp.nn.encoder.transformer import TransformerEncoder

HEADS = ("mlp", "residual")
"""``mlp`` is the paper's; ``residual`` adds the last state, so that what the states were good for before is kept."""


class UserHead(nn.Module):
    """h' = MLP(CONCAT(h_1 ... h_n)) (arXiv 2412.06308, Targeted Training).

    Events are counted from the latest, which has the first place; places without an event are zero.

    Args:
        length (int): n.
        width (int): D.
        inner_size (int): Width between the MLP's two layers.
        kind (str): One of :data:`HEADS`.
    """

    def __init__(self, length, width, inner_size, kind):
        super().__init__()
        self.length, self.residual = length, kind == "residual"
        self.inner, self.outer = nn.Linear(length * width, inner_size), nn.Linear(inner_size, width)
        self.activation = nn.GELU()
        if self.residual:
            # At first the user vector is the last state.
            nn.init.zeros_(self.outer.weight)
            nn.init.zeros_(self.outer.bias)

    def forward(self, states, lengths):
        """Makes user vectors.

        Args:
            states (torch.Tensor): Undefined behind the end of a row; shape [B, L, D], L at most n.
            lengths (torch.LongTensor): Shape [B].

        Returns:
            torch.Tensor: Shape [B, D].
        """
        places = lengths.unsqueeze(1) - 1 - torch.arange(self.length, device=states.device)
        index = places.clamp_min(0).unsqueeze(-1).expand(-1, -1, states.shape[-1])
        slots = states.gather(1, index).masked_fill((places < 0).unsqueeze(-1), 0.0)
        vectors = self.outer(self.activation(self.inner(slots.flatten(1))))
        return vectors + slots[:, 0] if self.residual else vectors


class HeadedEncoder(nn.Module):
    """Transformer and head with the face of a sequence encoder, whose state at each position is the user vector.

    item vectors [B, L, D] -> bidirectional Transformer -> head -> user vector, as often as there are positions

    Args:
        config (dict): Keys of :class:`TransformerEncoder`, ``targeted_length``, ``head_size`` and ``user_head``.
        parts (tuple[TransformerEncoder, UserHead], optional): Those of a model; None: new ones of these sizes.
    """

    def __init__(self, config, parts=None):
        super().__init__()
        self.encoder, self.head = parts or (
            TransformerEncoder(config, causal=False),
            UserHead(config["targeted_length"], config["hidden_size"], config["head_size"], config["user_head"]),
        )

    def forward(self, vectors, padding):
        """Encodes sequences no longer than the head reads; as :meth:`TransformerEncoder.forward`."""
        users = self.head(self.encoder(vectors, padding), (~padding).sum(1))
        return users.unsqueeze(1).expand(-1, vectors.shape[1], -1)


def latest_events(items, lengths, length):
    """Keeps the latest events of histories.

    Args:
        items (torch.LongTensor): Padded with 0 on the right; shape [B, L].
        lengths (torch.LongTensor): Shape [B].
        length (int): How many to keep at most.

    Returns:
        tuple[torch.LongTensor, torch.LongTensor]: Items, as long as the longest row that is left, and lengths.
    """
    kept = lengths.clamp(max=length)
    columns = torch.arange(int(kept.max()), device=items.device)
    places = ((lengths - kept).unsqueeze(1) + columns).clamp_max(items.shape[1] - 1)
    return items.gather(1, places).masked_fill(columns >= kept.unsqueeze(1), 0), kept
