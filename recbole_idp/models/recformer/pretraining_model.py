"""Recformer as it is pre-trained on the source domains (arXiv 2305.13731, section 2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from recbole_idp.models.recformer.batches import DrawnTargets
from recbole_idp.models.recformer.masked_words import MaskedWordHead, mask_words
from recbole_idp.models.recformer.model import Recformer, unit
from recbole_idp.models.recformer.sequence_encoder import packs_of_like_length

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recbole.config import Config

    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.data.rows import Batch, Batches
    from recbole_idp.data.sequences import Targets
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.recformer.items import Attributes
    from recbole_idp.models.recformer.tokenizer import Tokenizer

# One of the later half of a sequence's items is the target.
_SKIPPED = 0.5


class RecformerPretraining(Recformer):
    """Recformer with its two losses over batches of all domains.

    contrastive: a history and the item after it, against the items of the batch's other histories
    + lambda * (masked words of the histories + masked words of the items)

    As in the paper, each user gives one pair an epoch, the item being one of the later half. Two pairs with the same
    item are no negatives of one another, which the authors' code overlooks. Masked words are those of a part of the
    batch, ``mlm_rows``: the same in expectation, for less computation.

    Args:
        config: RecBole's configuration.
        dataset: The joined source domains.
        encoder: The text encoder.
        tokenizer: What makes tokens of attributes.
        attributes: Attributes of items 1 to N - 1.
    """

    words: torch.Tensor

    def __init__(
        self,
        config: Config,
        dataset: ModelData,
        encoder: TextEncoder,
        tokenizer: Tokenizer,
        attributes: Sequence[Attributes],
    ) -> None:
        self._given = encoder, tokenizer, attributes
        super().__init__(config, dataset)
        del self._given
        self.weight, self.rows, self.share = config["mlm_weight"], config["mlm_rows"], config["mlm_probability"]
        self.lm_head = MaskedWordHead(self.hidden_size, self.tokenizer.size, config["layer_norm_eps"])
        self.lm_head.apply(self._initialise)
        if config["fix_word_embedding"] and config["first_weights"] != "random" and encoder.has_tokens:
            self.encoder.longformer.embeddings.word_embeddings.requires_grad_(False)

    def load_text_encoder(self, config: Config) -> TextEncoder:
        """Return the given text encoder."""
        return self._given[0]

    def load_tokenizer(self, config: Config, encoder: TextEncoder) -> Tokenizer:
        """Return the given tokenizer."""
        return self._given[1]

    def read_attributes(self, config: Config, dataset: ModelData) -> Sequence[Attributes]:
        """Return the given attributes."""
        return self._given[2]

    def take_tokens(self, found: Mapping[str, torch.Tensor]) -> None:
        """Take the tokens of all inputs, and which of them begin words."""
        super().take_tokens(found)
        self.register_buffer("words", found["words"], persistent=False)

    def training_batches(self, targets: Targets, config: Config, generator: torch.Generator) -> Batches:
        """Build rows of one late target for each user; arguments as in :class:`SequenceModel`."""
        length, size = config["MAX_ITEM_LIST_LENGTH"], config["train_batch_size"]
        return DrawnTargets(targets, length, size, generator, _SKIPPED)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the losses.

        Args:
            batch: Rows of one target each.

        Returns:
            Scalar.
        """
        ((items, targets),) = batch.parts
        wanted = targets.amax(1)
        loss = contrastive_loss(self.encoder.encode(items), self.encoder.encode_items(wanted), wanted, self.temperature)
        if self.weight == 0:
            return loss
        count = max(1, round(len(wanted) * self.rows))
        masked = self.masked_word_loss(items[:count]) + self.masked_word_loss(wanted[:count].unsqueeze(1))
        return loss + self.weight * masked

    def masked_word_loss(self, items: torch.Tensor) -> torch.Tensor:
        """Compute the mean loss of masked tokens.

        Args:
            items: Histories, padded with 0 on the right; int64, shape [B, L].

        Returns:
            Scalar, 0 where no word is chosen.
        """
        lengths = self.encoder.items.lengths(items)
        states, wanted = [], []
        for rows in packs_of_like_length(lengths):
            width = int(lengths[rows[0]])
            tokens = self.encoder.items(items[rows], width)
            index, _, inside = self.encoder.items.places(items[rows], width)
            hidden, chosen = mask_words(
                tokens, self.words[index] & inside, self.share, self.tokenizer.mask, self.tokenizer.size
            )
            states.append(self.encoder.longformer(hidden)[chosen])
            wanted.append(tokens.ids[chosen])
        table = self.encoder.longformer.embeddings.word_embeddings.weight
        scores, tokens_wanted = self.lm_head(torch.cat(states), table), torch.cat(wanted)
        return functional.cross_entropy(scores, tokens_wanted, reduction="sum") / max(1, len(tokens_wanted))


def contrastive_loss(
    histories: torch.Tensor, items: torch.Tensor, numbers: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Compute the mean loss of pairs against the other pairs of a batch.

    Args:
        histories: States of the histories; shape [B, D].
        items: States of the items after them; shape [B, D].
        numbers: Which items these are; those of the same number are no negatives of one another; int64, shape [B].
        temperature: Divides the cosines.

    Returns:
        Scalar.
    """
    scores = unit(histories) @ unit(items).t() / temperature
    same = (numbers.unsqueeze(1) == numbers).fill_diagonal_(False)
    places = torch.arange(len(numbers), device=numbers.device)
    return functional.cross_entropy(scores.masked_fill(same, float("-inf")), places)
