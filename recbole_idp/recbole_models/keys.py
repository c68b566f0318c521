"""Settings of RecBole's own models that the plugin decides on."""

import functools
from typing import Annotated, Literal

from annotated_types import Ge

from recbole_idp.config.setting import (
    Affects,
    Count,
    Distinct,
    Dropout,
    Layers,
    Number,
    Positive,
    Settings,
    Share,
    setting,
)

_parameter = functools.partial(setting, affects=Affects.TRAINING)


class ParameterSettings(Settings):
    """Parameters of RecBole's models, with limits that RecBole leaves to errors of what is built from them.

    A model takes those that its YAML file has. The defaults are those of that file.
    """

    alpha: Number = _parameter(None, "RecBole's: weight of the auxiliary loss (DIEN), of the length (FOSSIL).")
    block_num: Count = _parameter(None, "RecBole's: residual blocks.")
    dilations: list[Count] = _parameter(None, "RecBole's: spacings of a block's kernels.")
    dnn_type: Literal["trm", "ave"] = _parameter(None, "RecBole's: trm (a transformer) or ave (the mean).")
    dropout_prob: Dropout = _parameter(None, "RecBole's: dropout.")
    dropout_probs: list[Dropout] = _parameter(None, "RecBole's: dropout of item vectors and of the session.")
    embedding_size: Count = _parameter(None, "RecBole's: width of item vectors.")
    gru_type: Literal["GRU", "AIGRU", "AGRU", "AUGRU"] = _parameter(None, "RecBole's: GRU, AIGRU, AGRU or AUGRU.")
    high_order: Count = _parameter(None, "RecBole's: how many of the last items are read.")
    interest_size: Count = _parameter(None, "RecBole's: interests of a user.")
    item_dropout: Dropout = _parameter(None, "RecBole's: dropout of candidates.")
    k: Count = _parameter(None, "RecBole's: neighbours.")
    k_interests: Count = _parameter(None, "RecBole's: interests that items are gathered to.")
    kernel_size: Count = _parameter(None, "RecBole's: width of the filters.")
    knn_method: Literal["item", "user"] = _parameter(None, "RecBole's: neighbours among items or users.")
    mlp_hidden_size: list[Count] = _parameter(None, "RecBole's: widths of the layers.")
    nh: Count = _parameter(None, "RecBole's: horizontal filters.")
    num_layers: Layers = _parameter(None, "RecBole's: layers of the GRU.")
    nv: Count = _parameter(None, "RecBole's: vertical filters.")
    order_len: Count = _parameter(None, "RecBole's: how many of the last items are read.")
    pooling_mode: Literal["mean", "max", "sum"] = _parameter(None, "RecBole's: mean, max or sum of features.")
    pooling_type: Literal["average", "max"] = _parameter(None, "RecBole's: average or max of the items.")
    pooling_type_layer_1: Literal["max", "average"] = _parameter(None, "RecBole's: max or average of the items.")
    pooling_type_layer_2: Literal["max", "average"] = _parameter(None, "RecBole's: max or average with the user.")
    prototype_size: Count = _parameter(None, "RecBole's: latent prototypes.")
    reg_loss_ratio: Number = _parameter(None, "RecBole's: weight of its regularisation.")
    sess_dropout: Dropout = _parameter(None, "RecBole's: dropout of the session's items.")
    short_item_length: Count = _parameter(None, "RecBole's: how many of the last items are of the moment.")
    shrink: Number = _parameter(None, "RecBole's: damping of similarities of rare items.")
    step: Count = _parameter(None, "RecBole's: layers of the graph network.")
    tau_ratio: Positive = _parameter(None, "RecBole's: temperature of the interests.")
    temperature: Positive = _parameter(None, "RecBole's: temperature of the loss.")
    weight: Share = _parameter(None, "RecBole's: share of attention in the session's vector.")


class FeatureSettings(Settings):
    """FDSA, GRU4RecF and SASRecF: item IDs and features of items."""

    selected_features: Distinct[str] = setting(
        ["words"],
        "Columns of the .item file, or words: the first 32 words of an item's text_fields, in lower case.",
        Affects.TRAINING,
    )


class FPMCSettings(Settings):
    """FPMC is trained on pairs alone."""

    loss_type: Literal["CE", "BPR", "BCE"] = setting("BPR", "CE, BPR or BCE.", Affects.TRAINING)


class FEARecSettings(Settings):
    """FEARec divides by the number of its layers less one."""

    n_layers: Annotated[int, Ge(2)] = setting(2, "RecBole's: layers of the encoder.", Affects.TRAINING)


class WeightListSettings(Settings):
    """HGN and SHAN weigh the parts of their regularisation one by one."""

    reg_weight: list[float] = setting([0.0, 0.0], "RecBole's: weights of its regularisation.", Affects.TRAINING)


class RerankerSettings(Settings):
    """GRU4RecCPR and SASRecCPR score the best items again."""

    reranker_CAN_NUM: int | str = setting(
        100, "RecBole's: how many items are scored again; several numbers as in 500,100.", Affects.TRAINING
    )
