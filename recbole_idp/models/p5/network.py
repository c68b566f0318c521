"""The network of P5: T5 whose encoder also reads which pieces belong to one word (RecSys 2022, Section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import T5Config, T5ForConditionalGeneration

from recbole_idp.nn.dropout import Dropout

PAD, END, UNKNOWN = 0, 1, 2
"""Pieces that stand for padding, the end of a text, and what the vocabulary does not have; numbered as T5 does."""

WHOLE_WORDS = 512
"""Rows of the table of whole words; row 0 is for padding and the end."""

_TIED = ("t5.encoder.embed_tokens.weight", "t5.decoder.embed_tokens.weight", "t5.lm_head.weight")

PUBLISHED: Mapping[str, Mapping[str, int]] = {
    "small": {"width": 512, "inner": 2048, "key": 64, "layers": 6, "heads": 8},
    "base": {"width": 768, "inner": 3072, "key": 64, "layers": 12, "heads": 12},
}
"""Sizes of the paper's networks, those of T5."""
SIZES = {
    **dict.fromkeys(("vocabulary", "width", "inner", "key", "layers", "heads", "buckets", "distance"), int),
    **dict.fromkeys(("gated", "scaled"), bool),
}
"""Schema of the sizes of a network."""


@dataclass(frozen=True)
class NetworkSizes:
    """Sizes of the network.

    Attributes:
        vocabulary: Number of pieces.
        width: Width D of embeddings and states.
        inner: Width inside the feed-forward layers.
        key: Width of a head's keys and values.
        layers: Blocks of the encoder, and of the decoder.
        heads: Attention heads.
        buckets: Buckets of relative positions.
        distance: From this distance on positions share a bucket.
        gated: Whether feed-forward layers are gated with GELU (T5 1.1), and not ReLU (T5 1.0).
        scaled: Whether decoder states are multiplied by the width to the power -1/2 (T5 1.0).
    """

    vocabulary: int
    width: int
    inner: int
    key: int
    layers: int
    heads: int
    buckets: int = 32
    distance: int = 128
    gated: bool = False
    scaled: bool = True

    def config(self, dropout: float) -> T5Config:
        """Return the sizes as a configuration of T5, with its dropout."""
        values: dict[str, Any] = {
            "vocab_size": self.vocabulary,
            "d_model": self.width,
            "d_ff": self.inner,
            "d_kv": self.key,
            "num_layers": self.layers,
            "num_heads": self.heads,
            "relative_attention_num_buckets": self.buckets,
            "relative_attention_max_distance": self.distance,
            "dropout_rate": dropout,
            "feed_forward_proj": "gated-gelu" if self.gated else "relu",
            "tie_word_embeddings": True,
            "pad_token_id": PAD,
            "eos_token_id": END,
            "decoder_start_token_id": PAD,
            "use_cache": False,
        }
        config = T5Config(**values)
        config.scale_decoder_outputs = self.scaled
        return config

    @classmethod
    def of_t5(cls, config: Mapping[str, Any]) -> NetworkSizes:
        """Read the sizes from the ``config.json`` of a published T5.

        Raises:
            KeyError: A size is missing.
            ValueError: It has another number of blocks in the decoder.
        """
        if config.get("num_decoder_layers", config["num_layers"]) not in (None, config["num_layers"]):
            raise ValueError("encoder and decoder differ in their number of blocks")
        return cls(
            vocabulary=config["vocab_size"],
            width=config["d_model"],
            inner=config["d_ff"],
            key=config["d_kv"],
            layers=config["num_layers"],
            heads=config["num_heads"],
            buckets=config["relative_attention_num_buckets"],
            distance=config.get("relative_attention_max_distance", 128),
            gated=str(config.get("feed_forward_proj", "relu")).startswith("gated"),
            scaled=config.get("tie_word_embeddings", True) is not False,
        )


