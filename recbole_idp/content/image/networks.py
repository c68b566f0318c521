"""The networks of image encoders, each as a module that turns normalised images into states.

States are those of patches, the class token first where there is one, or of the cells of the last map.
"""

from __future__ import annotations

import abc
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from recbole_idp.content.checked_model import UNUSED, checked_config, model_of, read_weights
from recbole_idp.content.image.efficientnet import EfficientNetLite0
from recbole_idp.content.image.preprocessing import Preprocessing
from recbole_idp.content.text.layout import CONFIG, PartError, json_object
from recbole_idp.errors import UserError
from recbole_idp.terminal.printable import printable

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREPROCESSOR = "preprocessor_config.json"
TIMM = "timm:"
_CLASS_TOKENS = ("cls_token", "class_embedding", "class_token")
_TOWERS = {"clip": "CLIPVisionModel", "siglip": "SiglipVisionModel"}
_DEFAULT_SIZE = 224


class ImageNetwork(nn.Module, abc.ABC):
    """A network over images.

    Attributes:
        kind: By which :func:`saved_network` builds it again.
        model: The network itself.
        has_class_token: Whether the first state is that of a class token.
    """

    kind: str
    model: nn.Module

    @property
    def has_class_token(self) -> bool:
        """Whether the first state is that of a class token."""
        return any(name.rsplit(".", 1)[-1] in _CLASS_TOKENS for name, _ in self.model.named_parameters())

    @abc.abstractmethod
    def describe(self) -> str:
        """Return the architecture, as text from which it can be built again."""

    @abc.abstractmethod
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode normalised images; [B, 3, S, S] -> states [B, T, H]."""


def as_states(output: torch.Tensor) -> torch.Tensor:
    """Return states of shape [B, T, H], from maps [B, H, X, Y], from states, or from vectors [B, H]."""
    if output.dim() == 4:
        return output.flatten(2).transpose(1, 2)
    return output if output.dim() == 3 else output.unsqueeze(1)


class LiteNetwork(ImageNetwork):
    """EfficientNet-Lite0; the states are those of the 49 cells of its last map."""

    kind = "efficientnet-lite0"
    model: EfficientNetLite0

    def __init__(self, model: EfficientNetLite0) -> None:
        super().__init__()
        self.model = model

    def describe(self) -> str:
        """Return an empty text: there is one such architecture."""
        return ""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See :class:`ImageNetwork`."""
        return as_states(self.model(images))


