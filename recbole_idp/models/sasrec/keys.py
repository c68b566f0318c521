"""Settings of SASRec with a loss at every position (arXiv 1808.09781)."""

from recbole_idp.config.setting import Affects, Count, Dropout, Layers, setting
from recbole_idp.nn.encoder.keys import Activation, EncoderSettings

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class PositionSASRecSettings(EncoderSettings):
    """The sizes of the SASRec paper, or RecBole's."""

    n_layers: Layers = setting(2, "paper: self-attention blocks.", _BOTH)
    n_heads: Count = setting(2, "default: attention heads per block; paper: 1.", _BOTH)
    hidden_size: Count = setting(64, "default: width of item vectors and encoder; paper: 50.", _BOTH)
    inner_size: Count = setting(256, "default: width inside the feed-forward layers; paper: hidden_size.", _BOTH)
    hidden_dropout_prob: Dropout = setting(
        0.5, "paper: dropout on embeddings and layer outputs (0.2 on dense data).", _BOTH
    )
    attn_dropout_prob: Dropout = setting(0.5, "paper: dropout on attention weights.", _BOTH)
    hidden_act: Activation = setting("gelu", "default: activation of the feed-forward layers; paper: relu.", _BOTH)
