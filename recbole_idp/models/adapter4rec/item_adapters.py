"""Adapters in the content encoder of Adapter4Rec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from recbole_idp.content.trainable.text import transformer_of
from recbole_idp.errors import UserError
from recbole_idp.nn.adapters.bert import KAdapterBeside, SoftPrompt, adapt_layers
from recbole_idp.nn.adapters.sockets import is_adapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recbole_idp.content.text.sentence_model import SentenceModel
    from recbole_idp.content.trainable.text import TrainableText
    from recbole_idp.models.adapter4rec.content_adapters import ContentAdapters


def adapt_content(text: TrainableText, adapters: ContentAdapters) -> None:
    """Freeze a text encoder, and graft adapters into its trained layers.

    Args:
        text: The texts with their encoder.
        adapters: Which adapters.

    Raises:
        UserError: The encoder is not of BERT's kind, or has no room for what is asked.
    """
    form = adapters.form

    def graft(trained: nn.Module, model: SentenceModel) -> nn.Module:
        if form.kind == "soft_prompt":
            return soft_prompt(model, adapters)
        if form.kind != "k_adapter":
            return adapt_layers(trained, form, text.name)
        layers = text.layers()
        # The paper reads the first and the last of twelve layers.
        beside = KAdapterBeside([layers[0], layers[-1]], _width(model), form.inner)
        model.insert(1, beside)
        return beside

    text.adapt(graft)


def adapter_state(text: TrainableText) -> dict[str, torch.Tensor]:
    """Return the weights of an adapted encoder that are not those of its base, by their names."""
    return {name: value.detach().cpu() for name, value in text.named_parameters() if value.requires_grad}


def load_adapters(text: TrainableText, state: Mapping[str, torch.Tensor]) -> None:
    """Load what :func:`adapter_state` returned into an encoder that has the same adapters.

    Raises:
        ValueError: The weights are not those of its adapters.
    """
    own = dict(text.named_parameters())
    adapters = set(filter(is_adapter, own))
    unknown = [name for name, value in state.items() if name not in own or own[name].shape != value.shape]
    if unknown or adapters - set(state):
        raise ValueError("the weights of its adapters are not those that its description says")
    with torch.no_grad():
        for name, value in state.items():
            own[name].copy_(value)


def soft_prompt(model: SentenceModel, adapters: ContentAdapters) -> SoftPrompt:
    """Put learned vectors before the words of a text encoder.

    Args:
        model: The encoder.
        adapters: With their number, and whether all layers are run in each step.

    Returns:
        The vectors.

    Raises:
        UserError: The first layers are not run, or the encoder has no positions for so many vectors.
    """
    if adapters.layers is not None:
        raise UserError("soft_prompt changes what the first layer reads: give --train_encoder=all")
    transformer = transformer_of(model)
    room = getattr(transformer.config, "max_position_embeddings", 0) - model.max_seq_length
    if adapters.prompt_length > room:
        raise UserError(
            f"prompt_length is {adapters.prompt_length}, and the text encoder has room for {max(room, 0)} vectors "
            f"beside {model.max_seq_length} tokens: give less, or fewer text_tokens"
        )
    words = cast("nn.Embedding", transformer.get_input_embeddings())  # type: ignore[operator]  # of transformers
    return SoftPrompt(model[0], words, adapters.prompt_length, model.tokenizer.pad_token_id or 0)


def _width(model: SentenceModel) -> int:
    sizes: Any = transformer_of(model).config
    return int(sizes.hidden_size)
