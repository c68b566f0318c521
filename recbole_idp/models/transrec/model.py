"""TransRec: recommendation from items of text and items of pictures in one sequence (arXiv 2206.06190)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from recbole_idp.data.next_items import NextItemsBatches, UnseenItems
from recbole_idp.models.base.encoded_items import EncodedItemsModel
from recbole_idp.models.base.serving import ItemParts, LinearPictureParts, PooledParts
from recbole_idp.models.base.transferred import TRANSFORMER_KEYS, take_over, weights_of
from recbole_idp.models.transrec.contents import build_heads, read_contents
from recbole_idp.models.transrec.item_encoder import IMAGE, TEXT, by_modality
from recbole_idp.models.transrec.keys import ItemEncoderSettings
from recbole_idp.models.transrec.loss import LOSSES
from recbole_idp.models.transrec.target import target_catalogue, target_settings
from recbole_idp.models.transrec.user_encoder import BidirectionalEncoder
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.lookup import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recbole.config import Config
    from recbole.data.interaction import Interaction
    from torch import nn

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.next_items import NextItemsBatch
    from recbole_idp.data.sequences import Targets
    from recbole_idp.models.transrec.contents import Encoders, ItemContents
    from recbole_idp.models.transrec.item_encoder import Encoder, TextHead

_ENCODED_TOGETHER = 512
SIZES = (*TRANSFORMER_KEYS, "text_heads", "text_head_size", "text_pool_size")
"""Keys that must be equal before and after the transfer for the weights to fit."""


class TransRec(EncodedItemsModel):
    """TransRec, mixture of modalities (arXiv 2206.06190).

    text -> states of the text encoder -> self-attention, weighted sum, dense layer -> item vector
    picture -> vector of the image encoder -> dense layer -> item vector
    item vectors + positions -> bidirectional blocks -> state of the last event . item vectors -> scores

    An item is a text or a picture (``modality``). The state after a user's events is trained to find the next K items
    (``next_items``) among items that the user has not seen. ``train_encoder`` says which layers of the two content
    encoders are trained with the rest. A step encodes each item that it reads once.

    Built from a configuration alone its weights are random, but for those of the content encoders.
    :class:`~recbole_idp.models.transrec.trainer.TransRecTrainer` loads the pre-trained ones.

    Attributes:
        contents (ItemContents): The texts and pictures, with their encoders.
        heads (nn.ModuleDict): What turns the encoders' outputs into item vectors, by modality.
        user_loss: The loss by the scores of next and other items.
    """

    encoder: BidirectionalEncoder
    encoder_kind = "TransRec"

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        super().__init__(config, dataset)
        del self.item_embedding
        self.n_following, self.n_others = config["next_items"], config["train_negatives"]
        self.user_loss = LOSSES[config["loss_type"]]
        # Models draw the same first weights whether or not contents had to be encoded first.
        with torch.random.fork_rng(devices=[]):
            self.contents = self.read_items(config, dataset)
        self.heads = build_heads(
            self.contents, ItemEncoderSettings.of(config), self.hidden_size, config["hidden_dropout_prob"]
        )
        self.encoder.draw_weights()

    def build_encoder(self, config: Config) -> BidirectionalEncoder:
        """Build the user encoder."""
        return BidirectionalEncoder(TransformerSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])

    def read_items(self, config: Config, dataset: SequenceDataset, encoders: Encoders | None = None) -> ItemContents:
        """Read the contents of the target's items.

        Args:
            config: The configuration.
            dataset: The target.
            encoders: The frozen encoders that read them; None: those that the configuration names.

        Returns:
            Checkpoints hold what frozen encoders gave where something was pre-trained, as these may be those of its
            folder, which need not be there when a checkpoint is opened.
        """
        settings = target_settings(config)
        modality = settings.modalities.modality
        catalogue = target_catalogue(settings, dataset)
        if encoders is None:
            encoders = settings.load_encoders(modality).fit(catalogue)
        kept = config["transfer"] != "scratch"
        return read_contents(catalogue, modality, encoders, settings, kept, config["dataset"], "image_field")

    def encoder_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the content encoders that are trained."""
        yield from (parameter for parameter in self.contents.parameters() if parameter.requires_grad)

    def training_batches(  # type: ignore[override]  # with next items
        self, targets: Targets, config: Config, generator: torch.Generator
    ) -> NextItemsBatches:
        """Build rows with next items; arguments as in :class:`SequenceModel`."""
        return NextItemsBatches(
            targets,
            config["MAX_ITEM_LIST_LENGTH"],
            self.n_following,
            self.n_others,
            self.n_items,
            config["train_batch_size"],
            generator,
        )

    def encode_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Compute the vectors of some inputs.

        Args:
            rows: Their numbers; int64, shape [R].

        Returns:
            Shape [R, D].
        """
        text, image = self.contents.text, self.contents.image
        encoders: dict[int, Encoder] = {}
        if text is not None:
            encoders[TEXT] = lambda some: text.pooled(some, self.heads["text"])
        if image is not None:
            encoders[IMAGE] = lambda some: self.heads["image"](image(some))
        return by_modality(rows, self.contents.modality, encoders, self.hidden_size)

    def encode_items(self) -> torch.Tensor:
        """Compute the vector of every input; shape [I, D]."""
        rows = torch.arange(self.n_inputs, device=self.contents.modality.device)
        return torch.cat([self.encode_rows(part) for part in rows.split(_ENCODED_TOGETHER)])

    def position_loss(self, batch: NextItemsBatch) -> torch.Tensor:  # type: ignore[override]  # of its training_batches
        """Compute the loss of next items.

        Args:
            batch: Histories, next items and others.

        Returns:
            Scalar.
        """
        parts = [batch.items, batch.following, batch.others]
        numbers, places = torch.cat([part.flatten() for part in parts]).unique(return_inverse=True)
        # From here on items are numbered within the batch.
        items, following, others = (
            part.view(shape.shape)
            for part, shape in zip(places.split([part.numel() for part in parts]), parts, strict=True)
        )
        vectors = self.encode_rows(numbers)
        padding = batch.items == 0
        states = self.encoder(lookup(vectors, items), padding)
        users = self.gather_indexes(states, (~padding).sum(1) - 1).unsqueeze(2)
        scores = [(lookup(vectors, part) @ users).squeeze(2) for part in (following, others)]
        return self.user_loss(scores[0], batch.following > 0, scores[1], batch.others > 0)

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the loss of rows with one next item each, a hook of RecBole; scalar."""
        items, wanted = interaction[self.ITEM_SEQ], interaction[self.POS_ITEM_ID].unsqueeze(1)
        seen = torch.cat([items, wanted], 1).cpu()
        rows = torch.arange(len(seen))
        unseen = UnseenItems(rows.repeat_interleave(seen.shape[1]), seen.flatten(), len(seen), self.n_items)
        others = unseen.draw(rows, self.n_others, torch.default_generator).to(items.device)
        with self.items_encoded_once():
            users = self.forward(items, interaction[self.ITEM_SEQ_LEN]).unsqueeze(2)
            found, drawn = (self.candidate_vectors()[part] @ users for part in (wanted, others))
        return self.user_loss(found.squeeze(2), wanted > 0, drawn.squeeze(2), others > 0)

    def start_from(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load the pre-trained user encoder, and the heads of those modalities that were pre-trained.

        Args:
            state: Weights of ``encoder`` and ``heads``, named as in this model.

        Raises:
            UserError: The weights are of other sizes than this model's.
        """
        parts = ["encoder", *(f"heads.{name}" for name in self.heads if any(f"heads.{name}." in key for key in state))]
        prefixes = tuple(f"{part}." for part in parts)
        weights = {name: value for name, value in state.items() if name.startswith(prefixes)}
        take_over(self, weights, parts, (*SIZES, "text_encoder", "image_encoder"), "the pre-trained TransRec")

    def content_parts(self, config: Config, dataset: SequenceDataset) -> ItemParts | None:
        """Return what makes an item's vector from its text, or from its picture; None where items may be either."""
        if config["modality"] == "mixed" or config["image_control"] != "none":
            return None
        encoder, kept = self.current_encoder(config, dataset)
        if config["modality"] == "image":
            return LinearPictureParts(encoder, cast("nn.Linear", self.heads["image"]), config["image_field"], kept)
        head = cast("TextHead", self.heads["text"])
        return PooledParts(encoder, head, head.n_heads, config["text_tokens"], kept)

    def current_encoder(self, config: Config, dataset: SequenceDataset) -> tuple[Any, bool]:
        """Return the content encoder of the items as it is now, and whether it cannot be loaded by its name again."""
        is_image, settings = config["modality"] == "image", target_settings(config)
        content: Any = self.contents.image if is_image else self.contents.text
        if any(True for _ in self.encoder_parameters()):
            return content.snapshot(), True
        if config["transfer"] != "scratch":
            # It trains this class.
            from recbole_idp.models.transrec.pretrain import find_or_pretrain

            opened = find_or_pretrain(config).open_encoders(settings.text.device)
            if (found := opened.image if is_image else opened.text) is not None:
                return found, True
        loaded = settings.load_encoders(config["modality"]).fit(target_catalogue(settings, dataset))
        if loaded.image is not None:
            return loaded.image, not settings.image.is_found_by_name(loaded.image)
        assert loaded.text is not None  # as items are texts
        return loaded.text, not settings.text.is_found_by_name(loaded.text)

    def freeze_items(self) -> None:
        """Freeze what makes item vectors of contents."""
        self.contents.requires_grad_(False)
        self.heads.requires_grad_(False)


def transferable(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights that pre-training transfers: those of user encoder and heads, by their names."""
    return weights_of(model, "encoder", "heads")
