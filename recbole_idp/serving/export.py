"""Export a trained model for other languages and servers: an ONNX user encoder, item vectors, and a faiss index."""

from __future__ import annotations

import importlib
import logging
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recbole_idp.errors import UserError
from recbole_idp.search.approximate import build_index, widen
from recbole_idp.serving.card import export_card
from recbole_idp.serving.encoder_sizes import history_length
from recbole_idp.serving.recommender import Recommender
from recbole_idp.serving.trained_model import write_history_items, write_items
from recbole_idp.serving.user_vectors import IDS as USER_IDS
from recbole_idp.serving.whole_folder import check_absent
from recbole_idp.storage.files import sha256_of_file, write_json
from recbole_idp.storage.folders import only_folder

if TYPE_CHECKING:
    import faiss

    from recbole_idp.serving.trained_model import TrainedModel

ENCODER, VECTORS, ITEMS, HISTORY_ITEMS, USERS, INDEX, ABOUT, CARD = (
    "user_encoder.onnx",
    "items.npy",
    "items.tsv",
    "history_items.tsv",
    "users.npy",
    "items.faiss",
    "export.json",
    "README.md",
)
PACKAGES = ("onnx", "onnxscript")
# The first that has GELU as one operation: in earlier ones it is five, and slower than in PyTorch.
_OPSET = 20
# The exporter of 2.6 takes the sizes of the example for constants; no version between is tested.
_TORCH = (2, 12)
_QUERIES, _LONGEST = 256, 10
_RECALL_AT, _WANTED = 10, 0.95


