"""Image encoders: load one by name, encode pictures, save it, and open a saved one."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch

from recbole_idp.content.image.efficientnet import NAME, read_efficientnet
from recbole_idp.content.image.networks import (
    TIMM,
    HuggingFaceNetwork,
    ImageNetwork,
    LiteNetwork,
    TimmNetwork,
    load_timm,
    read_huggingface,
    saved_network,
)
from recbole_idp.content.image.preprocessing import Preprocessing
from recbole_idp.content.quiet import quiet
from recbole_idp.content.saved import SavedEncoders
from recbole_idp.content.text.layout import WEIGHTS
from recbole_idp.errors import UserError
from recbole_idp.storage.files import fingerprint
from recbole_idp.storage.tensors import read_tensors, reserve_buffer

Pooling = Literal["cls", "mean"]

_SCHEMA: dict[str, Any] = {
    "name": str,
    "architecture": str,
    "pooling": {"cls", "mean"},
    "short_side": int,
    "size": int,
    "resample": {"nearest", "bilinear", "bicubic", "lanczos"},
    "mean": [float],
    "std": [float],
}
_SAVED = SavedEncoders(
    "image encoder",
    "recbole_idp_image_encoder.json",
    {kind.kind: _SCHEMA for kind in (LiteNetwork, HuggingFaceNetwork, TimmNetwork)},
)
# Those of the network's authors: it was trained on values from -1 to 1.
_LITE = Preprocessing(256, 224, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3)


class ImageEncoder:
    """An encoder of pictures: pixels -> network -> states -> pooling -> vector.

    Args:
        network: The network, on its device.
        preprocessing: What pictures go through before.
        pooling: State of the class token, or mean of all states but that one.
        name: The name by which the user chose it.

    Attributes:
        width: Length of a vector.
        batch_size: Pictures per batch.
    """

    def __init__(self, network: ImageNetwork, preprocessing: Preprocessing, pooling: Pooling, name: str) -> None:
        # On CPUs, convolutions of maps with the channels last are up to twice as fast.
        self.network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.preprocessing, self.pooling, self.name = preprocessing, pooling, name
        # Maps of few pictures stay in the processor's cache: larger batches take up to three times as long.
        self.batch_size = 4 if self.device.type == "cpu" else 64
        self._fingerprint: str | None = None
        # Found by encoding.
        size = preprocessing.size
        self.width = int(self.encode_pixels(np.zeros((1, size, size, 3), dtype=np.uint8), lambda _: None).shape[1])

    @property
    def device(self) -> torch.device:
        """The device of the encoder."""
        return next(self.network.parameters()).device

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the weights and with every setting that changes a vector."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            for name, tensor in sorted(self.network.state_dict().items()):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
            settings = [self.network.kind, self.network.describe(), self.pooling, self.preprocessing.values()]
            self._fingerprint = fingerprint([digest.hexdigest(), settings])[:16]
        return self._fingerprint

    def copy(self) -> ImageEncoder:
        """Return a copy with weights of its own, for training."""
        copied = copy.copy(self)
        copied.network, copied._fingerprint = copy.deepcopy(self.network), None
        return copied

    def states(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the states of pictures.

        Args:
            pixels: uint8, shape [B, S, S, 3].

        Returns:
            Shape [B, T, H].
        """
        return self.network(self.preprocessing.normalised(pixels.to(self.device)))

    def pooled(self, states: torch.Tensor) -> torch.Tensor:
        """Return the vectors of pictures by their states; [B, T, H] -> [B, H]."""
        if self.pooling == "cls":
            return states[:, 0]
        return states[:, 1:].mean(1) if self.network.has_class_token else states.mean(1)

    def encode_pixels(self, pixels: np.ndarray, advance: Callable[[int], object]) -> np.ndarray:
        """Encode pictures.

        Args:
            pixels: uint8, shape [B, S, S, 3].
            advance: Called with the number of pictures that were encoded since the last call.

        Returns:
            float32, shape [B, width].
        """
        found = []
        for start in range(0, len(pixels), self.batch_size):
            batch = torch.from_numpy(pixels[start : start + self.batch_size])
            with torch.inference_mode():
                found.append(self.pooled(self.states(batch)).float().cpu().numpy())
            advance(len(batch))
        return np.concatenate(found) if found else np.zeros((0, self.width), dtype=np.float32)

    def save(self, folder: str | Path) -> None:
        """Write all that :func:`open_image_encoder` needs.

        Args:
            folder: The folder, which is made if it is missing.

        Raises:
            UserError: It cannot be written, or the disk is full.
        """
        from safetensors.torch import save_file

        values = self.preprocessing.values()
        settings = {
            **values,
            # The form of the settings knows no missing number, and no short side is shorter than the picture.
            "short_side": values["short_side"] or 1,
            "name": self.name,
            "architecture": self.network.describe(),
            "pooling": self.pooling,
        }
        with _SAVED.write(folder, self.network.kind, settings) as folder:
            tensors = {
                name: value.detach().cpu().contiguous().clone()
                for name, value in self.network.model.state_dict().items()
            }
            reserve_buffer()
            save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def load_image_encoder(
    name: str = NAME, pooling: Pooling | None = None, device: str | torch.device = "cpu"
) -> ImageEncoder:
    """Load an image encoder.

    Args:
        name: ``efficientnet-lite0``, the weights of which are those of a package; ``timm:NAME``; or a folder with a
            model of images in the layout of Hugging Face.
        pooling: ``cls`` or ``mean``; None: ``cls`` where the network has a class token, else ``mean``.
        device: Device of the encoder.

    Returns:
        The encoder, in float32.

    Raises:
        UserError: There is no such encoder, or it cannot be loaded.
    """
    folder = os.path.expanduser(name)
    if name == NAME:
        network, preprocessing = cast("ImageNetwork", LiteNetwork(read_efficientnet())), _LITE
    elif name.startswith(TIMM):
        network, preprocessing = load_timm(name.removeprefix(TIMM))
    elif os.path.isdir(folder):
        with quiet(), _one_line(name, folder):
            network, preprocessing = read_huggingface(Path(folder))
    else:
        raise UserError(
            f"image encoder {name}: no such folder; give a folder with a model of images of Hugging Face, {TIMM}NAME, "
            f"or {NAME}"
        )
    return _wrapped(network, preprocessing, pooling, name, device)


