"""Train a model, recommend by it, export it; and serve the exported files over HTTP.

Run: python examples/recommend_and_serve.py [more.yaml ...]
Serve: EXPORTED=exported uvicorn --app-dir examples recommend_and_serve:app

The first command needs the extra export (pip install -e ".[export]"). The server needs neither recbole_idp nor PyTorch,
but NumPy, onnxruntime and FastAPI alone (pip install fastapi uvicorn). Ask it:
http://127.0.0.1:8000/recommend?history=50,181&k=5
"""

import csv
import json
import os
import sys
from pathlib import Path


def main(files: list[str]) -> None:
    import recbole_idp
    from recbole_idp.cli.main import main as command

    settings = {"variants": ["zero_shot"], "trained_dir": "trained-films"}
    recbole_idp.run(recbole_idp.StrictConfig("IDP", config_file_list=files, config_dict=settings))
    # The folder needs neither the data nor RecBole. An answer: the items after one history, the best first.
    recommender = recbole_idp.load("trained-films")
    with open("trained-films/items.tsv", encoding="utf-8", newline="") as file:
        known = [row[0] for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)][1:3]
    for item in recommender.recommend([known], k=3)[0]:
        print(item.item, item.title, f"{item.score:.3f}")
    sys.exit(command(["export", "--trained=trained-films", "--out=exported"]))


def make_app(folder: Path):
    """Return a FastAPI application that answers from an exported folder."""
    import numpy as np
    import onnxruntime
    from fastapi import FastAPI, HTTPException

    about = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    with open(folder / "items.tsv", encoding="utf-8", newline="") as file:
        items = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    # Items that stand in histories alone are named as domain:item, and have the numbers after the others.
    others = folder / "history_items.tsv"
    alone = others.read_text(encoding="utf-8").splitlines()[1:] if others.is_file() else []
    names = [item for item, _ in items] + [line.replace("\t", ":") for line in alone]
    number = {name: place for place, name in reversed(list(enumerate(names, 1)))}
    vectors = np.load(folder / "items.npy")
    session = onnxruntime.InferenceSession(str(folder / "user_encoder.onnx"))
    app = FastAPI()

    @app.get("/recommend")
    def recommend(history: str, k: int = 10):
        known = [number[item] for item in history.split(",") if item in number]
        # A model of cold-start reads those of other domains alone.
        read = [place for place in known if about.get("reads_own", True) or place > len(items)]
        if not read or not 0 < k <= 1000:
            raise HTTPException(422, "give known items in history, and k from 1 to 1000")
        recent = np.array([read[-about["history_length"] :]])
        (states,) = session.run(None, {"items": recent, "lengths": np.array([recent.shape[1]])})
        scores = vectors @ states[0]
        scores[[place - 1 for place in known if place <= len(items)]] = -np.inf
        best = [row for row in np.argsort(-scores)[:k] if scores[row] > -np.inf]
        return [{"item": items[row][0], "title": items[row][1], "score": float(scores[row])} for row in best]

    return app


if __name__ == "__main__":
    main(sys.argv[1:])
elif "EXPORTED" in os.environ:
    app = make_app(Path(os.environ["EXPORTED"]))
