"""MoRec: recommendation from the content of items instead of their IDs (arXiv 2303.13835)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.data.rows import Batch, after_last
from recbole_idp.models.base.serving import ContentParts, ItemParts, PictureParts, linear_layers
from recbole_idp.models.base.text_model import TextModel
from recbole_idp.models.base.transferred import ENCODER_KEYS, take_over
from recbole_idp.models.morec.kinds import MEAN, content_kind
from recbole_idp.models.morec.layers import fusion_layer, projection
from recbole_idp.nn.adapters.sockets import ADAPTER
from recbole_idp.nn.encoder.bias_free import BiasFreeEncoder
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.in_batch import events_of
from recbole_idp.nn.lookup import lookup
from recbole_idp.nn.loss import PairwiseLoss, PointwiseLoss

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.content.trainable.interface import TrainableContent
    from recbole_idp.content.trainable.memory import StepMemory
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.morec.contents import ItemContents
    from recbole_idp.models.morec.pretrain import PretrainedMoRec
    from recbole_idp.nn.shared_negatives import SharedNegativesLoss
    from recbole_idp.train.clock import StageClock

_ENCODED_TOGETHER = 512
_NO_LENGTH = 1e-12


class MoRec(TextModel):
    """MoRec: the content of items in SASRec, two-stage or end to end (arXiv 2303.13835, sections 3 and 4).

    item texts -> text encoder -> dense layers with GELU -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    One dense layer, the paper's "DT layer", takes the place of the ID table; more of them may follow
    (``projection_layers``). ``train_encoder`` says which parts of the text encoder are trained with the rest: none, the
    paper's two-stage way; the last layers; or all, its end-to-end way. Then each step encodes what it reads, once:
    all items for the softmax over all of them, the batch's items and the drawn ones for binary cross-entropy
    (``--loss_type=BCE``, the paper's loss).

    Text vectors are centred over the items, and of length one: those of sentence encoders lie close together. The mean
    is that of the encoder before training, so that training starts from what the frozen vectors give.

    ``transfer`` takes dense layers, sequence encoder, content encoder and mean over from source domains: ``frozen``
    trains all but the content encoder, ``fine_tune`` all that ``train_encoder`` names.
    :class:`~recbole_idp.models.morec.trainer.MoRecTrainer` loads the weights; the content encoder is there when the
    model is built, so that a checkpoint needs what it was pre-trained from beside it.

    Args:
        config: RecBole's configuration.
        dataset: The target, or the joined source domains.
        contents: The contents of the items; None: those of the target's.

    Attributes:
        paper: Where the model is from, for the card of what is pre-trained.
        losses_of_others: The losses that compare a target with items that the user does not have.
        own_negatives: Whether items of a user's own history may be compared with his targets.
        content (TrainableContent | None): The texts and their encoder, where it is trained.
        text_mean: Mean of the items' frozen vectors; shape [W].
        encoder_keys: Keys that must be equal before and after the transfer for the weights to fit.
    """

    text_mean: torch.Tensor
    paper: ClassVar[str] = "arXiv 2303.13835"
    own_negatives: ClassVar[bool] = True
    losses_of_others: ClassVar[type[PairwiseLoss]] = PointwiseLoss
    encoder_keys: ClassVar[tuple[str, ...]] = (*ENCODER_KEYS, "transformer_block", "projection_layers")

    def __init__(self, config: Config, dataset: ModelData, contents: ItemContents | None = None) -> None:
        self._contents = contents
        super().__init__(config, dataset)  # type: ignore[arg-type]  # what is not the target comes with its contents
        self.id_fusion = config["id_fusion"]
        self.fusion = fusion_layer(self.hidden_size, config["id_fusion"], config["projection_dropout_prob"])
        self.content = self.build_content(config)
        del self._contents
        if self.content is not None:
            # The frozen vectors of all inputs are not read any more.
            self.text_vectors = self.text_vectors[:0]

    def read_texts(self, config: Config, dataset: SequenceDataset) -> torch.Tensor:
        """Return the frozen text vectors of all inputs, and keep their mean; shape [I, W]."""
        if self._contents is None:
            start = self.find_pretrained(config) if config["transfer"] != "scratch" else None
            self._contents = content_kind(config).of_target(dataset, start)
        vectors, mean = self._contents.frozen()
        self.register_buffer("text_mean", mean, persistent=False)
        return vectors

    def build_content(self, config: Config) -> TrainableContent | None:
        """Return the items' texts with an encoder that is trained; None where it stays frozen."""
        settings = TrainedEncoderSettings.of(config)
        if settings.train_encoder == "none" or config["transfer"] in ("zero_shot", "frozen"):
            return None
        assert self._contents is not None  # as read_texts made them
        return self._contents.trainable(settings)

    @classmethod
    def find_pretrained(cls, config: Config, clock: StageClock | None = None) -> PretrainedMoRec:
        """Open what is pre-trained on the source domains, and make it first where it is not there.

        Args:
            config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
            clock: Where stages are timed.

        Returns:
            Weights and text encoder.

        Raises:
            UserError: The named folder or the sources cannot be used.
        """
        # It trains this class.
        from recbole_idp.models.morec.pretrain import find_or_pretrain

        with torch.random.fork_rng(devices=[]):
            return find_or_pretrain(config, cls, clock)

    def start_from(self, state: Mapping[str, torch.Tensor]) -> None:
        """Load pre-trained weights of dense layers and sequence encoder.

        Args:
            state: The weights, named as in this model; a mean among them is not read.

        Raises:
            UserError: The weights are of other sizes than this model's.
        """
        weights = {name: value for name, value in state.items() if name != MEAN}
        take_over(self, weights, ("encoder", "item_encoder"), self.encoder_keys, "the pre-trained MoRec", ADAPTER)

    def keeps_ids(self, config: Config) -> bool:
        """Return whether the model has a table of IDs beside the contents."""
        return config["id_fusion"] != "none"

    def build_encoder(self, config: Config) -> nn.Module:
        """Build the sequence encoder, with RecBole's blocks or the paper's."""
        if config["transformer_block"] == "RecBole":
            return super().build_encoder(config)
        self.encoder_kind = "BiasFree"
        return BiasFreeEncoder(TransformerSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])

    def build_item_encoder(self, config: Config, text_width: int) -> nn.Sequential:
        """Build the dense layers; the paper's blocks, which are made before, get their own first weights."""
        if isinstance(self.encoder, BiasFreeEncoder):
            self.encoder.draw_weights()
        return projection(text_width, self.hidden_size, config["projection_layers"], config["projection_dropout_prob"])

    def encoder_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the content encoder that are trained."""
        if self.content is not None:
            yield from (parameter for parameter in self.content.parameters() if parameter.requires_grad)

    def content_parts(self, config: Config, dataset: SequenceDataset) -> ItemParts | None:
        """Return what makes an item's vector from its text or picture; None where IDs are joined."""
        if self.id_fusion != "none" or config["image_control"] != "none":
            return None
        start = self.find_pretrained(config) if config["transfer"] != "scratch" else None
        dense = cast("nn.Sequential", self.item_encoder)
        layers = linear_layers(dense)
        encoder, kept = self.current_encoder(config, dataset, start)
        if config["content"] == "image":
            return PictureParts(encoder, self.text_mean, layers, config["image_field"], kept)
        return ContentParts(encoder, self.text_mean, layers, config["text_tokens"], kept)

    def current_encoder(
        self, config: Config, dataset: SequenceDataset, start: PretrainedMoRec | None
    ) -> tuple[Any, bool]:
        """Return the content encoder as it is now, and whether it cannot be loaded by its name again."""
        return self.start_encoder(config, dataset, start) if self.content is None else (self.content.snapshot(), True)

    def start_encoder(
        self, config: Config, dataset: SequenceDataset, start: PretrainedMoRec | None
    ) -> tuple[Any, bool]:
        """Return the content encoder as it was before training; see :meth:`current_encoder`."""
        kind = content_kind(config)
        encoder = kind.of_target(dataset, start).encoder
        trained = start is not None and start.description["encoder"].get("trained") != "none"
        return encoder, trained or not kind.is_found_by_name(encoder)

    def step_memory(self, batch_size: int) -> StepMemory | None:
        """Return the sizes that decide on the memory of a training step; None where nothing is encoded.

        Args:
            batch_size: Targets of a batch.
        """
        if self.content is None:
            return None
        return self.content.step_memory(min(self.n_inputs, self.step_inputs(batch_size)))

    def step_inputs(self, batch_size: int) -> int:
        """Return how many inputs a step encodes at most, with repetitions: events, targets and what is drawn."""
        drawn = self.loss.n_drawn(batch_size)
        return self.n_inputs if drawn is None else 2 * batch_size + drawn

    def content_vectors(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the centred text vectors of some inputs, of length one; arguments as in :meth:`encode_rows`."""
        if self.content is None:
            return self.text_vectors[rows]
        vectors = self.content(rows)
        with_text = vectors.abs().amax(1, keepdim=True) > 0
        centred = functional.normalize(vectors - self.text_mean, dim=1, eps=_NO_LENGTH)
        return torch.where(with_text, centred, torch.zeros_like(centred))

    def encode_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Compute the vectors of some inputs; see :class:`TextModel`."""
        vectors = self.item_encoder(self.content_vectors(rows))
        if self.id_fusion == "none":
            return vectors
        return self.fusion(lookup(self.item_embedding.weight, rows), vectors)

    def encode_items(self) -> torch.Tensor:
        """Compute the vector of every input; shape [I, D]."""
        rows = torch.arange(self.n_inputs, device=self.text_mean.device)
        if self.content is None:
            return self.encode_rows(rows)
        return torch.cat([self.encode_rows(part) for part in rows.split(_ENCODED_TOGETHER)])

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over all positions that have a target; arguments as in :class:`SequenceModel`."""
        if self.content is None and not isinstance(self.loss, self.losses_of_others):
            return super().position_loss(batch)
        # A step encodes what it reads: the batch's items and the negatives, which are drawn first.
        wanted = torch.cat([targets[targets > 0] for _, targets in batch.parts])
        drawn = self.draw_negatives(batch, wanted)
        if drawn is None:
            return super().position_loss(batch)
        read = torch.cat([wanted, drawn.flatten(), *(items.flatten() for items, _ in batch.parts)])
        with self.items_encoded_once(None if self.content is None else self.encode_only(read)):
            states = [self.encode(items)[targets > 0] for items, targets in batch.parts]
            loss = cast("SharedNegativesLoss | PairwiseLoss", self.loss)
            return loss.with_drawn(torch.cat(states), wanted, drawn, self.candidate_vectors())

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the mean loss of rows with one target each, a hook of RecBole; scalar."""
        if not isinstance(self.loss, self.losses_of_others):
            return super().calculate_loss(interaction)
        items = interaction[self.ITEM_SEQ]
        targets = after_last(items, interaction[self.ITEM_SEQ_LEN], interaction[self.POS_ITEM_ID])
        return self.position_loss(Batch(((items, targets),), len(items)))

    def draw_negatives(self, batch: Batch, wanted: torch.Tensor) -> torch.Tensor | None:
        """Draw what the targets of a batch are compared with.

        Args:
            batch: Parts of items and targets of shape [B, L].
            wanted: The targets; int64, shape [T].

        Returns:
            Shape [T, K], or [K] where all have the same; None: all items. For the losses that say so they are none of
            the user's own items (binary cross-entropy in arXiv 2303.13835).
        """
        if not isinstance(self.loss, self.losses_of_others):
            return self.loss.draw(wanted, self.n_items)
        events = [events_of(items, targets) for items, targets in batch.parts]
        rows = [(targets > 0).nonzero()[:, 0] for _, targets in batch.parts]
        drawn = [self.loss.draw_others(own, row, self.n_items) for own, row in zip(events, rows, strict=True)]
        return torch.cat(drawn)

    def encode_only(self, read: torch.Tensor) -> torch.Tensor:
        """Compute the vectors of some inputs, each once.

        Args:
            read: Inputs, with repetitions; int64, shape [R].

        Returns:
            Shape [I, D], zero for inputs that are not read.
        """
        rows = torch.unique(read)
        vectors = self.encode_rows(rows)
        return vectors.new_zeros(self.n_inputs, vectors.shape[1]).index_copy(0, rows, vectors)
