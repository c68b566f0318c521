"""Turn pictures into what an image encoder reads: resized, cut out, and with its mean and deviation of colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

if TYPE_CHECKING:
    from PIL.Image import Image
    from typing_extensions import Self

Filter = Literal["nearest", "bilinear", "bicubic", "lanczos"]
_FILTERS: dict[str, int] = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
"""Filters by the numbers that Pillow, and Hugging Face's preprocessor_config.json, have for them."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_LONGEST_RATIO = 8
_LARGEST = 4096


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes an input: short side resized, middle cut out, colours normalised.

    Attributes:
        short_side: Length to which the short side is resized, in pixels; None: both sides become ``size``.
        size: Height and width of the input.
        resample: Filter of the resizing.
        mean: Mean of red, green and blue, on a scale from 0 to 1.
        std: Their deviation.
    """

    short_side: int | None = 256
    size: int = 224
    resample: Filter = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        sides = [self.size] if self.short_side is None else [self.size, self.short_side]
        if any(type(side) is not int or not 1 <= side <= _LARGEST for side in sides) or sides[-1] < self.size:
            raise ValueError(f"a picture of {self.size} pixels cannot be cut out of {self.short_side}")
        if self.resample not in _FILTERS or len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError("it has an unknown filter, or no mean and deviation of three colours")

    @classmethod
    def of_file(cls, values: Mapping[str, Any], default_size: int) -> Self:
        """Read Hugging Face's preprocessor_config.json.

        Args:
            values: Its content; what it does not say is as for ImageNet.
            default_size: Size of the input where the file gives none.

        Raises:
            ValueError: Its values are no such numbers.
        """
        size, crop = values.get("size"), values.get("crop_size")
        inner = _side(crop) if values.get("do_center_crop") and crop is not None else None
        short = size.get("shortest_edge") if isinstance(size, Mapping) else None
        if short is None and inner is not None:
            short = _side(size)
        side = inner or short or _side(size) or default_size
        return cls(
            short if short is None or short >= side else side,
            side,
            {number: name for name, number in _FILTERS.items()}.get(values.get("resample", 2), "bilinear"),  # type: ignore[arg-type]
            _three(values, "image_mean", IMAGENET_MEAN),
            _three(values, "image_std", IMAGENET_STD),
        )

    def values(self) -> dict[str, Any]:
        """Return the values by name, as JSON has them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def pixels(self, image: Image) -> np.ndarray:
        """Return the part of a picture that is encoded.

        Args:
            image: In RGB.

        Returns:
            uint8, shape [size, size, 3].
        """
        from PIL.Image import Resampling

        width, height = image.size
        if self.short_side is not None:
            # Of a strip, only the middle is left in the end: what is resized stays small.
            longest = _LONGEST_RATIO * min(width, height)
            if max(width, height) > longest:
                image = _middle(image, min(width, longest), min(height, longest))
                width, height = image.size
            short = min(width, height)
            width, height = self.short_side * width // short, self.short_side * height // short
        else:
            width = height = self.size
        image = image.resize((width, height), Resampling(_FILTERS[self.resample]))
        return np.asarray(_middle(image, self.size, self.size), dtype=np.uint8)

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the input of a network.

        Args:
            pixels: uint8, shape [B, size, size, 3].

        Returns:
            float32, shape [B, 3, size, size].
        """
        mean, std = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (self.mean, self.std))
        return (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std


def _middle(image: Image, width: int, height: int) -> Image:
    """Cut out the middle of a picture."""
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _side(size: Any) -> int | None:
    """Return the length of a side, which is a number, or the height of a square."""
    if not isinstance(size, Mapping):
        return size
    if size.get("height") != size.get("width"):
        raise ValueError("its pictures are not square")
    return size.get("height")


def _three(values: Mapping[str, Any], key: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return three numbers of a file."""
    found = values.get(key)
    if found is None:
        return default
    if not isinstance(found, list) or len(found) != 3 or any(type(number) not in (int, float) for number in found):
        raise ValueError(f"{key} is no list of three numbers")
    red, green, blue = (float(number) for number in found)
    return red, green, blue
