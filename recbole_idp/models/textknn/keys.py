"""Settings of TextKNN."""

from recbole_idp.config.setting import Affects, Natural, setting
from recbole_idp.nn.encoder.keys import RecencySettings


class TextKNNSettings(RecencySettings):
    """Neighbours of the latest items by their texts."""

    whitened_components: Natural = setting(
        0, "default: principal components of the text vectors that are kept and whitened; 0: all.", Affects.TRAINING
    )
