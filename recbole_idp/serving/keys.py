"""Options of the tasks that use a trained model: recommend, add-items, export."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Settings, setting

Route = Literal["u2i", "u2i2i"]
Triggers = Literal["history", "nearest"]
Search = Literal["exact", "hnsw", "ivf"]


class RecommendSettings(Settings):
    """Recommend items by a trained model."""

    trained: str | None = setting(None, "Folder of a trained model, or hf://user/name.", Affects.OUTPUT)
    history: str | None = setting(
        None, "Item ids, separated by commas, the latest last; of other domains as domain:item.", Affects.OUTPUT
    )
    user: str | None = setting(None, "Id of a user of the folder.", Affects.OUTPUT)
    users: str | None = setting(None, "File of histories.", Affects.OUTPUT)
    out: str | None = setting(None, "File for the recommendations for its users.", Affects.OUTPUT)
    k: Count = setting(10, "Items for each user.", Affects.OUTPUT)
    exclude_seen: bool = setting(True, "Whether items of the history are left out.", Affects.OUTPUT)
    route: Route | None = setting(
        None, "u2i: items near the user's vector; u2i2i: items like those; None: every item.", Affects.OUTPUT
    )
    triggers: Triggers | None = setting(None, "Items by which u2i2i searches.", Affects.OUTPUT)
    search: Search | None = setting(None, "How the index is searched.", Affects.OUTPUT)
    engine: Literal["local", "ray"] = setting(
        "local", "What works on users: local: this process; ray: the cluster that RAY_ADDRESS names.", Affects.NOTHING
    )
    jobs: Count | None = setting(
        None, "Parts of users at a time of engine ray; None: as many as it has processors.", Affects.NOTHING
    )


class AddItemsSettings(Settings):
    """Add new items to a trained model by their texts."""

    trained: str | None = setting(None, "Folder of a trained model, or hf://user/name.", Affects.OUTPUT)
    items: str | None = setting(None, "File of items (.item).", Affects.OUTPUT)
    out: str | None = setting(None, "Folder to make.", Affects.OUTPUT)
    pretrained: str | None = setting(None, "Bundle of the model; None: the one next to the model.", Affects.OUTPUT)
    text_vectors: str | None = setting(
        None, "Vectors of the new items, for a model that was trained on vectors of your own.", Affects.OUTPUT
    )


class ExportSettings(Settings):
    """Write a trained model for other languages and servers."""

    trained: str | None = setting(None, "Folder of a trained model, or hf://user/name.", Affects.OUTPUT)
    out: str | None = setting(None, "Folder to make.", Affects.OUTPUT)
    index: Literal["hnsw", "ivf"] = setting("ivf", "Kind of the faiss index.", Affects.OUTPUT)