class HuggingFaceNetwork(ImageNetwork):
    """A model of transformers over pixels.

    Args:
        model: The model; the states are those of its last layer, without a normalisation that the model puts behind
            them for its own pooling.
    """

    kind = "huggingface"
    model: PreTrainedModel

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def describe(self) -> str:
        """Return the configuration as JSON."""
        kept = {key: value for key, value in self.model.config.to_dict().items() if key not in UNUSED}
        return json.dumps({**kept, "model_type": self.model.config.model_type}, sort_keys=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See :class:`ImageNetwork`."""
        return as_states(self.model(pixel_values=images).last_hidden_state)


class TimmNetwork(ImageNetwork):
    """A model of timm.

    Args:
        model: The model, without its classifier.
        name: Its name in timm.
    """

    kind = "timm"

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        self.model, self._name = model, name

    def describe(self) -> str:
        """Return the name of the architecture."""
        return self._name

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See :class:`ImageNetwork`."""
        output = self.model.forward_features(images)  # type: ignore[operator]  # all of timm's models have it
        # Some architectures of timm have the channels last.
        if output.dim() == 4 and output.shape[-1] == self.model.num_features:
            return output.flatten(1, 2)
        return as_states(output)


def read_huggingface(folder: Path) -> tuple[HuggingFaceNetwork, Preprocessing]:
    """Read a model from a folder in the layout of Hugging Face, from JSON and safetensors alone.

    Args:
        folder: The folder.

    Returns:
        The network, and what its pictures go through.

    Raises:
        PartError: It holds no model of images, names code, or its files do not fit each other.
        ValueError: Its pictures go through something that is not known.
    """
    network = huggingface_network(json_object(folder / CONFIG), read_weights(folder))
    size = getattr(network.model.config, "image_size", None)
    preprocessing = Preprocessing.of_file(
        json_object(folder / PREPROCESSOR), size if isinstance(size, int) else _DEFAULT_SIZE
    )
    return network, preprocessing


def huggingface_network(values: dict[str, Any], tensors: dict[str, torch.Tensor]) -> HuggingFaceNetwork:
    """Build a model of transformers.

    Args:
        values: Its configuration.
        tensors: Its weights.

    Raises:
        PartError: It is no model of images, or the weights do not fit.
    """
    import transformers
    from transformers import CONFIG_MAPPING, MODEL_MAPPING

    name = values.get("model_type")
    if name in _TOWERS and isinstance(values.get("vision_config"), dict):
        # Of a model of images and texts, the tower of the images.
        kind, values = getattr(transformers, _TOWERS[name]), values["vision_config"]
    elif isinstance(name, str) and f"{name.removesuffix('_vision_model')}" in _TOWERS:
        kind = getattr(transformers, _TOWERS[name.removesuffix("_vision_model")])
    elif isinstance(name, str) and name in CONFIG_MAPPING and CONFIG_MAPPING[name] in MODEL_MAPPING:
        kind = MODEL_MAPPING[CONFIG_MAPPING[name]]
    else:
        raise PartError(f"model_type {printable(name)[:40]} of {CONFIG} is no model that transformers has")
    if getattr(kind, "main_input_name", None) != "pixel_values":
        raise PartError(f"model_type {printable(name)[:40]} of {CONFIG} is no model of images")
    model, missing = model_of(kind, checked_config(kind, values, len(tensors)), tensors)
    for parameter, tensor in model.named_parameters():
        if parameter in missing:
            nn.init.zeros_(tensor)
    return HuggingFaceNetwork(model.float())


def load_timm(name: str) -> tuple[TimmNetwork, Preprocessing]:
    """Load a model of timm with its weights, which timm downloads or has in its cache.

    Args:
        name: Its name in timm.

    Returns:
        The network, and what its pictures go through.

    Raises:
        UserError: timm is missing, or does not have such a model or its weights.
    """
    timm = _timm()
    try:
        model = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # timm raises whatever the hub's client does
        raise UserError(
            f"image encoder {TIMM}{name}: {_brief(error)}; give a name of timm whose weights are in its cache or can "
            "be downloaded, or the folder of another encoder"
        ) from error
    settings = timm.data.resolve_model_data_config(model)
    size = settings["input_size"][1]
    short = round(size / settings["crop_pct"])
    preprocessing = Preprocessing(
        max(short, size), size, settings["interpolation"], tuple(settings["mean"]), tuple(settings["std"])
    )
    return TimmNetwork(model, name), preprocessing


def saved_network(kind: str, description: str, tensors: dict[str, torch.Tensor]) -> ImageNetwork:
    """Build a network that was saved.

    Args:
        kind: Its kind.
        description: Its architecture; see :meth:`ImageNetwork.describe`.
        tensors: Its weights.

    Raises:
        PartError: They do not fit each other.
        UserError: timm is missing.
    """
    if kind == HuggingFaceNetwork.kind:
        try:
            values = json.loads(description)
        except ValueError as error:
            raise PartError("its configuration is no JSON") from error
        if not isinstance(values, dict):
            raise PartError("its configuration is no object")
        network: ImageNetwork = huggingface_network(values, tensors)
    elif kind == TimmNetwork.kind:
        network = TimmNetwork(_timm().create_model(description, pretrained=False, num_classes=0), description)
        network.model.load_state_dict(tensors)
    else:
        network = LiteNetwork(EfficientNetLite0())
        network.model.load_state_dict(tensors)
    return network


def _timm() -> Any:
    """Return the package timm; raise UserError where it is missing."""
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise UserError(f"image encoders named {TIMM}NAME need timm ({error}): pip install timm") from error


def _brief(error: Exception) -> str:
    """Return the beginning of an error, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
