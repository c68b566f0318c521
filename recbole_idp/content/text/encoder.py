"""Loading a text encoder by name, and opening a saved one."""

from recbole_idp.content.text.interface import TextEncoder
from recbole_idp.content.text.locate import DEFAULT_ENCODER, LSA, download_weights, locate_weights
from recbole_idp.content.text.lsa import LsaEncoder, open_lsa_encoder
from recbole_idp.content.text.sentence import load_sentence_encoder, open_sentence_encoder
from recbole_idp.content.text.stored import check_files, read_kind

__all__ = ["TextEncoder", "configured_text_encoder", "load_text_encoder", "locate_weights", "open_text_encoder"]


def load_text_encoder(name=DEFAULT_ENCODER, pooling=None, max_tokens=128, batch_size=64, device="cpu"):
    """Loads a text encoder; the heavy libraries are imported here and not before.

    Args:
        name (str): A folder or a hub name that sentence-transformers can load, or ``lsa``, which needs no weights but
            must be fitted. See :func:`locate_weights` for where a name is looked for.
        pooling (str | None): ``cls``, ``mean`` or ``max``; None takes what the model says. Not used by ``lsa``, nor
            are the next three.
        max_tokens (int): Longer texts are cut.
        batch_size (int): Texts per batch.
        device (str): As torch names it.

    Returns:
        TextEncoder: The encoder.

    Raises:
        UserError: There are no such weights, or they cannot be loaded.
    """
    where, origin = locate_weights(name)
    if where == LSA and origin == "built-in":
        return LsaEncoder()
    folder = download_weights(str(name)) if origin == "hub" else where
    return load_sentence_encoder(folder, str(name), pooling, max_tokens, batch_size, device)


def configured_text_encoder(config):
    """Loads the sentence encoder that a configuration names."""
    return load_text_encoder(
        config["text_encoder"],
        pooling=config["text_pooling"],
        max_tokens=config["text_tokens"],
        device=config["device"],
    )


def open_text_encoder(folder, batch_size=64, device="cpu"):
    """Opens an encoder that ``save`` wrote; runs no code from the folder and reads no pickle.

    Args:
        folder (str | Path): What ``TextEncoder.save`` wrote.
        batch_size (int): Texts per batch.
        device (str): As torch names it.

    Returns:
        TextEncoder: Gives the same vectors and has the same fingerprint as the one that was saved.

    Raises:
        UserError: The folder is none, is incomplete, or a file in it differs from what was saved.
    """
    kind = read_kind(folder)
    check_files(folder)
    return open_lsa_encoder(folder) if kind == LSA else open_sentence_encoder(folder, batch_size, device)
