"""Adapters in the content encoder of Adapter4Rec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from torch import nn

from recbole_idp.content.trainable.text import TrainableText, transformer_of
from recbole_idp.errors import UserError
from recbole_idp.nn.adapters.bert import KAdapterBeside, SoftPrompt, adapt_layers

if TYPE_CHECKING:
    from recbole_idp.content.text.sentence_model import SentenceModel
    from recbole_idp.content.trainable.interface import TrainableContent
    from recbole_idp.models.adapter4rec.keys import Adapter4RecSettings


def adapt_content(content: TrainableContent, settings: Adapter4RecSettings) -> None:
    """Freeze a text encoder, and graft adapters into its trained layers.

    Args:
        content: The texts with their encoder.
        settings: Which adapters.

    Raises:
        UserError: The encoder is not of BERT's kind, or has no room for what is asked.
    """
    if settings.content != "text":
        raise UserError(
            "adapters are grafted into text encoders, and content is image: give --transfer=fine_tune, or "
            "--train_encoder=none, which has them in the sequence encoder alone"
        )
    text, form = cast("TrainableText", content), settings.content_form()

    def graft(trained: nn.Module, model: SentenceModel) -> nn.Module:
        if settings.adapter == "soft_prompt":
            return soft_prompt(model, settings, whole=settings.train_encoder == "all")
        if settings.adapter != "k_adapter":
            adapt_layers(trained, form, text.name)
            return nn.ModuleList()
        layers = text.layers()
        # The paper reads the first and the last of twelve layers.
        beside = KAdapterBeside([layers[0], layers[-1]], _width(model), form.inner)
        model.insert(1, beside)
        return beside

    text.adapt(graft)


def soft_prompt(model: SentenceModel, settings: Adapter4RecSettings, whole: bool) -> SoftPrompt:
    """Put learned vectors before the words of a text encoder.

    Args:
        model: The encoder.
        settings: With their number.
        whole: Whether all layers are run in each step.

    Returns:
        The vectors.

    Raises:
        UserError: The first layers are not run, or the encoder has no positions for so many vectors.
    """
    if not whole:
        raise UserError("soft_prompt changes what the first layer reads: give --train_encoder=all")
    transformer = transformer_of(model)
    room = getattr(transformer.config, "max_position_embeddings", 0) - model.max_seq_length
    if settings.prompt_length > room:
        raise UserError(
            f"prompt_length is {settings.prompt_length}, and the text encoder has room for {max(room, 0)} vectors "
            f"beside {model.max_seq_length} tokens: give less, or fewer text_tokens"
        )
    words = cast("nn.Embedding", transformer.get_input_embeddings())  # type: ignore[operator]  # of transformers
    return SoftPrompt(model[0], words, settings.prompt_length, model.tokenizer.pad_token_id or 0)


def _width(model: SentenceModel) -> int:
    sizes: Any = transformer_of(model).config
    return int(sizes.hidden_size)