def open_image_encoder(folder: str | Path, device: str | torch.device = "cpu") -> ImageEncoder:
    """Open a saved encoder, without running code from the folder and without reading pickle.

    Args:
        folder: The folder that :meth:`ImageEncoder.save` wrote.
        device: Device of the encoder.

    Returns:
        The encoder, with the vectors and the fingerprint of the saved one.

    Raises:
        UserError: The folder is not a saved encoder, is incomplete, or a file in it was changed.
    """
    folder = Path(folder)
    kind, settings = _SAVED.kind(folder), _SAVED.settings(folder)
    _SAVED.check(folder)
    with quiet(), _one_line(settings["name"], folder):
        network = saved_network(kind, settings["architecture"], read_tensors(folder / WEIGHTS))
        short, size = settings["short_side"], settings["size"]
        mean, std = (cast("tuple[float, float, float]", tuple(settings[key])) for key in ("mean", "std"))
        preprocessing = Preprocessing(short if short > 1 else None, size, settings["resample"], mean, std)
    return _wrapped(network, preprocessing, settings["pooling"], settings["name"], device)


def _wrapped(
    network: ImageNetwork,
    preprocessing: Preprocessing,
    pooling: Pooling | None,
    name: str,
    device: str | torch.device,
) -> ImageEncoder:
    """Return an encoder that was tried on a picture."""
    if pooling == "cls" and not network.has_class_token:
        raise UserError(
            f"image encoder {name}: it has no class token, so image_pooling=cls cannot be set; leave it out"
        )
    chosen = pooling or ("cls" if network.has_class_token else "mean")
    with _one_line(name, "its network"):
        encoder = ImageEncoder(network.to(device), preprocessing, cast("Pooling", chosen), name)
        size = preprocessing.size
        tried = np.arange(size * size * 3).reshape(1, size, size, 3).astype(np.uint8)
        if not np.isfinite(encoder.encode_pixels(tried, lambda _: None)).all():
            raise ValueError("its vectors have values that are not numbers")
    return encoder


@contextlib.contextmanager
def _one_line(name: str, where: str | Path) -> Iterator[None]:
    """Turn any error of the libraries that take part, each with errors of its own, into a line for the user."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"image encoder {name}: cannot load {where} ({reason}); fetch it again, or use another image_encoder"
        ) from error
