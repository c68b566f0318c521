"""Settings of UniSRec (arXiv 2206.05941)."""

from recbole_idp.config.setting import Affects, Count, Dropout, Number, Positive, Share, setting
from recbole_idp.models.sasrec.keys import PositionSASRecSettings
from recbole_idp.train.keys import TargetLossSettings, Variant

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class UniSRecSettings(PositionSASRecSettings, TargetLossSettings):
    """UniSRec, inductive."""

    hidden_size: Count = setting(300, "paper: width of item vectors and encoder.", _BOTH)
    inner_size: Count = setting(256, "paper: width inside the feed-forward layers.", _BOTH)
    n_experts: Count = setting(8, "paper: parametric whitening layers that the gate mixes.", _BOTH)
    adaptor_dropout_prob: Dropout = setting(0.2, "paper: dropout on text vectors before each whitening.", _BOTH)
    temperature: Positive = setting(0.07, "paper: divides the cosines, in pre-training and on the target.", _BOTH)
    pretrain_epochs: Count = setting(
        10, "default: epochs at most, each with a loss at every event; paper: 300.", Affects.PRETRAINING
    )
    pretrain_batch_size: Count = setting(
        4096, "default: events a batch, each the others' negative; paper: 8192 sequences.", Affects.PRETRAINING
    )
    sequence_loss_weight: Number = setting(
        0.001, "paper: lambda, weight of the sequence-sequence loss.", Affects.PRETRAINING
    )
    item_drop_coefficient: Share = setting(
        0.9, "paper: share of second views that drop items; 1: no texts are encoded twice.", Affects.PRETRAINING
    )
    item_drop_ratio: Dropout = setting(
        0.2, "paper: share of a view's items that are dropped, or lose words.", Affects.PRETRAINING
    )
    word_drop_ratio: Share = setting(
        0.15, "paper: share of an item's words that are dropped in the other views.", Affects.PRETRAINING
    )
    transfer: Variant = setting(
        "fine_tune",
        "paper: fine_tune; controls: zero_shot, not trained; scratch, nothing taken over.",
        Affects.TRAINING,
    )
    freeze_encoder: bool = setting(
        True, "paper: with fine_tune, positions and blocks stay as pre-trained.", Affects.TRAINING
    )
