"""Settings of IDP and its variants (arXiv 2405.03562)."""

from typing import Literal

from recbole_idp.config.setting import (
    Affects,
    Count,
    Distinct,
    Dropout,
    Number,
    Positive,
    PositiveShare,
    Settings,
    Share,
    setting,
)
from recbole_idp.models.sasrec.keys import PositionSASRecSettings
from recbole_idp.nn.encoder.keys import EncoderSettings, GRUSettings
from recbole_idp.train.keys import Variant

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class MatcherSettings(Settings):
    """CDIM: learns on the source items which texts belong to items that behave alike."""

    cdim_depth: Literal["none", "head", "last_n", "full", "lora"] = setting(
        "head",
        "paper: full; default: head, on frozen vectors; none; last_n, the last layers; lora, low-rank changes.",
        Affects.PRETRAINING,
    )
    cdim_losses: Distinct[Literal["text", "behaviour"]] = setting(
        ["text", "behaviour"], "paper: both; leave one out for the ablation.", Affects.PRETRAINING
    )
    cdim_positives: Literal["behaviour", "next_items"] = setting(
        "behaviour",
        "paper: items with near IDs; next_items: what users take next, for its popularity.",
        Affects.PRETRAINING,
        implied="behaviour",
    )
    cdim_temperature: Positive = setting(
        0.05, "default: temperature of both losses, as in SimCSE.", Affects.PRETRAINING
    )
    cdim_neighbours: Count = setting(
        10, "default: s, items with the most similar IDs, the positives of behaviour.", Affects.PRETRAINING
    )
    cdim_valid_items: Count = setting(
        2000, "default: items kept out of training, at which the best epoch is found.", Affects.PRETRAINING
    )
    cdim_epochs: Count = setting(6, "default: passes over the source items, head.", Affects.PRETRAINING)
    cdim_batch_size: Count = setting(
        1024, "default: items a batch, each the others' negative, head.", Affects.PRETRAINING
    )
    cdim_learning_rate: Number = setting(
        0.001, "default: at the start, head; it falls to zero in a straight line.", Affects.PRETRAINING
    )
    cdim_dropout: Dropout = setting(
        0.1, "default: dropout on the frozen vectors, head; layers have their own.", Affects.PRETRAINING
    )
    cdim_layers: Count = setting(2, "default: how many of the last layers last_n trains.", Affects.PRETRAINING)
    cdim_encoder_epochs: Count = setting(
        1, "default: passes over the source items, last_n, full and lora.", Affects.PRETRAINING
    )
    cdim_encoder_batch_size: Count = setting(64, "default: items a batch, last_n, full and lora.", Affects.PRETRAINING)
    cdim_encoder_learning_rate: Number = setting(3e-5, "default: at the start, last_n and full.", Affects.PRETRAINING)
    cdim_lora_rank: Count = setting(
        8, "default: rank of the changes to queries and values.", Affects.PRETRAINING, of=("cdim_depth", "lora")
    )
    cdim_lora_learning_rate: Number = setting(
        5e-4, "default: at the start, lora.", Affects.PRETRAINING, of=("cdim_depth", "lora")
    )


class GenerationSettings(Settings):
    """Matching of target items, and the embeddings that are generated for them."""

    top_m: Count = setting(10, "default: source items that a target item is made of.", Affects.TRAINING)
    search: Literal["exact", "hnsw", "ivf"] = setting(
        "exact",
        "paper: exact; for pools of a million items hnsw or ivf, whose index takes time.",
        Affects.TRAINING,
    )
    search_recall: Share = setting(
        0.95, "default: share of the true matches that hnsw and ivf have to find on a sample.", Affects.TRAINING
    )
    generator: Literal["paper", "neighbours", "map", "mixture", "blend"] = setting(
        "blend",
        "paper: its equations; default: blend; mixture; map; neighbours (docs/guide/generator.md).",
        Affects.TRAINING,
    )
    map_ridge: Positive = setting(
        0.1, "default: penalty of the map, relative to the text vectors' variance.", Affects.TRAINING
    )
    own_texts: Share = setting(
        0.7, "default: share of the target's own texts in blend, where there is no near twin.", Affects.TRAINING
    )
    match_temperature: Positive = setting(
        0.05,
        "default: softmax over matches, neighbours and mixture; small: the best counts.",
        Affects.TRAINING,
    )
    rescale: Literal["none", "spread", "norm"] = setting(
        "spread", "paper: none, whatever stands here; default: spread, centred and stretched; norm.", Affects.TRAINING
    )
    generated_spread: Positive = setting(
        1.0, "default: root mean square distance of spread from the centre, text_pca's too.", Affects.TRAINING
    )
    text_whitening: Share = setting(
        0.0,
        "default: 0: components vary as those of the texts; 1: all vary alike; between: in part; of text_pca.",
        Affects.TRAINING,
        implied=0.0,
    )
    generated_prior: Number = setting(
        32.0, "paper: 0; default: pull towards the generated IDs, in training events.", Affects.TRAINING
    )
    history_ids: Literal["frozen", "trained"] = setting(
        "frozen",
        "default: frozen, IDs of joined source domains stay as pre-trained; trained, they are trained on.",
        Affects.TRAINING,
    )
    transfer: Variant = setting(
        "fine_tune",
        "paper: zero_shot, fine_tune or new_encoder; controls: scratch, random_match.",
        Affects.TRAINING,
    )


