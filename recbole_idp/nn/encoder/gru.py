"""The recurrent network of GRU4Rec."""

from torch import nn

from recbole_idp.nn.dropout import Dropout


class GRUEncoder(nn.Module):
    """A recurrent network reads the events one after the other: the encoder of GRU4Rec.

    item vectors [B, L, D] -> dropout -> GRU of width H -> dense layer -> states [B, L, D]

    The order of the operations is that of RecBole's GRU4Rec: with the same weights it gives the same states.

    Args:
        config (Config): ``hidden_size`` (D), ``gru_hidden_size`` (H), ``gru_layers`` and ``gru_dropout_prob``.
    """

    def __init__(self, config):
        super().__init__()
        width, inner = config["hidden_size"], config["gru_hidden_size"]
        self.dropout = Dropout(config["gru_dropout_prob"])
        self.gru = nn.GRU(width, inner, config["gru_layers"], bias=False, batch_first=True)
        self.dense = nn.Linear(inner, width)
        for weight in self.gru.parameters():
            nn.init.xavier_uniform_(weight)

    def forward(self, vectors, padding):
        """Encodes sequences of item vectors.

        Args:
            vectors (torch.Tensor): Shape [B, L, D].
            padding (torch.BoolTensor): Not looked at: padding stands on the right, where it changes no earlier state.

        Returns:
            torch.Tensor: The state at each position, shape [B, L, D]; undefined at padded ones.
        """
        # Packing the rows would spare the padding, but costs more than batches of like length have of it.
        states, _ = self.gru(self.dropout(vectors))
        return self.dense(states)
