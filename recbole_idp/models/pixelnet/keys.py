"""Settings of PixelNet (arXiv 2309.06789)."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Layers, setting
from recbole_idp.content.trainable.keys import TrainedParts
from recbole_idp.models.morec.keys import MoRecSettings
from recbole_idp.train.keys import Loss

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class PixelNetSettings(MoRecSettings):
    """Items made of the patches of their pictures, each through a dense layer."""

    encoder: Literal["SASRec"] = setting(
        "SASRec", "paper: SASRec, with positions counted from the latest event.", _BOTH, implied="SASRec"
    )
    content: Literal["image"] = setting("image", "paper: the pictures that image_field names.", _BOTH)
    image_pooling: Literal["cls", "mean"] = setting(
        "mean", "paper: mean over the class token and all patches, each behind the dense layer; or cls alone.", _BOTH
    )
    projection_layers: Layers = setting(1, "paper: dense layers with ReLU from a patch to its vector.", _BOTH)
    train_encoder: TrainedParts = setting(
        "last_n", "paper: the last two blocks of a ViT-B/32 (tune_scale: 165); none or all of it.", Affects.TRAINING
    )
    loss_type: Loss = setting("BPR", "paper: BPR against one item that the user does not have.", _BOTH)
    loss_reduction: Literal["mean", "sum"] = setting(
        "mean", "default: mean over all steps; sum, the paper's: over the steps of a row, then the mean of rows.", _BOTH
    )
    exclude_history: bool = setting(
        True, "paper: items of the history get the lowest score, as none was their negative."
    )
    n_heads: Count = setting(2, "default: attention heads per block; paper: 4.", _BOTH)
    hidden_size: Count = setting(64, "default: width of item vectors and encoder; paper: 512.", _BOTH)
    inner_size: Count = setting(256, "default: width inside the feed-forward layers; paper: 2 * hidden_size.", _BOTH)
