"""Small data whose right answers are known, and the configuration that trains on it in a second."""

import numpy as np

WORDS = ["red pen", "blue pen", "green ink", "paper pad", "wall clock", "desk lamp", "steel ruler", "soft eraser"]
SIZES = ["", "small ", "large ", "huge ", "tiny "]
TINY = {
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


def write_dataset(folder, name, users, n_items=8, prefix="", seed=0, texts=True):
    """Writes a dataset in which each item is always followed by the next one, round a circle.

    Args:
        folder (Path): ``data_path``.
        name (str): The dataset's name.
        users (int): How many users, each with 5 to 9 events.
        n_items (int): How many items.
        prefix (str): Put before user and item ids.
        seed (int): Decides on where each user starts.
        texts (bool): Whether to write an ``.item`` file.
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


def title(item):
    """Returns the title of an item; those of the first 40 differ in their words, and all in their number."""
    lap, place = divmod(item, len(WORDS))
    return f"{SIZES[lap % len(SIZES)]}{WORDS[place]} {lap}"


def write_domains(folder):
    """Writes two sources and a target with the same titles and other ids; returns the folder."""
    write_dataset(folder, "pens", 40, prefix="p", seed=1)
    write_dataset(folder, "lamps", 30, prefix="l", seed=2)
    write_dataset(folder, "shop", 30, prefix="s", seed=3)
    return folder


def settings(folder, **changes):
    """Returns a configuration for :func:`write_domains`, all that it writes going below ``folder``."""
    return {
        **TINY,
        "data_path": str(folder),
        "source_domains": ["pens", "lamps"],
        "checkpoint_dir": str(folder / "saved"),
        "result_dir": str(folder / "results"),
        **changes,
    }
