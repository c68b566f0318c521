"""What makes the vector of an item from its picture, for items that join a trained model later."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from recbole_idp.errors import UserError
from recbole_idp.serving.content_items import ContentItems, mean_and_dense

if TYPE_CHECKING:
    import torch

    from recbole_idp.content.image.encoder import ImageEncoder
    from recbole_idp.models.base.serving import LinearPictureParts, PatchParts, PictureParts
    from recbole_idp.serving.new_items import NewItems
    from recbole_idp.serving.trained_model import TrainedModel


class PictureItems(ContentItems):
    """Image encoder, mean and dense layers."""

    reads = "image"
    encoder: Any

    @classmethod
    def of(cls, parts: PictureParts) -> PictureItems:  # type: ignore[override]  # of another form
        """Make it of what a model returns."""
        return cls(mean_and_dense(parts.mean, parts.layers), about_images(parts), cast("Any", parts.encoder))

    def reader(self) -> ImageEncoder:
        """Return what makes of a picture what :meth:`item_vectors` reads."""
        return self.load()

    def open_kept(self, folder: Path, device: str) -> ImageEncoder:
        """See :class:`ContentItems`."""
        # Recommending needs no image encoder.
        from recbole_idp.content.image.encoder import open_image_encoder

        return open_image_encoder(folder, device)

    def load_by_name(self, device: str) -> ImageEncoder:
        """See :class:`ContentItems`."""
        from recbole_idp.content.image.encoder import load_image_encoder

        return load_image_encoder(self.about["name"], device=device)

    def read_new(self, trained: TrainedModel, path: Path, vectors: str | Path | None) -> tuple[NewItems, torch.Tensor]:
        """Read the items of a file that a model does not have yet, and make their vectors of their pictures.

        Pictures lie in the folder of the file. See :meth:`ContentItems.read_new`.
        """
        from recbole_idp.content.image.cache import encode_pictures
        from recbole_idp.data.item_pictures import read_item_pictures
        from recbole_idp.data.item_text import ItemFileFormat, read_item_texts
        from recbole_idp.serving.new_items import NewItems

        if vectors is not None:
            raise UserError(f"{trained.folder} was trained on pictures by {self.about['name']}: leave text_vectors out")
        config = trained.description["config"]
        encoding = config.get("encoding") or "utf-8"
        form = ItemFileFormat(config["ITEM_ID_FIELD"], config["text_length"], config["field_separator"], encoding)
        pictures = read_item_pictures(Path(path), form.item_field, self.about["field"], "the trained model", form)
        known = set(trained.tokens)
        new = [token for token in pictures.tokens if token not in known]
        with tempfile.TemporaryDirectory() as cache:
            encoded, report = encode_pictures(self.reader(), pictures.for_items(new), cache)
        report.log(str(path))
        has = np.any(encoded, axis=1)
        kept = [token for token, found in zip(new, has, strict=True) if found]
        n_known = len(pictures.tokens) - len(new)
        if not kept:
            raise UserError(
                f"{path} has no new item with a picture: {n_known} of its {len(pictures.tokens)} items are in the "
                f"model already, {len(new)} have no picture that can be read"
            )
        titles: dict[str, str] = {}
        # Titles are for people to read; a file of pictures need not have any.
        with contextlib.suppress(UserError):
            separator = {"separator": form.separator, "encoding": form.encoding}
            titles = read_item_texts(path, config["text_fields"], form.item_field, form.text_length, **separator).titles
        found = NewItems(
            dict.fromkeys(kept, ""),
            [titles.get(token, "") for token in kept],
            n_known,
            len(new) - len(kept),
            content="picture",
        )
        return found, self.item_vectors(encoded[has])


def about_images(parts: PictureParts | LinearPictureParts | PatchParts) -> dict[str, Any]:
    """Return what a description says of an image encoder."""
    return {
        "name": parts.encoder.name,
        "tokens": 0,
        "kept": parts.kept,
        "fingerprint": parts.encoder.fingerprint,
        "form": parts.form,
        "field": parts.field,
    }
