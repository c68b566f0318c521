"""The contents of MoRec's items: their texts, the encoder that reads them, and the mean that is taken off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.content.trainable.text import TrainableText, check_layers
from recbole_idp.errors import UserError
from recbole_idp.models.base.text_vectors import input_texts
from recbole_idp.search.vectors import centred
from recbole_idp.train.pretrained_folder import TEXT_ENCODER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole.config import Config

    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.train.pretrained_folder import PretrainedWeights

MEAN = "text_mean"
"""The name of the mean among pre-trained weights."""


@dataclass(frozen=True)
class ItemContents:
    """Texts of I inputs and an encoder of them, whose vectors are W wide.

    Attributes:
        texts: Text of inputs 1 to I - 1, blank for none.
        encoder: The encoder, fitted where it needs that.
        mean: What is taken off each vector; shape [W]. None: the mean over these texts.
    """

    texts: Sequence[str]
    encoder: TextEncoder
    mean: torch.Tensor | None = None

    def frozen(self, encoding: TextEncoding) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the texts, or read their vectors from the cache.

        Args:
            encoding: Where the cache lies.

        Returns:
            The vectors, centred and of length one, zero for padding and for inputs without text, of shape [I, W]; and
            the mean that was taken off, of shape [W].
        """
        # Models draw the same first weights whether or not their texts had to be encoded first.
        with torch.random.fork_rng(devices=[]):
            vectors, _ = encoding.encode(self.encoder, self.texts)
        return centred(vectors, None if self.mean is None else self.mean.numpy())

    def trainable(self, encoding: TextEncoding, settings: TrainedEncoderSettings) -> TrainableText:
        """Return the texts with a copy of the encoder that is trained.

        Args:
            encoding: Where the cache lies.
            settings: Which parts of the encoder are trained, and how; not none of them.

        Returns:
            The contents.

        Raises:
            UserError: The encoder has no layers, or fewer than are to be trained.
        """
        if not self.encoder.has_tokens:
            raise UserError(
                f"train_encoder is {settings.train_encoder}, but {self.encoder.name} has no layers to train: give "
                "none, or another text_encoder"
            )
        sentence = cast("SentenceEncoder", self.encoder)
        layers = settings.trained_layers if settings.train_encoder == "last_n" else None
        if layers is not None:
            check_layers(sentence, layers, "trained_layers")
        # Models draw the same first weights whether or not lower layers had to be run first.
        with torch.random.fork_rng(devices=[]):
            return TrainableText(
                sentence,
                self.texts,
                layers,
                encoding.cache,
                encoding.show_progress,
                getattr(torch, settings.encoder_precision),
                settings.gradient_checkpointing,
            )


def target_contents(config: Config, dataset: SequenceDataset, start: PretrainedWeights | None) -> ItemContents:
    """Return the contents of a target's items.

    Args:
        config: The configuration.
        dataset: The target.
        start: What was pre-trained, whose text encoder and mean are taken; None: nothing was.

    Returns:
        The contents.

    Raises:
        UserError: There are no texts, or the encoder cannot be loaded.
    """
    encoding = TextEncoding.of(config)
    texts = input_texts(encoding, dataset)
    with torch.random.fork_rng(devices=[]):
        if start is None:
            return ItemContents(texts, encoding.load_encoder().fit(texts))
        encoder = open_text_encoder(start.folder / TEXT_ENCODER, device=encoding.device)
    mean = start.state[MEAN]
    if mean.shape != (encoder.width,):
        raise UserError(f"{start.folder} has a mean of another width than its text encoder's: pre-train again")
    return ItemContents(texts, encoder, mean)
