"""Small data whose right answers are known, and a configuration that trains on them in a second."""

from pathlib import Path
from typing import Any

import numpy as np

WORDS = ("red pen", "blue pen", "green ink", "paper pad", "wall clock", "desk lamp", "steel ruler", "soft eraser")
_SIZES = ("", "small ", "large ", "huge ", "tiny ")
TINY: dict[str, Any] = {
    "hidden_size": 16,
    "inner_size": 32,
    "n_layers": 1,
    "MAX_ITEM_LIST_LENGTH": 10,
    "hidden_dropout_prob": 0.1,
    "attn_dropout_prob": 0.1,
    "train_batch_size": 64,
    "pretrain_batch_size": 64,
    "pretrain_negatives": 0,
    "pretrain_valid_users": 5,
    "pretrain_epochs": 2,
    "epochs": 2,
    "epoch_steps": 1,
    "topk": [1, 5],
    "valid_metric": "NDCG@5",
    "text_encoder": "lsa",
    "show_progress": False,
    "use_gpu": False,
    "threads": 1,
    "state": "WARNING",
}
"""Keys of a model that trains in a second."""


def write_dataset(
    folder: Path, name: str, users: int, n_items: int = 8, prefix: str = "", seed: int = 0, texts: bool = True
) -> None:
    """Write a dataset in which each item is always followed by the next one, round a circle.

    Args:
        folder: ``data_path``.
        name: The dataset's name.
        users: Number of users, each with 5 to 9 events.
        n_items: Number of items.
        prefix: Put before user and item ids.
        seed: Decides where each user starts.
        texts: Whether to write an ``.item`` file.
    """
    draw = np.random.default_rng(seed)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(users):
        start = int(draw.integers(n_items))
        for step in range(int(draw.integers(5, 10))):
            lines.append(f"{prefix}u{user}\t{prefix}i{(start + step) % n_items}\t{step}")
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}.inter").write_text("\n".join(lines) + "\n")
    if texts:
        rows = [f"{prefix}i{item}\t{title(item)}" for item in range(n_items)]
        (folder / name / f"{name}.item").write_text("\n".join(["item_id:token\ttitle:token_seq", *rows]) + "\n")


def title(item: int) -> str:
    """Return the title of an item; the first 40 titles differ in their words, and all in their number."""
    lap, place = divmod(item, len(WORDS))
    return f"{_SIZES[lap % len(_SIZES)]}{WORDS[place]} {lap}"


def write_domains(folder: Path) -> Path:
    """Write two sources (pens, lamps) and a target (shop) with the same titles and different ids.

    Returns:
        The folder, which is the ``data_path``.
    """
    write_dataset(folder, "pens", 40, prefix="p", seed=1)
    write_dataset(folder, "lamps", 30, prefix="l", seed=2)
    write_dataset(folder, "shop", 30, prefix="s", seed=3)
    return folder


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return the keys of a short run on :func:`write_domains`, which writes nothing outside ``folder``.

    Args:
        folder: The folder of the domains.
        **changes: Keys that differ.
    """
    return {
        **TINY,
        "data_path": str(folder),
        "source_domains": ["pens", "lamps"],
        "checkpoint_dir": str(folder / "saved"),
        "result_dir": str(folder / "results"),
        **changes,
    }
