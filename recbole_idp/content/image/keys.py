"""Settings of item pictures and their encoder."""

from typing import Literal

from recbole_idp.config.setting import Affects, Settings, setting

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class ImageSettings(Settings):
    """The picture of an item, and the encoder that makes its vector."""

    image_encoder: str = setting(
        "efficientnet-lite0",
        "Folder of a Hugging Face model of images, timm:NAME, or efficientnet-lite0 (a package has its weights).",
        _BOTH,
    )
    image_pooling: Literal["cls", "mean"] | None = setting(
        None, "cls or mean over the states; None: cls where the encoder has a class token, else mean.", _BOTH
    )
    image_field: str | None = setting(
        None,
        "Column of the target's .item file that names picture files; None: poster, image, picture or cover.",
        Affects.TRAINING,
    )
    source_image_field: str | None = setting(None, "The same for the source domains.", _BOTH)
    image_control: Literal["none", "shuffled"] = setting(
        "none",
        "shuffled gives each item another item's picture, at random: what a model reaches without their content.",
        _BOTH,
    )
