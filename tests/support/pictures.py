"""Pictures that differ, a tiny encoder of them, and datasets of items that have them."""

import json

import numpy as np
import pytest

from recbole_idp.testing import ModelContract
from recbole_idp.testing.toy import write_domains


def write_picture(path, seed, size=(40, 48)):
    """Writes a picture of coloured cells that differ by seed; its format is that of the file's name."""
    from PIL import Image

    cells = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(cells).resize(size, 0).save(path)
    return path


def write_vit(folder, layers=3, size=32):
    """Writes an untrained vision transformer in the layout of Hugging Face; returns its folder."""
    import torch
    from transformers import ViTConfig, ViTModel

    sizes = {"hidden_size": 16, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 32}
    # Larger weights than usual, so that vectors of pictures differ.
    config = ViTConfig(image_size=size, patch_size=8, initializer_range=0.5, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    values = {"size": {"height": size, "width": size}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2}
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return str(folder)


def add_pictures(folder, name):
    """Adds a column ``poster`` to the toy dataset of a name, with a picture for each item that its number decides."""
    path = folder / name / f"{name}.item"
    head, *rows = path.read_text().splitlines()
    for number in range(len(rows)):
        write_picture(folder / name / "posters" / f"{number}.png", number)
    named = [f"{row}\tposters/{number}.png" for number, row in enumerate(rows)]
    path.write_text("\n".join([f"{head}\tposter:token", *named]) + "\n")


def write_pictured_domains(folder):
    """Writes the toy domains, whose items have pictures; items of the same title have the same one."""
    write_domains(folder)
    for name in ("pens", "lamps", "shop"):
        add_pictures(folder, name)
    return folder


class PicturedContract(ModelContract):
    """The contract of a model whose items are pictures, with a tiny encoder of them."""

    @pytest.fixture
    def domains(self, workplace, vit, monkeypatch):
        """The folder of the toy domains, whose items have pictures."""
        monkeypatch.setattr(type(self), "changes", {**self.changes, "image_encoder": vit})
        return write_pictured_domains(workplace / "data")
