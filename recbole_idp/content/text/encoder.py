"""Load a text encoder by name, or open a saved one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recbole_idp.content.text.interface import TextEncoder
from recbole_idp.content.text.locate import DEFAULT_ENCODER, LSA, download_weights, locate_weights
from recbole_idp.content.text.lsa import LsaEncoder, open_lsa_encoder
from recbole_idp.content.text.own.encoder import open_own_vectors
from recbole_idp.content.text.sentence import load_sentence_encoder, open_sentence_encoder
from recbole_idp.content.text.stored import OWN, check_files, read_kind

if TYPE_CHECKING:
    import torch

__all__ = ["TextEncoder", "load_text_encoder", "locate_weights", "open_text_encoder"]


def load_text_encoder(
    name: str | Path = DEFAULT_ENCODER,
    pooling: str | None = None,
    max_tokens: int = 128,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
) -> TextEncoder:
    """Load a text encoder. The heavy libraries are imported only here.

    Args:
        name: A folder or a hub name in the layout of sentence-transformers, or ``lsa``, which needs no weights but must
            be fitted. See :func:`locate_weights` for the places of weights.
        pooling: ``cls``, ``mean`` or ``max``; None takes that of the model. ``lsa`` uses neither this argument nor the
            next three.
        max_tokens: Tokens of a text at most; longer texts are cut.
        batch_size: Texts per batch.
        device: Device of the encoder.

    Returns:
        The encoder.

    Raises:
        UserError: There are no such weights, or they cannot be loaded.
    """
    where, origin = locate_weights(name)
    if where == LSA and origin == "built-in":
        return LsaEncoder()
    folder = download_weights(str(name)) if origin == "hub" else where
    return load_sentence_encoder(folder, str(name), pooling, max_tokens, batch_size, device)


def open_text_encoder(folder: str | Path, batch_size: int = 64, device: str | torch.device = "cpu") -> TextEncoder:
    """Open a saved encoder, without running code from the folder and without reading pickle.

    Args:
        folder: The folder that :meth:`TextEncoder.save` wrote.
        batch_size: Texts per batch.
        device: Device of the encoder.

    Returns:
        The encoder, with the vectors and the fingerprint of the saved one.

    Raises:
        UserError: The folder is not a saved encoder, is incomplete, or a file in it was changed.
    """
    kind = read_kind(folder)
    check_files(folder)
    if kind == OWN:
        return open_own_vectors(folder)
    return open_lsa_encoder(folder) if kind == LSA else open_sentence_encoder(folder, batch_size, device)
