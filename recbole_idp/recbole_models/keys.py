"""Settings of RecBole's own models that the plugin decides on."""

from typing import Annotated, Literal

from annotated_types import Ge

from recbole_idp.config.setting import Affects, Distinct, Settings, setting


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
