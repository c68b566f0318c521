"""Settings of item texts, their encoder, and vectors that a user brings instead."""

from typing import Any, Literal

from recbole_idp import registry
from recbole_idp.config.setting import Affects, Count, Settings, setting
from recbole_idp.errors import UserError, nearest

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
    text_vectors: str | None = setting(
        None,
        "Vectors of your own of the target's items, instead of text_encoder: FILE.npy, .safetensors, .parquet or "
        ".feat1CLS, or column:NAME of the .item file.",
        Affects.TRAINING,
    )
    source_text_vectors: dict[str, str] | None = setting(
        None, "The same for the source domains, {Beauty: FILE, Toys: FILE}.", Affects.TRAINING
    )

    @classmethod
    def check_together(cls, values: dict[str, Any]) -> None:
        """Check that vectors of the user's own are read.

        Raises:
            UserError: The model reads texts otherwise, or a domain is none.
        """
        if not (values["text_vectors"] or values["source_text_vectors"]):
            return
        model = values["model"]
        if reason := registry.refuses_vectors(model):
            raise UserError(f"{model} takes no text_vectors: it {reason}; leave text_vectors out, or take IDP")
        if values["text_encoders"]:
            raise UserError("text_encoders compares encoders, and text_vectors takes the place of one: leave one out")
        named = {*values["source_domains"], *(name for group in values["shared_users"] for name in group)}
        if other := next((name for name in values["source_text_vectors"] or () if name not in named), None):
            close = nearest(other, named)
            hint = f"did you mean {close[0]}?" if close else f"these are {', '.join(sorted(named))}"
            raise UserError(f"source_text_vectors names {other}, which is none of source_domains: {hint}")