class IDPSettings(EncoderSettings, MatcherSettings, GenerationSettings):
    """IDP on SASRec."""

    hidden_size: Count = setting(64, "default: width of the ID embeddings and of the encoder.", _BOTH)
    pretrain_row_updates: bool = setting(
        False,
        "default: False; True: a step on the source domains updates the item rows that it reads, for a million items.",
        Affects.PRETRAINING,
        implied=False,
    )


class IDPIDtSettings(IDPSettings):
    """IDP_{ID+t}."""

    pretrain_model: str | None = setting(
        "IDP", "default: the text joins at the target, as the paper names no other place.", Affects.PRETRAINING
    )


class IDPBERT4RecSettings(IDPSettings):
    """IDP on BERT4Rec."""

    encoder: Literal["BERT4Rec"] = setting(  # type: ignore[assignment]  # not one of IDP's
        "BERT4Rec", "paper: BERT4Rec, which is not causal.", _BOTH, implied="BERT4Rec"
    )
    hidden_dropout_prob: Dropout = setting(0.2, "default: dropout on embeddings and layer outputs.", _BOTH)
    attn_dropout_prob: Dropout = setting(0.2, "default: dropout on attention weights.", _BOTH)
    stopping_step: Count = setting(
        20, "default: evaluations without a better one before training stops.", Affects.TRAINING
    )
    mask_ratio: PositiveShare = setting(
        0.2, "default: chance of an event to be hidden; at least one in each row is.", _BOTH
    )
    ft_ratio: Share = setting(0.5, "default: share of the rows whose last event alone is hidden.", _BOTH)


class IDPBSSettings(IDPBERT4RecSettings):
    """IDP^{B&S}: IDs of SASRec start a new BERT4Rec."""

    pretrain_model: str | None = setting("IDP", "paper: SASRec, with the values of IDP.yaml.", Affects.PRETRAINING)
    transfer: Variant = setting("new_encoder", "paper: new_encoder; control: scratch.", Affects.TRAINING)
    variants: Distinct[Variant] = setting(
        ["scratch", "new_encoder"], "Variants to train and evaluate, side by side.", Affects.OUTPUT
    )


class IDPGRU4RecSettings(IDPSettings, GRUSettings):
    """IDP on GRU4Rec."""

    encoder: Literal["GRU4Rec"] = setting(  # type: ignore[assignment]  # not one of IDP's
        "GRU4Rec", "default: GRU4Rec, a recurrent network.", _BOTH, implied="GRU4Rec"
    )


class TextStartSettings(PositionSASRecSettings):
    """SASRec whose item vectors start from principal components of the items' texts."""

    generated_spread: Positive = setting(
        1.0, "default: root mean square distance of the start from its centre.", Affects.TRAINING
    )
    text_whitening: Share = setting(
        0.0,
        "default: 0: components vary as those of the texts; 1: all vary alike; between: in part.",
        Affects.TRAINING,
        implied=0.0,
    )


class TextProjectionSASRecSettings(TextStartSettings):
    """SASRec whose items are a trained projection of their texts."""


class TextDeltaSASRecSettings(TextStartSettings):
    """SASRec whose items are their texts and a bounded change."""

    delta_bound: Positive = setting(
        0.5, "default: an item moves less than this from its text, in units of generated_spread.", Affects.TRAINING
    )


class TextPCASASRecSettings(TextStartSettings):
    """SASRec that starts from principal components of the items' texts, and is pulled towards them."""

    generated_prior: Number = setting(
        32.0, "default: pull towards the start, in training events; 0: none.", Affects.TRAINING
    )
