"""Options of the task serve."""

from typing import Annotated

import annotated_types

from recbole_idp.config.setting import Affects, Number, Settings, setting
from recbole_idp.serving.keys import Search

Port = Annotated[int, annotated_types.Ge(0), annotated_types.Le(65535)]


class ServeSettings(Settings):
    """Serve a trained model over HTTP."""

    trained: str | None = setting(None, "Folder of a trained model, or hf://user/name.", Affects.OUTPUT)
    host: str = setting("127.0.0.1", "Address to listen at; 0.0.0.0: other machines reach it as well.", Affects.OUTPUT)
    port: Port = setting(8000, "Port to listen at; 0: any free one.", Affects.OUTPUT)
    items: str | None = setting(
        None, "File of the items (.item), whose column of pictures names the posters; None: no posters.", Affects.OUTPUT
    )
    image_field: str | None = setting(
        None, "Column that names the pictures; None: poster, image, picture or cover.", Affects.OUTPUT
    )
    search: Search | None = setting(
        None, "exact, hnsw or ivf: a faiss index ranks; None: every item is scored.", Affects.OUTPUT
    )
    rate: Number = setting(100.0, "Requests a second of a client, twice as many at once; 0: no limit.", Affects.OUTPUT)
