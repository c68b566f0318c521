"""What P5's network starts from: its pieces, its sizes, and its weights where they are not random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_idp.models.p5.network import PUBLISHED, NetworkSizes
from recbole_idp.models.p5.published import read_published
from recbole_idp.models.p5.templates import all_words
from recbole_idp.models.p5.tokenizer import PieceTokenizer, plain_words

if TYPE_CHECKING:
    import torch

    from recbole_idp.models.p5.catalogue import Catalogue
    from recbole_idp.models.p5.keys import P5Settings


class Start(NamedTuple):
    """What a network starts from.

    Attributes:
        tokenizer: The pieces that it reads and writes.
        sizes: Its sizes.
        state: Its weights by name; empty: random ones.
    """

    tokenizer: PieceTokenizer
    sizes: NetworkSizes
    state: Mapping[str, torch.Tensor]


def first_start(settings: P5Settings, catalogue: Catalogue) -> Start:
    """Return the start of a network that was not trained on prompts.

    Args:
        settings: The settings, which may name a published T5.
        catalogue: The items, whose titles prompts name.

    Returns:
        The pieces of the titles, and random weights; or those of the published T5.

    Raises:
        UserError: The published T5 cannot be used.
    """
    if settings.t5_folder:
        published = read_published(settings.t5_folder)
        return Start(published.tokenizer, published.sizes, published.state())
    words = " ".join(all_words())
    texts = [plain_words(title, settings.title_words) for title in catalogue.titles]
    # The words of prompts are in every prompt, titles in some of them.
    tokenizer = PieceTokenizer.fit(
        [*[words] * (len(texts) + 1), *texts], settings.vocabulary_size, settings.number_digits
    )
    sizes: Mapping[str, Any] = PUBLISHED.get(settings.t5_size) or {
        "width": settings.hidden_size,
        "inner": settings.inner_size,
        "key": settings.key_size,
        "layers": settings.n_layers,
        "heads": settings.n_heads,
    }
    return Start(tokenizer, NetworkSizes(len(tokenizer), **sizes), {})
