"""Read the weights of a published T5 from a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from recbole_idp.errors import UserError
from recbole_idp.models.p5.network import NetworkSizes
from recbole_idp.models.p5.tokenizer import PieceTokenizer
from recbole_idp.storage.files import parse_json
from recbole_idp.storage.tensors import read_tensors

_FILES = CONFIG, TOKENIZER, WEIGHTS = ("config.json", "tokenizer.json", "model.safetensors")


class Published(NamedTuple):
    """A published T5.

    Attributes:
        sizes: Its sizes.
        tokenizer: Its pieces.
        weights: Its file of weights.
    """

    sizes: NetworkSizes
    tokenizer: PieceTokenizer
    weights: Path

    def state(self) -> dict[str, torch.Tensor]:
        """Read the weights, by the names of :class:`~recbole_idp.models.p5.network.P5Network` without whole words.

        Raises:
            UserError: The file cannot be read.
        """
        try:
            tensors = read_tensors(self.weights)
        except ValueError as error:
            raise UserError(f"{self.weights} cannot be read ({error}): copy the folder anew") from None
        # The output layer of T5 1.1 is one of its own; P5's is tied to the embedding.
        return {f"t5.{name}": value for name, value in tensors.items() if name != "lm_head.weight"}


def read_published(folder: str) -> Published:
    """Read sizes and tokenizer of a published T5; its weights are read when they are asked for.

    Args:
        folder: A folder with ``config.json``, ``tokenizer.json`` and ``model.safetensors``.

    Raises:
        UserError: A file is missing or damaged, or it is no T5.
    """
    root = Path(folder)
    for name in _FILES:
        if not (root / name).is_file():
            raise UserError(f"t5_folder {folder} has no {name}: give a folder with {', '.join(_FILES)}")
    try:
        config = parse_json(root / CONFIG)
        if config.get("model_type") != "t5":
            raise ValueError(f"its model_type is {config.get('model_type')!r}")
        sizes = NetworkSizes.of_t5(config)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{root / CONFIG} does not describe a T5 ({error}): copy the folder anew") from None
    tokenizer = PieceTokenizer.read(root / TOKENIZER)
    if len(tokenizer) > sizes.vocabulary:
        raise UserError(f"{root / TOKENIZER} has more pieces than {CONFIG} says: copy the folder anew")
    return Published(sizes, tokenizer, root / WEIGHTS)
