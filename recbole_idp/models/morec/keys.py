"""Settings of MoRec (arXiv 2303.13835)."""

from recbole_idp.config.setting import Affects, Dropout, Layers, setting
from recbole_idp.models.sasrec.keys import PositionSASRecSettings


class MoRecSettings(PositionSASRecSettings):
    """Items made of frozen text vectors, through trained dense layers."""

    projection_layers: Layers = setting(
        1, "paper: dense layers with GELU from text vectors to item vectors.", Affects.TRAINING
    )
    projection_dropout_prob: Dropout = setting(
        0.1, "paper: dropout before each dense layer but the first.", Affects.TRAINING
    )
