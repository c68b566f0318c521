"""A trained folder of random numbers, as large as one likes: ``python -m tests.support.large FOLDER ITEMS``."""

import sys

import torch

from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.transformer import TransformerEncoder
from recbole_idp.serving.encoder_sizes import encoder_sizes
from recbole_idp.serving.source_items import SourceItem, SourceItems
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.testing.toy import WORDS

_COLOURS = ("amber", "black", "copper", "dusty", "emerald", "fern", "grey", "hazel", "indigo", "jade", "khaki", "lilac")
_KINDS = ("folding", "magnetic", "narrow", "old", "portable", "quiet", "round", "slim", "thick", "used", "woven")


def title_of(number):
    """Returns the title of an item, which many others resemble."""
    return f"{_COLOURS[number % 12]} {_KINDS[number // 12 % 11]} {WORDS[number // 132 % 8]}, no. {number}"


def large_model(n_items, width=64, length=50, matches=10):
    """Returns an untrained SASRec on items whose ids are ``i1`` to ``i{n_items}``, with random matches.

    Args:
        n_items (int): Number of items.
        width (int): Width of the embeddings.
        length (int): Items of a history that are read.
        matches (int): Source items that each item is matched to.
    """
    draw = torch.Generator().manual_seed(0)
    sizes = TransformerSettings(hidden_size=width, n_layers=2, n_heads=2, inner_size=4 * width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = TransformerEncoder(sizes, length, causal=True)
    vectors = torch.randn(n_items + 1, width, generator=draw)
    similarities = torch.rand(n_items, matches, generator=draw).sort(descending=True).values
    rows = torch.randint(500, (n_items, matches), generator=draw)
    return TrainedModel(
        item_vectors=vectors,
        candidate_vectors=vectors,
        item_bias=None,
        encoder=encoder.state_dict(),
        tokens=[f"i{number}" for number in range(1, n_items + 1)],
        titles=[*map(title_of, range(1, n_items + 1))],
        description={
            "model": "IDP",
            "dataset": "random",
            "variant": "zero_shot",
            "seed": 0,
            "valid": {},
            "test": {},
            "encoder": encoder_sizes("SASRec", {**sizes.model_dump(), "MAX_ITEM_LIST_LENGTH": length}),
            "hidden_event": False,
            "temperature": None,
            "only_unseen": False,
            "bundle": {"name": "none", "fingerprint": "0", "domains": ["pens", "lamps"]},
            "added": 0,
            "config": {"generator": "blend", "match_temperature": 0.05, "own_texts": 0.7},
            "versions": {},
        },
        transfer={"vectors": torch.ones(n_items, 1), "items": rows, "similarities": similarities},
        source_items=SourceItems(
            rows.unique().numpy(),
            [SourceItem(("pens", "lamps")[row % 2], f"s{row}", title_of(row)) for row in rows.unique().tolist()],
        ),
    )


if __name__ == "__main__":
    large_model(int(sys.argv[2])).save(sys.argv[1])
