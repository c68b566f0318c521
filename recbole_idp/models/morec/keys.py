"""Settings of MoRec (arXiv 2303.13835)."""

from typing import Literal

from recbole_idp.config.setting import Affects, Dropout, Layers, setting
from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.models.sasrec.keys import PositionSASRecSettings

TransformerBlock = Literal["RecBole", "MoRec"]
IDFusion = Literal["none", "add", "cat"]


class MoRecSettings(TrainedEncoderSettings, PositionSASRecSettings):
    """Items made of text vectors, frozen or trained, through dense layers."""

    projection_layers: Layers = setting(
        1, "paper: dense layers with GELU from text vectors to item vectors.", Affects.TRAINING
    )
    projection_dropout_prob: Dropout = setting(
        0.1, "paper: dropout before each dense layer but the first.", Affects.TRAINING
    )
    id_fusion: IDFusion = setting(
        "none",
        "paper: none; add or cat joins the item's ID: id + content, or a dense layer over both.",
        Affects.TRAINING,
    )
    transformer_block: TransformerBlock = setting(
        "RecBole",
        "default: RecBole's blocks; MoRec: the paper's, whose inner_size, hidden_act and layer_norm_eps are fixed.",
        Affects.TRAINING,
    )
