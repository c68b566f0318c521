"""What pre-training hands to transfer: a folder of tensors, JSON and text that executes nothing when it is opened."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from recbole_idp.content.text.cache import cache_folder
from recbole_idp.errors import UserError
from recbole_idp.models.idp.cdim.matchers import FrozenMatcher, open_matcher
from recbole_idp.storage.folders import new_folder
from recbole_idp.storage.schema import ObjectOf, OptionalKey
from recbole_idp.storage.sealed import Kind, check_sealed, read_sealed, seal

DESCRIPTION, ENCODER, ITEMS, NAMES, CARD = (
    "bundle.json",
    "encoder.safetensors",
    "items.safetensors",
    "items.tsv",
    "README.md",
)
VERSION = 2
# Version 1 had no adapted vectors; such a bundle matches by its frozen ones.
_READABLE = (1, VERSION)
_NEEDS = frozenset((ENCODER, ITEMS, NAMES))
_SAYS = {
    **{"fingerprint": str, "domains": [{"name": str}], "encoder": {"kind": str, "hidden_size": int}},
    **{"valid": ObjectOf(float), "cdim": OptionalKey({"matcher": {"none", "head", "encoder"}})},
}
KIND = Kind("bundle", "the task pretrain", "recbole_idp bundle", VERSION, _READABLE, DESCRIPTION, _NEEDS, _SAYS)
TEXT_ENCODER = "text_encoder"
MATCHER = "cdim"


@dataclass
class Bundle:
    """Pre-trained item IDs and sequence encoder. S source items, D width, W width of text vectors.

    Attributes:
        item_embeddings (torch.Tensor): Pre-trained ID embeddings; shape [S, D].
        text_vectors (np.ndarray): Vector of each item's text by the frozen encoder, zero without text; shape [S, W].
        adapted_vectors (np.ndarray): The vectors that matching compares; shape [S, W].
        encoder (dict[str, torch.Tensor]): State of the sequence encoder.
        domains (list[str]): Domain of each item; length S.
        tokens (list[str]): Item ids in their domains; length S.
        titles (list[str]): Titles; length S.
        description (dict): ``domains``, ``encoder`` (kind and sizes), ``text_encoder``, ``hyper_parameters``,
            ``valid``, ``cdim`` (depth, what is kept, matching quality), ``seed``, ``fingerprint`` of all,
            ``pretrain_fingerprint`` of IDs and encoder alone, ``versions``.
        folder (Path | None): Where it was opened from.
    """

    item_embeddings: torch.Tensor
    text_vectors: np.ndarray
    adapted_vectors: np.ndarray
    encoder: dict
    domains: list
    tokens: list
    titles: list
    description: dict
    folder: Path = field(default=None)

    def save(self, folder, text_encoder, matcher):
        """Writes the bundle, whole or not at all.

        Args:
            folder (str | Path): The folder to make.
            text_encoder (TextEncoder): Copied into the bundle, so that target items are encoded alike.
            matcher (FrozenMatcher | HeadMatcher | EncoderMatcher): What made the adapted vectors; copied likewise.

        Raises:
            UserError: The folder cannot be written.
        """
        with new_folder(folder) as building:
            save_file({name: value.contiguous() for name, value in self.encoder.items()}, building / ENCODER)
            tensors = {
                "item_embeddings": self.item_embeddings.contiguous(),
                "text_vectors": torch.from_numpy(np.ascontiguousarray(self.text_vectors)),
            }
            if self.adapted_vectors is not self.text_vectors:
                tensors["adapted_vectors"] = torch.from_numpy(np.ascontiguousarray(self.adapted_vectors))
            save_file(tensors, building / ITEMS)
            rows = (
                "\t".join(_one_line(part) for part in row)
                for row in zip(self.domains, self.tokens, self.titles, strict=True)
            )
            (building / NAMES).write_text("\n".join(["domain\titem_id\ttitle", *rows]) + "\n", encoding="utf-8")
            text_encoder.save(building / TEXT_ENCODER)
            matcher.save(building / MATCHER)
            (building / CARD).write_text(self.model_card(), encoding="utf-8")
            seal(building, KIND, self.description)
        # As it is opened: what an interrupted run has finished with it is found by its description.
        self.folder, self.description = Path(folder), read_description(folder)

    @classmethod
    def open(cls, folder):
        """Opens a bundle after checking each of its files; nothing in it is executed.

        Args:
            folder (str | Path): The bundle.

        Returns:
            Bundle: The bundle.

        Raises:
            UserError: It is missing, of another format or version, or a file was changed.
        """
        folder = Path(folder)
        description = check_sealed(folder, KIND)
        try:
            items = load_file(folder / ITEMS)
            encoder = load_file(folder / ENCODER)
            lines = (folder / NAMES).read_text(encoding="utf-8").split("\n")[1:-1]
            domains, tokens, titles = (list(part) for part in zip(*(line.split("\t") for line in lines), strict=True))
            texts = items["text_vectors"]
            adapted = items.get("adapted_vectors", texts)
            _check_items(items["item_embeddings"], texts, adapted, len(tokens), description["encoder"]["hidden_size"])
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise UserError(f"bundle {folder} cannot be read ({error}): pre-train again") from error
        vectors = texts.numpy(), adapted.numpy()
        return cls(items["item_embeddings"], *vectors, encoder, domains, tokens, titles, description, folder)

    def matcher(self, config):
        """Returns what makes the vectors of target texts comparable with :attr:`adapted_vectors`.

        Args:
            config (Config): RecBole's configuration.

        Returns:
            FrozenMatcher | HeadMatcher | EncoderMatcher: An object with ``vectors(texts, frozen_vectors)``.
        """
        kind = self.description.get("cdim", {}).get("matcher", FrozenMatcher.kind)
        return open_matcher(
            kind, self.folder / MATCHER, cache_folder(config), config["device"], config["show_progress"]
        )

    def model_card(self):
        """Returns what a stranger should know about the bundle, as Markdown."""
        about = self.description
        rows = "\n".join(
            f"| {domain['name']} | {domain['users']:,} | {domain['items']:,} | {domain['interactions']:,} |"
            for domain in about["domains"]
        )
        valid = ", ".join(f"{name} {value:.4f}" for name, value in about["valid"].items())
        return (
            "# A bundle of recbole_idp\n\n"
            "Item ID embeddings and a sequence encoder, pre-trained on the domains below "
            "(IDP, arXiv 2405.03562), with the text vectors by which items of a new domain find them.\n\n"
            "| domain | users | items | interactions |\n| --- | --- | --- | --- |\n"
            f"{rows}\n\n"
            f"- Sequence encoder: {about['encoder']['kind']}, width {about['encoder']['hidden_size']}\n"
            f"- Text encoder: {about['text_encoder']['name']}\n"
            f"- Validation on held-out source users: {valid or 'none'}\n"
            f"- Matcher: {_about_matcher(about['cdim'])}\n"
            f"- Seed: {about['seed']}\n\n"
            "Use it: `python run_recbole_idp.py --model=IDP --dataset=NAME --pretrained=THIS_FOLDER`\n\n"
            "The embeddings tell which source items are interacted with together; the titles are those of the source "
            "data, whose terms apply.\n"
        )


def read_description(folder):
    """Reads ``bundle.json`` and checks that this version can use the bundle.

    Args:
        folder (str | Path): The bundle.

    Returns:
        dict: The description.

    Raises:
        UserError: It is no bundle, or one of another version.
    """
    return read_sealed(folder, KIND)


def _check_items(embeddings, texts, adapted, n_items, width):
    """Raises ValueError where tensors do not fit each other, as a stranger may have sealed anything."""
    parts = {"item_embeddings": embeddings, "text_vectors": texts, "adapted_vectors": adapted}
    for name, tensor in parts.items():
        if tensor.dtype != torch.float32 or tensor.ndim != 2 or len(tensor) != n_items:
            raise ValueError(f"{name} has shape {list(tensor.shape)} for {n_items} items, or is not of float32")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} has values that are not numbers")
    if embeddings.shape[1] != width or texts.shape != adapted.shape:
        raise ValueError("its vectors are of other widths than it says")


def _about_matcher(cdim):
    """Returns what the model card says of the matcher."""
    if cdim["matcher"] == FrozenMatcher.kind:
        return "the text encoder as it is"
    found = ", ".join(f"{name} {cdim['before'][name]:.4f} -> {value:.4f}" for name, value in cdim["after"].items())
    return f"CDIM, depth {cdim['depth']}; behaviour neighbours found, before and after training: {found}"


def _one_line(text):
    return " ".join(str(text).split())
