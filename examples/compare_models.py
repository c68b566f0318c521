"""Train two models on one target, and test whether they differ by more than chance.

Run: python examples/compare_models.py [more.yaml ...]

For whole tables use a leaderboard: recbole-idp run --model=PositionSASRec,TextPCASASRec --seeds=1,2,3
"""

import sys
from pathlib import Path

import numpy as np
from scipy.stats import ttest_rel

import recbole_idp

MODELS = ["PositionSASRec", "TextPCASASRec"]


def latest_result(model: str, folder: str) -> Path:
    """Return the newest result file of a model."""
    return max(Path(folder).glob(f"{model}-*.json"), key=lambda file: file.stat().st_mtime)


def main(files: list[str]) -> None:
    ndcg = {}
    for model in MODELS:
        config = recbole_idp.StrictConfig(model, config_file_list=files)
        recbole_idp.run(config)
        # Beside each result lies the rank of every test user's item, for each seed.
        ranks = recbole_idp.read_ranks(latest_result(model, config["result_dir"]))
        (values,) = ranks.trials.values()
        ndcg[model] = np.where(values <= 10, 1 / np.log2(values + 1.0), 0.0)
    ours, theirs = ndcg.values()
    print(f"NDCG@10: {ours.mean():.4f} and {theirs.mean():.4f}, p = {ttest_rel(ours, theirs).pvalue:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
