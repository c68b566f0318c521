"""Settings of DA-CDR (own reconstruction)."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Dropout, Natural, Number, setting
from recbole_idp.models.sasrec.keys import PositionSASRecSettings


class DACDRSettings(PositionSASRecSettings):
    """DA-CDR on SASRec. The paper's values are not known."""

    encoder: Literal["SASRec"] = setting(
        "SASRec", "default: SASRec, of both domains.", Affects.TRAINING, implied="SASRec"
    )
    loss_type: Literal["CE", "BPR", "BCE"] = setting("CE", "default: CE; BPR or BCE, of both domains.")
    shared_private_dropout_prob: Dropout = setting(
        0.1, "default: dropout inside the shared and the private encoders.", Affects.TRAINING
    )
    adversary_weight: Number = setting(0.1, "default: alpha, weight of the domain discriminators.", Affects.TRAINING)
    orthogonality_weight: Number = setting(
        0.05, "default: beta, weight of the overlap of shared and private parts.", Affects.TRAINING
    )
    reversal_epochs: Count = setting(
        10, "default: epochs in which the strength of the gradient reversal grows from 0 to 1.", Affects.TRAINING
    )
    source_negatives: Natural = setting(
        1024, "default: source items that a batch's source targets are compared with; 0: all.", Affects.TRAINING
    )
