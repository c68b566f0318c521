"""The model of P5 without what it starts from: prompts, network and ranking (RecSys 2022, arXiv 2203.13366)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.models.p5.batches import PromptBatch, PromptBatches, as_batch
from recbole_idp.models.p5.keys import P5Settings
from recbole_idp.models.p5.network import P5Network
from recbole_idp.models.p5.prompts import PromptWriter, evaluation_template
from recbole_idp.models.p5.ranking import ItemRanking
from recbole_idp.models.p5.sampling import NO_RATINGS, Drawn, PromptData, PromptSampler, Ratings, training_lines
from recbole_idp.models.p5.start import Start
from recbole_idp.models.p5.tokenizer import whole_words
from recbole_idp.models.p5.trie import ItemTrie

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.data.sequences import Targets
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.p5.catalogue import Catalogue


class PromptModel(SequenceModel):
    """An encoder-decoder that reads a question in words and writes the item as its answer.

    history -> prompt in pieces -> T5 encoder with whole-word embeddings -> T5 decoder -> item, a piece at a time
    answers are kept to items by a trie: beam search, or the log-probability of every item -> scores

    It is trained on prompts of several families, which :class:`~recbole_idp.models.p5.sampling.PromptSampler` draws.

    Shapes: B batch, L length, N items.

    Args:
        config: RecBole's configuration.
        dataset: Provides the number of items and the training targets.
        catalogue: The items by number and title.
        start: Pieces, sizes and weights of the network.

    Attributes:
        network: The network.
        tokenizer: The pieces of prompts and answers.
        catalogue: As given.
        ranking: Ranks items.
    """

    encoder_kind = None

    def __init__(self, config: Config, dataset: ModelData, catalogue: Catalogue, start: Start) -> None:
        # Neither item embedding nor sequence encoder: the network has them.
        super(SequenceModel, self).__init__(config, dataset)
        self.settings = P5Settings.of(config)
        self.exclude_history = config["exclude_history"]
        self.longest_history, self.seed = config["MAX_ITEM_LIST_LENGTH"], config["seed"]
        self.n_inputs = dataset.n_inputs
        self.catalogue, self.tokenizer = catalogue, start.tokenizer
        self.network = P5Network(start.sizes, self.settings.hidden_dropout_prob, self.settings.attn_dropout_prob)
        if start.state:
            self.network.load(start.state)
        settings = self.settings
        self.writer = PromptWriter(
            self.tokenizer, catalogue.numbers, catalogue.titles, settings.title_words, settings.prompt_pieces
        )
        self.ranking = ItemRanking(self.writer, ItemTrie(self.writer.answers[1:]), settings)

    def read_ratings(self, dataset: Any) -> Ratings:
        """Return the ratings of the training part, for prompts about them; a subclass may have some."""
        return NO_RATINGS

    def sampler(self, targets: Targets, ratings: Ratings = NO_RATINGS) -> PromptSampler:
        """Return what draws the prompts of training.

        Args:
            targets: The training targets.
            ratings: The ratings of the training part.
        """
        data = PromptData(training_lines(targets), self.n_items, self.longest_history, ratings)
        return PromptSampler(data, self.writer, self.settings, self.seed)

    def training_batches(  # type: ignore[override]  # of prompts
        self, targets: Targets, config: Config, generator: torch.Generator
    ) -> PromptBatches:
        """Build batches of prompts without ratings; arguments as in :class:`SequenceModel`."""
        return PromptBatches(self.sampler(targets), config["train_batch_size"], generator)

    def position_loss(self, batch: PromptBatch) -> torch.Tensor:  # type: ignore[override]  # of its training_batches
        """Compute the mean loss of prompts: of each answer the mean over its pieces; a scalar."""
        words = whole_words(batch.pieces, self.tokenizer.starts.to(batch.pieces.device))
        return self.network.loss(batch.pieces, words, batch.answers)

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the mean loss of the question that evaluation asks, a hook of RecBole; a scalar."""
        histories, targets = self._histories(interaction), interaction[self.POS_ITEM_ID].tolist()
        template = evaluation_template(self.settings.test_prompt == "unseen")
        drawn = [
            Drawn(self.writer.question(template, history), self.writer.item_answer(target))
            for history, target in zip(histories, targets, strict=True)
        ]
        return self.position_loss(as_batch(drawn).to(self.device))

    def predict(self, interaction: Interaction) -> torch.Tensor:
        """Return the score of one item for each row, a hook of RecBole; shape [B]."""
        return self.full_sort_predict(interaction).gather(1, interaction[self.ITEM_ID].unsqueeze(1)).squeeze(1)

    def full_sort_predict(self, interaction: Interaction) -> torch.Tensor:
        """Return the scores of all items for each row, a hook of RecBole.

        Args:
            interaction: With histories, padded on the right.

        Returns:
            The log-probability of each item as the answer; -inf for padding and, with ``scoring: beam``, for items
            beyond the beams, which so are ranked by nobody; shape [B, N].
        """
        histories = self._histories(interaction)
        excluded = [sorted(set(history)) for history in histories] if self.exclude_history else ()
        return self.ranking.scores(self.network, histories, excluded)

    def _histories(self, interaction: Interaction) -> list[list[int]]:
        """Return the items of each row, without padding."""
        items, lengths = interaction[self.ITEM_SEQ].tolist(), interaction[self.ITEM_SEQ_LEN].tolist()
        return [row[:length][-self.longest_history :] for row, length in zip(items, lengths, strict=True)]