class P5Network(nn.Module):
    """T5 with whole-word embeddings.

    pieces of the prompt -> piece embedding + whole-word embedding -> T5 encoder -> T5 decoder -> pieces of the answer

    Shapes: B prompts, L pieces of a prompt, T pieces of an answer, V pieces, D width.

    Args:
        sizes: Its sizes.
        dropout: Dropout on embeddings and layer outputs.
        attention_dropout: Dropout on attention weights.

    Attributes:
        sizes: As given.
    """

    def __init__(self, sizes: NetworkSizes, dropout: float = 0.0, attention_dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.t5 = T5ForConditionalGeneration(sizes.config(attention_dropout))
        # On a CPU faster than PyTorch's own attention, which has no kernel for relative positions.
        self.t5.set_attn_implementation("eager")
        self.whole_words = nn.Embedding(WHOLE_WORDS, sizes.width)
        # Drawn with deviation 1, as T5 draws those of the pieces.
        nn.init.normal_(self.whole_words.weight)
        for module in self.t5.modules():
            for name, part in module.named_children():
                if isinstance(part, nn.Dropout):
                    # Draws fewer random bits than PyTorch's, which would take a fifth of a step on a CPU.
                    setattr(module, name, Dropout(dropout))

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load weights; those of a published T5 have no table of whole words, which then stays random.

        Raises:
            RuntimeError: They are those of another network.
        """
        shared = {
            name: state["t5.shared.weight"] for name in _TIED if name not in state and "t5.shared.weight" in state
        }
        own = {} if "whole_words.weight" in state else {"whole_words.weight": self.whole_words.weight.detach()}
        self.load_state_dict({**state, **shared, **own})

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights without the names under which tied ones are there again."""
        return {name: value for name, value in self.state_dict().items() if name not in _TIED}

    def encode(self, pieces: torch.Tensor, words: torch.Tensor | None) -> torch.Tensor:
        """Encode prompts.

        Args:
            pieces: Padded with :data:`PAD` on the right; int64, shape [B, L].
            words: Number of the word that each piece belongs to, 0 for the end and padding; int64, shape [B, L]. None:
                no whole-word embedding, as the authors' code evaluates (a control; training reads them).

        Returns:
            The states; shape [B, L, D].
        """
        inputs = self.t5.shared(pieces)
        if words is not None:
            inputs = inputs + self.whole_words(words)
        return self.t5.encoder(inputs_embeds=inputs, attention_mask=(pieces != PAD).long()).last_hidden_state

    def logits(self, states: torch.Tensor, pieces: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """Return the logits of each piece of given answers.

        Args:
            states: States of the prompts; shape [B, L, D].
            pieces: The prompts, whose padding is not attended to; shape [B, L].
            answers: Answers with their end, padded on the right; int64, shape [B, T].

        Returns:
            Shape [B, T, V].
        """
        decoded = self.t5.decoder(
            input_ids=functional.pad(answers[:, :-1], (1, 0), value=PAD),
            encoder_hidden_states=states,
            encoder_attention_mask=(pieces != PAD).long(),
        ).last_hidden_state
        return self.output(decoded)

    def output(self, decoded: torch.Tensor) -> torch.Tensor:
        """Return the logits of decoder states: the embedding is tied, and T5 1.0 scales the states; shape [..., V]."""
        if self.sizes.scaled:
            decoded = decoded * self.sizes.width**-0.5
        return functional.linear(decoded, self.t5.shared.weight)

    def piece_losses(self, pieces: torch.Tensor, words: torch.Tensor | None, answers: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy of each piece of the answers, 0 at padding; shape [B, T]."""
        logits = self.logits(self.encode(pieces, words), pieces, answers)
        losses = functional.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="none", ignore_index=PAD)
        return losses.view(answers.shape)

    def loss(
        self,
        pieces: torch.Tensor,
        words: torch.Tensor | None,
        answers: torch.Tensor,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the training loss: the mean over the pieces of each answer, and over the answers; a scalar.

        Args:
            pieces: The prompts; shape [B, L].
            words: As of :meth:`encode`.
            answers: As of :meth:`logits`.
            weights: Weight of each prompt, shape [B]; None: 1, as it always is in the authors' data.
        """
        losses = self.piece_losses(pieces, words, answers).sum(1) / (answers != PAD).sum(1)
        return (losses if weights is None else losses * weights).mean()

    def log_likelihood(self, pieces: torch.Tensor, words: torch.Tensor | None, answers: torch.Tensor) -> torch.Tensor:
        """Return the log-probability of each answer as a whole; shape [B]."""
        return -self.piece_losses(pieces, words, answers).sum(1)
