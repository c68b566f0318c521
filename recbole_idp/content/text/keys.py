"""Settings of item texts and their encoder."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Settings, setting

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class TextSettings(Settings):
    """The text of an item, and the encoder that makes its vector."""

    text_encoder: str = setting(
        "all-MiniLM-L6-v2",
        "Hub name or folder of a sentence encoder, or lsa (TF-IDF and SVD, no weights).",
        _BOTH,
    )
    text_pooling: Literal["mean", "cls", "max"] | None = setting(
        None, "mean, cls or max over the tokens; None: what the encoder declares.", _BOTH
    )
    text_fields: list[str] | None = setting(
        None, "Text columns of the target's .item file; None: all of them.", Affects.TRAINING
    )
    source_text_fields: list[str] | None = setting(None, "The same for the source domains.", _BOTH)
    text_length: Count = setting(2000, "Characters of text kept per item.", _BOTH)
    text_tokens: Count = setting(64, "Tokens of text read per item.", _BOTH)