class Exported(torch.nn.Module):
    """User encoder whose states are scored against the exported item vectors by the inner product alone.

    items [B, L], lengths [B] -> user encoder -> states [B, D], with a one appended where items have a bias
    """

    def __init__(self, encoder: torch.nn.Module, has_bias: bool) -> None:
        super().__init__()
        self.encoder, self.has_bias = encoder, has_bias

    def forward(self, items: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode histories; see :class:`~recbole_idp.serving.user_encoder.UserEncoder`."""
        states = self.encoder(items, lengths)
        return torch.cat([states, torch.ones_like(states[:, :1])], 1) if self.has_bias else states


def export(trained: TrainedModel, folder: str | Path, index: str = "ivf") -> dict[str, Any]:
    """Write the folder that a server needs, whole or not at all.

    Args:
        trained: The model.
        folder: Folder to make.
        index: Kind of the faiss index: ``ivf``, or ``hnsw``, which may not reach every item by inner product.

    Returns:
        Content of ``export.json``.

    Raises:
        UserError: A package is missing, or the folder exists or cannot be written.
    """
    check_packages()
    check_absent(folder)
    vectors = candidate_matrix(trained)
    with only_folder(folder) as building:
        write_encoder(trained, building / ENCODER)
        np.save(building / VECTORS, vectors, allow_pickle=False)
        write_items(building / ITEMS, trained.tokens, trained.titles)
        if trained.history_items:
            write_history_items(building / HISTORY_ITEMS, trained.history_items)
        if trained.users is not None:
            np.save(building / USERS, as_queries(trained, trained.users.vectors), allow_pickle=False)
            trained.users.write_ids(building / USER_IDS)
        about = {
            "format": "recbole_idp export",
            "version": 1,
            "model": trained.description["model"],
            "dataset": trained.description["dataset"],
            "items": len(trained.tokens),
            "history_items": len(trained.history_items),
            "reads_own": trained.read_numbers.start == 1,
            "users": None if trained.users is None else len(trained.users.tokens),
            "width": vectors.shape[1],
            "history_length": history_length(trained.description),
            "only_unseen": trained.description["only_unseen"],
            "index": write_index(trained, vectors, building / INDEX, index),
        }
        (building / CARD).write_text(export_card(trained, about), encoding="utf-8")
        about["sha256"] = {path.name: sha256_of_file(path) for path in sorted(building.iterdir())}
        write_json(building / ABOUT, about)
    return about


def check_packages() -> None:
    """Check that the packages that write ONNX are installed.

    Raises:
        UserError: A package is missing, or PyTorch is too old.
    """
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _TORCH:
        raise UserError(f"export needs torch {_TORCH[0]}.{_TORCH[1]} or newer, this is {torch.__version__}: install it")
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(f'export needs {name} ({error}): pip install "recbole_idp[export]"') from error


def candidate_matrix(trained: TrainedModel) -> np.ndarray:
    """Return the vectors of items 1 to N - 1, float32; shape [N - 1, D], or [N - 1, D + 1] with the item bias last."""
    vectors = trained.candidate_vectors[1:]
    if trained.item_bias is not None:
        vectors = torch.cat([vectors, trained.item_bias[1:].unsqueeze(1)], 1)
    return np.ascontiguousarray(vectors.numpy())


def exported_encoder(trained: TrainedModel) -> Exported:
    """Return the user encoder as it is exported, in evaluation mode."""
    return Exported(trained.user_encoder().for_export(), trained.item_bias is not None).eval()


def write_encoder(trained: TrainedModel, path: Path) -> None:
    """Write the user encoder as ONNX, with dynamic batch and length.

    Args:
        trained: The model.
        path: The file.
    """
    # Two rows of unequal length, so that no size is taken for a constant.
    example = torch.tensor([[1, 1, 1], [1, 1, 0]]), torch.tensor([3, 2])
    batch = torch.export.Dim("batch", min=1, max=65_536)
    length = torch.export.Dim("length", min=1, max=history_length(trained.description))
    quiet = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in quiet]
    try:
        for logger in quiet:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                exported_encoder(trained),
                example,
                str(path),
                input_names=["items", "lengths"],
                output_names=["states"],
                dynamic_shapes={"items": {0: batch, 1: length}, "lengths": {0: batch}},
                opset_version=_OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)


def write_index(trained: TrainedModel, vectors: np.ndarray, path: Path, kind: str) -> dict[str, Any]:
    """Write a faiss index of the items, with a search wide enough for the target recall.

    Args:
        trained: The model.
        vectors: Shape [N - 1, D].
        path: The file.
        kind: ``hnsw`` or ``ivf``.

    Returns:
        ``kind``, ``width`` of the search, ``recall`` of the first ``recall_at`` items on ``queries``, and ``seconds``.
    """
    import faiss

    index, about = wide_index(vectors, kind, sampled_states(trained))
    faiss.write_index(index, str(path))
    return {**about, "queries": f"{about['queries']} states after 1 to {_LONGEST} items drawn at random"}


def wide_index(vectors: np.ndarray, kind: str, queries: np.ndarray) -> tuple[faiss.Index, dict[str, Any]]:
    """Build a faiss index of items, with a search wide enough for the target recall.

    Args:
        vectors: Shape [N - 1, D].
        kind: ``hnsw`` or ``ivf``.
        queries: Queries on which the recall is measured; shape [Q, D].

    Returns:
        The index, and the facts that :func:`write_index` returns, with the number of queries.
    """
    began = time.perf_counter()
    # Scores of one at most, as two ways to the same score differ by so many of its digits.
    queries = queries / (np.linalg.norm(queries, axis=1, keepdims=True) * np.linalg.norm(vectors, axis=1).max())
    k = min(_RECALL_AT, len(vectors))
    truth = np.sort(queries @ vectors.T, axis=1)[:, ::-1][:, :k]
    index, widest = build_index(kind, vectors)
    reached, width = widen(index, kind, widest, queries, truth, _WANTED)
    return index, {
        "kind": kind,
        "width": width,
        "recall": round(reached, 4),
        "recall_at": k,
        "queries": len(queries),
        "seconds": round(time.perf_counter() - began, 2),
    }


def sampled_states(trained: TrainedModel) -> np.ndarray:
    """Return states after random histories, as a trained folder may have no users; shape [Q, D]."""
    draw = np.random.default_rng(0)
    longest = min(_LONGEST, history_length(trained.description))
    sizes = draw.integers(1, longest + 1, _QUERIES)
    numbers = trained.read_numbers
    histories = [draw.integers(numbers.start, numbers.stop, size).tolist() for size in sizes]
    return as_queries(trained, Recommender(trained).states(histories))


def as_queries(trained: TrainedModel, states: torch.Tensor) -> np.ndarray:
    """Return states as queries for :func:`candidate_matrix`, with a one for the item bias; float32, shape [Q, D]."""
    queries = states.numpy()
    if trained.item_bias is not None:
        queries = np.concatenate([queries, np.ones((len(queries), 1), dtype=np.float32)], 1)
    return np.ascontiguousarray(queries)
