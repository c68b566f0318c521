"""The file that marks a saved text encoder; see :class:`~recbole_idp.content.saved.SavedEncoders`."""

from recbole_idp.content.saved import SavedEncoders
from recbole_idp.storage.schema import Nullable

SETTINGS_FILE = "recbole_idp_text_encoder.json"
OWN = "own"
"""The kind of vectors that a user brings."""

_SAVED = SavedEncoders(
    "text encoder",
    SETTINGS_FILE,
    {
        "sentence": {"name": str, "pooling": Nullable({"cls", "mean", "max"}), "max_tokens": int},
        "lsa": {"width": int, "fingerprint": str, "terms": int},
        OWN: {"width": int},
    },
)
write_settings, read_kind, read_settings, check_files = _SAVED.write, _SAVED.kind, _SAVED.settings, _SAVED.check
