"""Settings of TCF (arXiv 2305.11700)."""

from recbole_idp.config.setting import Affects, Layers, setting
from recbole_idp.models.morec.keys import MoRecSettings


class TCFSettings(MoRecSettings):
    """MoRec whose loss compares the events of a batch."""

    exclude_history: bool = setting(
        True, "paper: items of the history get the lowest score, as none was their negative."
    )
    projection_layers: Layers = setting(
        2, "paper: 1 or 2 dense layers with GELU from content vectors to item vectors.", Affects.TRAINING
    )
