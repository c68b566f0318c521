"""Settings of P5 (RecSys 2022, arXiv 2203.13366)."""

from typing import Annotated, Any, Literal

import annotated_types
from pydantic import AfterValidator

from recbole_idp.config.forms import check_clipping
from recbole_idp.config.setting import (
    Affects,
    Count,
    Dropout,
    Layers,
    Natural,
    Number,
    Settings,
    Share,
    setting,
)
from recbole_idp.errors import UserError

_BOTH = Affects.PRETRAINING | Affects.TRAINING
_RANKING = Affects.ALL

ItemNumbering = Literal["random", "text", "reference"]
Learner = Literal["adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam"]
Clipping = Annotated[dict, AfterValidator(check_clipping)]
Digits = Annotated[int, annotated_types.Ge(1), annotated_types.Le(3)]
"""More would be more pieces than there are items."""
Scoring = Literal["beam", "exact"]
TestPrompt = Literal["seen", "unseen"]
TransferMode = Literal["scratch", "zero_shot", "fine_tune"]


class NetworkSettings(Settings):
    """The network, T5 with whole-word embeddings."""

    t5_size: Literal["own", "small", "base"] = setting(
        "own", "default: own, the sizes below, for a CPU; small and base: the paper's, those of T5.", _BOTH
    )
    t5_folder: str | None = setting(
        None, "paper: T5's weights, a folder with config.json, model.safetensors, tokenizer.json; None: random.", _BOTH
    )
    n_layers: Layers = setting(2, "default: blocks of the encoder, and of the decoder; paper: 6.", _BOTH)
    n_heads: Count = setting(4, "default: attention heads; paper: 8.", _BOTH)
    hidden_size: Count = setting(64, "default: width of embeddings and states; paper: 512.", _BOTH)
    inner_size: Count = setting(256, "default: width inside the feed-forward layers; paper: 2048.", _BOTH)
    key_size: Count = setting(16, "default: width of a head's keys; paper: 64.", _BOTH)
    hidden_dropout_prob: Dropout = setting(0.1, "paper: dropout on embeddings and layer outputs.", _BOTH)
    attn_dropout_prob: Dropout = setting(0.1, "paper: dropout on attention weights.", _BOTH)


class WordingSettings(Settings):
    """How items are named, and the pieces that texts are written in."""

    item_numbering: ItemNumbering = setting(
        "random",
        "default: random; text: like texts get near numbers; reference: the paper's code, which leaks the next item.",
        _BOTH,
    )
    number_digits: Digits = setting(3, "default: digits of an item's number that are one piece.", _BOTH)
    vocabulary_size: Count = setting(2000, "default: pieces learned from the texts; paper: T5's 32,128.", _BOTH)
    title_words: Natural = setting(
        0, "paper: 0; default of ours for transfer: words of the title named with an item, such as 4.", _BOTH
    )
    prompt_pieces: Count = setting(
        64, "default: pieces of a prompt at most; the earliest events are left out; paper: 512.", _BOTH
    )


class SamplingSettings(Settings):
    """How many prompts an epoch draws, family by family."""

    sequential_prompts: Natural = setting(
        15, "default: an epoch's prompts a user that ask for the next item; paper: 5.", _BOTH
    )
    candidate_prompts: Natural = setting(1, "default: the same with candidates in the prompt; paper: 5.", _BOTH)
    next_prompts: Natural = setting(1, "default: the same that ask whether one item is next; paper: 10.", _BOTH)
    direct_prompts: Natural = setting(
        1, "default: prompts a user, without history, that ask whether an item is for the user; paper: 10.", _BOTH
    )
    direct_candidate_prompts: Natural = setting(
        1, "default: prompts a user, without history, that ask for one of the candidates; paper: 5.", _BOTH
    )
    rating_prompts: Natural = setting(
        1, "default: prompts a user about a rating of the target; paper: one for each rating.", Affects.TRAINING
    )
    rating_field: str | None = setting(
        "rating", "default: column of the .inter file with ratings from 1 to 5; None: no prompts about ratings.", _BOTH
    )
    title_prompts: Natural = setting(
        1, "default of ours: prompts an item that ask for the number by the title, if title_words is not 0.", _BOTH
    )
    prompt_candidates: Count = setting(20, "default: candidates that a prompt names; paper: 100.", _BOTH)
    sequence_targets: Literal["all", "recent"] = setting(
        "all", "default: all, any event of a user is asked for; recent: one of the last three, as the paper.", _BOTH
    )
    epoch_prompts: Count = setting(
        20_000, "default: prompts of an epoch at most, drawn from all that these keys ask for.", _BOTH
    )


class RankingSettings(Settings):
    """How items are ranked."""

    scoring: Scoring = setting(
        "beam", "paper: beam, the most probable items; exact: the log-probability of every item.", _RANKING
    )
    beams: Count = setting(50, "default: beams, and so items of a list; paper: 20.", _RANKING)
    test_prompt: TestPrompt = setting(
        "seen",
        "paper: seen and unseen; the prompt that evaluation asks in, one of training or one that is not.",
        _RANKING,
    )


class P5Settings(NetworkSettings, WordingSettings, SamplingSettings, RankingSettings):
    """P5."""

    MAX_ITEM_LIST_LENGTH: Count = setting(
        100, "paper: latest events of a user that are read; a prompt names as many as fit into prompt_pieces."
    )
    exclude_history: bool = setting(
        True, "default: items of the history get the lowest score; the paper ranks them like others."
    )
    epochs: Count = setting(20, "default: epochs; the learning rate falls to their end; paper: 10.", Affects.TRAINING)
    epoch_steps: Count = setting(1, "default: 1, an epoch is drawn once.", Affects.TRAINING)
    train_batch_size: Count = setting(64, "default: prompts a batch; paper: 128.", Affects.TRAINING)
    learner: Learner = setting("adamw", "paper: AdamW.", _BOTH)
    learning_rate: Number = setting(0.003, "default: highest learning rate; paper: 0.001.", Affects.TRAINING)
    weight_decay: Number = setting(0.01, "paper: weight decay.", _BOTH)
    clip_grad_norm: Clipping | None = setting({"max_norm": 1.0}, "paper: norm to which gradients are cut.", _BOTH)
    stopping_step: Count = setting(
        20,
        "default: validations without a better one before the end: none is too many, as the rate falls.",
        Affects.TRAINING,
    )
    warmup_share: Share = setting(0.05, "paper: share of the steps in which the learning rate grows.", _BOTH)
    pretrain_epochs: Count = setting(10, "paper: epochs at most.", Affects.PRETRAINING)
    pretrain_learning_rate: Number = setting(
        0.003, "default: highest learning rate; paper: 0.001.", Affects.PRETRAINING
    )
    pretrain_batch_size: Count = setting(64, "default: prompts a batch; paper: 128.", Affects.PRETRAINING)
    transfer: TransferMode = setting(
        "scratch",
        "paper: scratch, the target alone; fine_tune, from source_domains; control: zero_shot, not trained.",
        Affects.TRAINING,
    )

    @classmethod
    def check_together(cls, values: dict[str, Any]) -> None:
        """Check that lists are as long as metrics look, and heads as wide as they need.

        Raises:
            UserError: A cut-off of the metrics is larger than the number of beams.
        """
        longest = max(values["topk"] if isinstance(values["topk"], list) else [values["topk"]])
        if values["scoring"] == "beam" and longest > values["beams"]:
            raise UserError(
                f"topk asks for {longest} items, and beams: {values['beams']} finds as many at most: set "
                f"--beams={longest}, or --scoring=exact"
            )
