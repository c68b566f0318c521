"""Settings of Recformer (arXiv 2305.13731)."""

from typing import Annotated, Literal

import annotated_types

from recbole_idp.config.setting import (
    Affects,
    Count,
    Dropout,
    Layers,
    Natural,
    Number,
    Positive,
    PositiveShare,
    setting,
)
from recbole_idp.models.sasrec.keys import PositionSASRecSettings
from recbole_idp.train.keys import TargetLossSettings, Variant

_BOTH = Affects.PRETRAINING | Affects.TRAINING

FirstWeights = Literal["random", "tokens", "layers"]
Learner = Literal["adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam"]
Window = Annotated[int, annotated_types.Ge(2), annotated_types.MultipleOf(2)]


class RecformerSettings(PositionSASRecSettings, TargetLossSettings):
    """Recformer, small."""

    encoder: Literal["Longformer"] = setting(  # type: ignore[assignment]  # it reads tokens
        "Longformer", "paper: Longformer, which reads the tokens of all items.", _BOTH, implied="Longformer"
    )
    hidden_size: Count = setting(128, "default: width of tokens and encoder; paper: 768.", _BOTH)
    n_layers: Layers = setting(2, "default: layers; paper: 12.", _BOTH)
    n_heads: Count = setting(4, "default: attention heads per layer; paper: 12.", _BOTH)
    inner_size: Count = setting(256, "default: width inside the feed-forward layers; paper: 3072.", _BOTH)
    attention_window: Window = setting(
        16, "default: tokens that a token looks at, half of them on either side; paper: 64.", _BOTH
    )
    hidden_dropout_prob: Dropout = setting(0.1, "paper: dropout on embeddings and layer outputs.", _BOTH)
    attn_dropout_prob: Dropout = setting(
        0.0, "default: dropout on attention weights, which doubles the time on CPUs; paper: 0.1.", _BOTH
    )
    layer_norm_eps: Number = setting(1e-5, "paper: added to the variance in layer normalisation.", _BOTH)
    first_weights: FirstWeights = setting(
        "tokens",
        "default: token vectors of text_encoder, and their mean; layers: all of it, as in the paper; random.",
        _BOTH,
    )
    max_tokens: Count = setting(64, "default: tokens of a sequence, the start token among them; paper: 1024.", _BOTH)
    max_attributes: Count = setting(
        2, "default: columns of text that are read of an item, of text_fields; paper: 3.", _BOTH
    )
    attribute_tokens: Count = setting(32, "paper: tokens of an attribute, its name's among them.", _BOTH)
    temperature: Positive = setting(0.05, "paper: tau, divides the cosines.", _BOTH)
    pretrain_epochs: Count = setting(2, "default: epochs, one pair a user each; paper: 32.", Affects.PRETRAINING)
    pretrain_batch_size: Count = setting(
        128, "default: pairs a batch, each the others' negative; paper: 16 x 8 on each of 4 GPUs.", Affects.PRETRAINING
    )
    pretrain_learning_rate: Number = setting(
        1e-3, "default: highest learning rate on the source domains; paper: 5e-5.", Affects.PRETRAINING
    )
    mlm_weight: Number = setting(0.1, "paper: weight of masked language modelling; 0: none.", Affects.PRETRAINING)
    mlm_probability: PositiveShare = setting(0.15, "paper: share of the words that are hidden.", Affects.PRETRAINING)
    mlm_rows: PositiveShare = setting(
        0.25, "default: share of a batch that masked language modelling reads; paper: 1.", Affects.PRETRAINING
    )
    fix_word_embedding: bool = setting(
        True, "paper: token vectors stay as they are in pre-training.", Affects.PRETRAINING
    )
    transfer: Variant = setting(
        "fine_tune",
        "paper: fine_tune; zero_shot, not trained; control: scratch, not pre-trained.",
        Affects.TRAINING,
    )
    learner: Learner = setting("adamw", "paper: AdamW.", _BOTH)
    learning_rate: Number = setting(
        1e-3, "default: highest learning rate on the target; paper: 5e-5.", Affects.TRAINING
    )
    train_batch_size: Count = setting(128, "paper: users a step, 16 x 8.", Affects.TRAINING)
    warmup_steps: Natural = setting(100, "paper: steps in which the learning rate rises; then it falls to 0.", _BOTH)
    epochs: Count = setting(30, "default: epochs of each stage, one target a user each; paper: 128.", Affects.TRAINING)
    stopping_step: Count = setting(5, "paper: validations without a better one before stage 1 ends.", Affects.TRAINING)
    second_stopping_step: Count = setting(
        3, "paper: the same for stage 2, in which the item vectors stay as they are.", Affects.TRAINING
    )
    second_epochs: Natural = setting(15, "default: epochs of stage 2; 0: there is none; paper: 128.", Affects.TRAINING)
