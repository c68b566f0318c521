"""Settings of MoRec (arXiv 2303.13835)."""

from typing import Any, Literal

from recbole_idp.config.setting import Affects, Dropout, Layers, setting
from recbole_idp.content.image.keys import ImageSettings
from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.errors import UserError
from recbole_idp.models.sasrec.keys import PositionSASRecSettings

TransformerBlock = Literal["RecBole", "MoRec"]
IDFusion = Literal["none", "add", "cat"]
Transfer = Literal["scratch", "zero_shot", "frozen", "fine_tune"]

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class MoRecSettings(ImageSettings, TrainedEncoderSettings, PositionSASRecSettings):
    """Items made of vectors of texts or pictures, frozen or trained, through dense layers."""

    content: Literal["text", "image"] = setting(
        "text", "default: text of the text columns; image: the pictures that image_field names; paper: either.", _BOTH
    )
    projection_layers: Layers = setting(1, "paper: dense layers with GELU from content vectors to item vectors.", _BOTH)
    projection_dropout_prob: Dropout = setting(0.1, "paper: dropout before each dense layer but the first.", _BOTH)
    id_fusion: IDFusion = setting(
        "none",
        "paper: none; add or cat joins the item's ID: id + content, or a dense layer over both.",
        _BOTH,
    )
    transformer_block: TransformerBlock = setting(
        "RecBole",
        "default: RecBole's blocks; MoRec: the paper's, whose inner_size, hidden_act and layer_norm_eps are fixed.",
        _BOTH,
    )
    transfer: Transfer = setting(
        "scratch",
        "default: scratch, nothing from source domains; zero_shot; frozen content encoder; fine_tune, all of it.",
        Affects.TRAINING,
    )

    @classmethod
    def check_together(cls, values: dict[str, Any]) -> None:
        """Check that an encoder other than SASRec is not given the paper's blocks, which are SASRec's."""
        super().check_together(values)
        if values["encoder"] != "SASRec" and values["transformer_block"] != "RecBole":
            raise UserError(
                f"encoder {values['encoder']} has blocks of its own, and transformer_block is "
                f"{values['transformer_block']}: give --transformer_block=RecBole, or --encoder=SASRec"
            )
