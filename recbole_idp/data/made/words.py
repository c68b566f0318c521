"""Texts of made items by a small grammar: equal products have equal words on every platform, in another order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SERIES = 4
"""Products of one brand that are used together."""

_MATERIALS = (
    *(
        "bamboo",
        "brass",
        "canvas",
        "ceramic",
        "copper",
        "cork",
        "cotton",
        "felt",
        "glass",
        "granite",
        "iron",
        "leather",
    ),
    *("linen", "marble", "nylon", "oak", "paper", "pine", "plastic", "porcelain", "rubber", "silk", "steel", "wool"),
)
_NOUNS = (
    *("apron", "backpack", "basket", "bench", "blanket", "bookend", "bottle", "bowl", "bracelet", "broom", "bucket"),
    *("cabinet", "candle", "carpet", "chair", "clock", "comb", "curtain", "desk", "drum", "easel", "fork", "frame"),
    *("glove", "hammer", "hammock", "helmet", "jar", "kettle", "kite", "ladder", "lamp", "mirror", "mug", "notebook"),
    *("pan", "pencil", "pillow", "plate", "puzzle", "racket", "scarf", "shelf", "spoon", "teapot", "tent", "tray"),
)
_COLOURS = (
    *("amber", "beige", "black", "blue", "brown", "crimson", "gold", "green", "grey", "indigo", "ivory", "olive"),
    *("orange", "pink", "red", "silver", "teal", "turquoise", "violet", "white"),
)
_SIZES = ("extra small", "small", "medium", "large", "extra large", "set of 2", "set of 4", "set of 6")
_SYLLABLES = (
    *("ba", "bel", "cor", "da", "del", "fa", "gor", "ha", "jun", "ka", "lo", "lum", "ma", "mir", "na", "nor"),
    *("or", "pa", "quin", "ra", "ros", "sa", "sol", "ta", "tor", "u", "va", "vel", "wen", "ya", "za", "zen"),
)
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"

MOST_CATEGORIES = len(_MATERIALS) * len(_NOUNS)
"""So many categories have names of their own."""


class Words(NamedTuple):
    """The words of one item.

    Attributes:
        brand: Its brand, which all products of a series have.
        category: Material and kind.
        colour: Its colour.
        size: Its size.
        code: The maker's code, which no other product of the category has.
    """

    brand: str
    category: str
    colour: str
    size: str
    code: str


def words_of(categories: NDArray[np.int64], products: NDArray[np.int64], seed: int) -> list[Words]:
    """Return the words of some products.

    Args:
        categories: The category of each; shape [N].
        products: Its number in its category; shape [N].
        seed: Seed of all words.
    """
    own = hashed(seed, categories, products, 1)
    brands = hashed(seed, categories, products // SERIES, 2)
    rows = zip(categories.tolist(), products.tolist(), own.tolist(), brands.tolist(), strict=True)
    return [
        Words(
            brand=_brand(brand),
            category=category_name(category),
            colour=_COLOURS[number % len(_COLOURS)],
            size=_SIZES[number // 64 % len(_SIZES)],
            code=f"{_LETTERS[number // 1024 % 23]}{_LETTERS[number // 32768 % 23]}-{product:03d}",
        )
        for category, product, number, brand in rows
    ]


def category_name(category: int) -> str:
    """Return the name of a category, below :data:`MOST_CATEGORIES`."""
    return f"{_MATERIALS[category % len(_MATERIALS)]} {_NOUNS[category // len(_MATERIALS)]}"


def source_title(words: Words) -> str:
    """Return the title of an item on the source platform."""
    return f"{words.brand} {words.category}, {words.colour}, {words.size} ({words.code})"


def target_title(words: Words) -> str:
    """Return the title of an item on the target platform: the same words in another order."""
    return f"{words.category.capitalize()} by {words.brand} {words.code} - {words.size}, {words.colour}"


def hashed(seed: int, *parts: NDArray[np.int64] | int) -> NDArray[np.uint64]:
    """Mix numbers into one for each place, all bits alike; SplitMix64, Steele et al. 2014.

    Args:
        seed: Seed.
        *parts: Numbers, or arrays of one shape.

    Returns:
        Numbers below 2 ** 63.
    """
    found = np.uint64(seed)
    with np.errstate(over="ignore"):
        for part in parts:
            found = (found ^ np.asarray(part).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            found = found ^ (found >> np.uint64(31))
    return np.asarray(found >> np.uint64(1))


def _brand(number: int) -> str:
    """Return one of 32,768 names."""
    count = len(_SYLLABLES)
    places = (number % count, number // count % count, number // count**2 % count)
    return "".join(_SYLLABLES[place] for place in places).capitalize()
