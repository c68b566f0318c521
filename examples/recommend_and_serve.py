"""Train a model, recommend by it, export it; and serve the trained folder from a web server of your own.

Run: python examples/recommend_and_serve.py [more.yaml ...]
Serve: TRAINED=trained-films uvicorn --app-dir examples recommend_and_serve:app

The first command needs the extra export (pip install -e ".[export]"), the second the extra serve.
Without a server of your own, recbole-idp serve --trained=trained-films does the same.
"""

import csv
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
    """Return an ASGI application, with the page at /, that answers from a trained folder."""
    from recbole_idp.serving.load import load
    from recbole_idp.web import app
    from recbole_idp.web.catalogue import Catalogue

    # Each client may ask ten times a second.
    return app.make_app(Catalogue(load(folder)), rate=10)


if __name__ == "__main__":
    main(sys.argv[1:])
elif "TRAINED" in os.environ:
    app = make_app(Path(os.environ["TRAINED"]))
