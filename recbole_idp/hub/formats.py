"""The sealed folders that travel: the file that describes each kind, and the class that opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_idp import registry
from recbole_idp.errors import UserError

KINDS = {
    "bundle.json": "recbole_idp.models.idp.bundle:Bundle",
    "clue.json": "recbole_idp.models.clue.pretrain:PretrainedCLUE",
    "conure.json": "recbole_idp.models.conure.folder:ConureFolder",
    "morec.json": "recbole_idp.models.morec.pretrain:PretrainedMoRec",
    "p5.json": "recbole_idp.models.p5.pretrain:PretrainedP5",
    "peterrec.json": "recbole_idp.models.peterrec.pretrain:PretrainedPeterRec",
    "precise.json": "recbole_idp.models.precise.universal:UniversalModel",
    "recformer.json": "recbole_idp.models.recformer.pretrain:PretrainedRecformer",
    "transrec.json": "recbole_idp.models.transrec.pretrain:PretrainedTransRec",
    "unisrec.json": "recbole_idp.models.unisrec.pretrain:PretrainedUniSRec",
    "trained.json": "recbole_idp.serving.trained_model:TrainedModel",
    "generative.json": "recbole_idp.serving.generative_model:GenerativeModel",
}
"""The file that describes a folder -> "module:Class", which has ``folder_format`` and ``open(folder)``."""

TRAINED = ("trained.json", "generative.json")
"""The files that describe trained models; other folders are pre-trained."""


def kind_of(folder: str | Path) -> str:
    """Return the file that describes a folder.

    Raises:
        UserError: The folder is none that this package has sealed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; give a bundle, or another folder that a run made")
    found = [name for name in KINDS if (folder / name).is_file()]
    if len(found) != 1:
        raise UserError(
            f"{folder} is no folder that a run has pre-trained or trained: it has none of {', '.join(KINDS)}"
        )
    return found[0]


def opener(kind: str) -> Any:
    """Return the class of a kind of folder."""
    return registry.resolve(KINDS[kind])
