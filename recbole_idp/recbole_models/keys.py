"""Settings of RecBole's own models that the plugin decides on."""

from recbole_idp.config.setting import Affects, Settings, setting


class FDSASettings(Settings):
    """FDSA: item IDs and item words, each in a Transformer."""

    selected_features: list[str] = setting(
        ["words"], "words: the first 32 words of an item's text_fields, in lower case.", Affects.TRAINING
    )
