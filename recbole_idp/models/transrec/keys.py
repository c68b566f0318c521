"""Settings of TransRec (arXiv 2206.06190)."""

from typing import Literal

from recbole_idp.config.setting import (
    Affects,
    Count,
    Dropout,
    Layers,
    Natural,
    Number,
    Positive,
    Settings,
    setting,
)
from recbole_idp.content.image.keys import ImageSettings
from recbole_idp.content.trainable.keys import TrainedEncoderSettings, TrainedParts
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.train.keys import TargetLossSettings

_BOTH = Affects.PRETRAINING | Affects.TRAINING

Modality = Literal["text", "image", "mixed"]
Rule = Literal["picture", "random", "column"]
Transfer = Literal["scratch", "zero_shot", "frozen", "fine_tune"]


class ModalitySettings(Settings):
    """What each item is made of."""

    modality: Modality = setting(
        "text", "paper: mixed, text or image: what the target's items are made of, each of one.", Affects.TRAINING
    )
    source_modality: Modality = setting(
        "text", "paper: mixed; text or image: the same for the items of the source domains.", Affects.PRETRAINING
    )
    mixed_by: Rule = setting(
        "picture",
        "default: mixed items with a picture are images; random: half of them; column: as modality_field says.",
        _BOTH,
    )
    modality_field: str = setting("modality", "default: column of the .item file with text or image.", _BOTH)


class ItemEncoderSettings(Settings):
    """The encoder of texts behind the states of their tokens."""

    text_heads: Count = setting(4, "paper: heads of the self-attention over a text's tokens.", _BOTH)
    text_head_size: Count = setting(20, "paper: width of such a head.", _BOTH)
    text_pool_size: Count = setting(200, "paper: width inside the layers that weigh the tokens.", _BOTH)


class TransRecSettings(
    ModalitySettings,
    ItemEncoderSettings,
    ImageSettings,
    TrainedEncoderSettings,
    TransformerSettings,
    TargetLossSettings,
):
    """TransRec, with the paper's user encoder."""

    n_layers: Layers = setting(4, "paper: bidirectional self-attention blocks.", _BOTH)
    n_heads: Count = setting(4, "paper: attention heads per block.", _BOTH)
    hidden_size: Count = setting(64, "default: width of item vectors and user encoder; paper: 256.", _BOTH)
    inner_size: Count = setting(128, "paper: width inside the feed-forward layers.", _BOTH)
    hidden_dropout_prob: Dropout = setting(0.1, "paper: dropout on embeddings and layer outputs.", _BOTH)
    attn_dropout_prob: Dropout = setting(0.1, "paper: dropout on attention weights.", _BOTH)
    MAX_ITEM_LIST_LENGTH: Count = setting(25, "paper: latest events of a user that the model sees.", _BOTH)
    text_tokens: Count = setting(32, "paper: tokens of text read per item.", _BOTH)
    exclude_history: bool = setting(True, "paper: items of the history get the lowest score.")
    next_items: Count = setting(5, "paper: K, the next items that a user's state is trained to find.", _BOTH)
    train_negatives: Count = setting(5, "paper: items that the user has not seen, for each row.", _BOTH)
    training_rows: Literal["prefix"] = setting(
        "prefix", "paper: prefix, the loss is that of the last event's state.", _BOTH
    )
    loss_type: Literal["BCE", "BPR"] = setting(
        "BCE", "paper: BCE, predictive coding of all next items; BPR, of the first alone.", _BOTH
    )
    train_batch_size: Count = setting(128, "paper: users a batch.", Affects.TRAINING)
    pretrain_batch_size: Count = setting(128, "paper: source users a batch.", Affects.PRETRAINING)
    learning_rate: Number = setting(0.001, "default: learning rate; paper: 0.0001.", Affects.TRAINING)
    train_encoder: TrainedParts = setting(
        "none", "default: none, last_n layers or all of the content encoders; paper: last_n.", _BOTH
    )
    trained_layers: Count = setting(2, "paper: layers, or blocks of layers, that train_encoder: last_n trains.", _BOTH)
    encoder_learning_rate: Positive = setting(
        1e-4, "paper: learning rate of the content encoders, apart from learning_rate.", _BOTH
    )
    encoder_weight_decay: Number = setting(0.0, "paper: weight decay of the content encoders.", _BOTH)
    encoder_precision: Literal["float32", "bfloat16"] = setting(
        "float32", "Precision of the content encoders' products: bfloat16 takes half of the memory.", _BOTH
    )
    end_to_end_epochs: Natural = setting(
        3,
        "default: source epochs in which content encoders are trained too, after the others; none with train_encoder: "
        "none.",
        Affects.PRETRAINING,
    )
    transfer: Transfer = setting(
        "scratch",
        "default: scratch; paper: fine_tune; frozen: the pre-trained item encoders stay; zero_shot: all stays.",
        Affects.TRAINING,
    )
