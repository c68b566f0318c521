"""Pictures and an image encoder of which the last blocks, or all, are trained."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from recbole_idp.content.image.blocks import Cut, cut_below
from recbole_idp.content.image.cache import distinct_pictures, encode_pictures
from recbole_idp.content.image.decode import UnreadableError, read_pixels
from recbole_idp.content.image.stored_rows import StoredRows
from recbole_idp.content.trainable.entering import entering, states_entering
from recbole_idp.content.trainable.interface import TrainableContent
from recbole_idp.content.trainable.memory import FEWER_PICTURES, StepMemory, kept_bytes
from recbole_idp.errors import UserError
from recbole_idp.storage.files import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

    from recbole_idp.content.image.encoder import ImageEncoder
    from recbole_idp.content.image.preprocessing import Preprocessing

_CLOSE = 0.999
_LARGEST = 65_504.0


class Pictures(NamedTuple):
    """The distinct pictures of inputs that can be read.

    Attributes:
        paths: Their files.
        hashes: Their hashes, as hexadecimal digits.
        vectors: Their frozen vectors; shape [M, W].
        places: Place of each input's picture among them, -1 for none, as for input 0; shape [I].
    """

    paths: list[Path]
    hashes: list[str]
    vectors: np.ndarray
    places: np.ndarray


def read_pictures(
    encoder: ImageEncoder, pictures: Sequence[Path | None], cache_path: Path, show_progress: bool
) -> Pictures:
    """Find the pictures that can be read.

    Args:
        encoder: The encoder.
        pictures: File of inputs 1 to I - 1; None for none.
        cache_path: Folder of the vectors.
        show_progress: Whether to draw progress bars.
    """
    paths, hashes, places, _ = distinct_pictures(pictures)
    # Those that cannot be decoded have no vector.
    vectors, _ = encode_pictures(encoder, paths, cache_path, show_progress)
    good = np.any(vectors, axis=1)
    # What stands last is the place of no picture.
    renumbered = np.append(np.where(good, np.cumsum(good) - 1, -1), -1)
    kept = np.flatnonzero(good).tolist()
    return Pictures(
        [paths[row] for row in kept],
        [hashes[row].hex() for row in kept],
        vectors[good],
        np.concatenate([[-1], renumbered[places]]),
    )


class TrainableImages(TrainableContent):
    """A copy of an image encoder, with the pictures that it encodes.

    picture -> pixels (decoded once, kept in files) -> network -> pooling -> vector
    picture -> lower blocks, or all (run once, kept in files) -> trained blocks and what follows -> pooling -> vector

    Batch normalisation keeps the statistics that it came with: a batch holds too few pictures of its own.

    Args:
        encoder: The frozen encoder; it stays as it is.
        pictures: File of inputs 1 to I - 1, without symbolic links; None for none.
        blocks: How many of the last blocks are trained, with what follows them; 0: nothing is; None: the whole network.
        cache_path: Folder in which vectors, pixels and the lower blocks' outputs are kept.
        show_progress: Whether to draw progress bars while they are computed.
        precision: Type of the products; parameters stay float32.
        recompute: Whether the backward pass computes the states of each chunk again, so that a step keeps those of one
            chunk only.

    Attributes:
        trained (nn.ParameterDict): What is trained.

    Raises:
        UserError: No picture can be read, the encoder has fewer blocks, or they cannot be run separately.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        pictures: Sequence[Path | None],
        blocks: int | None,
        cache_path: Path,
        show_progress: bool = False,
        precision: torch.dtype = torch.float32,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.width = encoder.width
        self._precision, self._recompute = precision, recompute
        self._pictures = read_pictures(encoder, pictures, cache_path, show_progress)
        if not self.paths:
            raise UserError(f"none of {len(pictures):,} items has a picture that {encoder.name} could be trained on")
        self._encoder = encoder.copy()
        network = self._encoder.network.requires_grad_(False)
        # In a tuple: what is not trained is no part of this module's state.
        self._network: tuple[nn.Module] = (network,)
        self._is_frozen = blocks == 0
        self._cut: Cut | None = None if not blocks else cut_below(network, blocks, encoder.name)
        found = dict(network.named_parameters())
        names = [] if self._is_frozen else list(found)
        self._store = self._stored(encoder, cache_path, show_progress)
        if self._cut is not None:
            names = self._cut.trained_names()
            self._cut.remove()
        # A name in such a dictionary has no dots; what a network pools for itself is not read.
        self.trained = nn.ParameterDict({name.replace(".", "/"): found[name] for name in names if "pooler" not in name})
        self.trained.requires_grad_(True)
        self._check_against()

    @property
    def paths(self) -> list[Path]:
        """Files of the distinct pictures."""
        return self._pictures.paths

    def step_memory(self, n_rows: int) -> StepMemory:
        """Return what decides on the memory of a step, counted with one picture; see :class:`TrainableContent`."""
        was_training = self.training
        # No random draw is used up.
        with torch.random.fork_rng(devices=[]):
            self.train()
            each = kept_bytes(lambda: self._run(np.zeros(1, dtype=np.int64)), self._network[0])
            self.train(was_training)
        return StepMemory(
            contents=min(n_rows, len(self.paths)),
            each=each,
            parameters=sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad),
            together=self._encoder.batch_size,
            otherwise=FEWER_PICTURES,
            narrow=self._precision != torch.float32,
            recompute=self._recompute,
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Encode the pictures of some inputs; see :class:`TrainableContent`."""
        return self._put(rows, self._encoder.pooled(self._states_of(rows)))

    def encode_states(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the states of the pictures of some inputs, before pooling.

        Args:
            rows: Numbers of inputs, 0 being padding; int64, shape [R].

        Returns:
            Zero for inputs without a picture; shape [R, T, H].
        """
        return self._put(rows, self._states_of(rows))

    def encode_distinct(self, places: np.ndarray) -> torch.Tensor:
        """Return the states of distinct pictures by their places among :attr:`paths`; int64 [B] -> [B, T, H]."""
        together = self._encoder.batch_size
        return torch.cat([self._chunk(part) for part in np.split(places, range(together, len(places), together))])

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; batch normalisation stays in the latter."""
        self._network[0].train(mode)
        for module in self._network[0].modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return super().train(mode)

    def snapshot(self) -> ImageEncoder:
        """Return a copy of the encoder as it is now; see :class:`TrainableContent`."""
        if self._cut is not None:
            self._cut.restore()
        copied = self._encoder.copy()
        if self._cut is not None:
            self._cut.remove()
        copied.network.eval().requires_grad_(False)
        return copied

    def tuned_encoder(self) -> ImageEncoder:
        """Return the encoder as trained so far; this module cannot be used afterwards."""
        if self._cut is not None:
            self._cut.restore()
        self._network[0].eval().requires_grad_(False)
        return self._encoder

    def _states_of(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the states of those inputs that have a picture; at least one, which stands for none."""
        places = self._pictures.places[rows.cpu().numpy()]
        # An input more, so that shapes are known where none has a picture; it is not put anywhere.
        return self.encode_distinct(places[places >= 0] if (places >= 0).any() else np.zeros(1, dtype=np.int64))

    def _put(self, rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Put what inputs with a picture have into their places, and zeros into the others; [P, ...] -> [R, ...]."""
        where = np.flatnonzero(self._pictures.places[rows.cpu().numpy()] >= 0)
        found = values.new_zeros(len(rows), *values.shape[1:])
        return found.index_copy(0, torch.from_numpy(where).to(values.device), values[: len(where)])

    def _chunk(self, places: np.ndarray) -> torch.Tensor:
        """Return the states of a chunk of pictures; shape [B, T, H]."""
        if self._recompute and torch.is_grad_enabled():
            return cast("torch.Tensor", checkpoint(self._run, places, use_reentrant=False))
        return self._run(places)

    def _run(self, places: np.ndarray) -> torch.Tensor:
        """Return the states of distinct pictures, given by their places; shape [B, T, H]."""
        device = self._encoder.device
        stored = torch.from_numpy(self._store.rows(places)).to(device)
        if self._is_frozen:
            return stored.float()
        with torch.autocast(device.type, self._precision, enabled=self._precision != torch.float32):
            if self._cut is None:
                return self._encoder.states(stored).float()
            size = self._encoder.preprocessing.size
            # The layers before the cut run on nothing.
            nothing = stored.new_zeros(1, dtype=torch.uint8).expand(len(stored), size, size, 3)
            with entering(self._cut.first, stored.float()):
                return self._encoder.states(nothing).float()

    def _stored(self, encoder: ImageEncoder, cache_path: Path, show_progress: bool) -> StoredRows:
        """Compute what the trained part of the network reads, or open it where it was computed before."""
        read, paths = self._encoder.preprocessing, self.paths
        pixels = functools.partial(_pixels, paths, read)
        described: list[object] = [self._pictures.hashes]
        if self._cut is None and not self._is_frozen:
            store = StoredRows(
                Path(cache_path) / f"pixels-{fingerprint([*described, read.values()])}", len(paths), np.uint8
            )
            store.compute(pixels, show_progress, "decode pictures")
            return store
        described += [encoder.fingerprint, None if self._cut is None else self._cut.kept]
        store = StoredRows(Path(cache_path) / f"lower-blocks-{fingerprint(described)}", len(paths), np.float16)
        store.compute(functools.partial(self._lower, pixels), show_progress, "lower blocks")
        return store

    @torch.no_grad()
    def _lower(self, pixels: Callable[[np.ndarray], np.ndarray], places: np.ndarray) -> np.ndarray:
        """Return the states that enter the trained blocks, or the last ones, of some pictures; float16, [B, ...]."""
        found = []
        for part in np.split(places, range(self._encoder.batch_size, len(places), self._encoder.batch_size)):
            run = functools.partial(self._encoder.states, torch.from_numpy(pixels(part)))
            states = run() if self._cut is None else states_entering(self._cut.first, run)
            # Some numbers of a float32 are beyond those of a float16.
            found.append(states.clamp(-_LARGEST, _LARGEST).half().cpu().numpy())
        return np.concatenate(found)

    @torch.no_grad()
    def _check_against(self) -> None:
        """Raise UserError where the trained part gives other vectors than the encoder, as it may need other inputs."""
        if self._cut is None:
            return
        places = np.linspace(0, len(self.paths) - 1, min(8, len(self.paths))).astype(int)
        expected, found = self._pictures.vectors[places], None
        self.eval()
        with contextlib.suppress(RuntimeError, TypeError, ValueError, StopIteration, KeyError, AttributeError):
            found = self._encoder.pooled(self.encode_distinct(places)).cpu().numpy()
        if found is not None and found.shape == expected.shape:
            norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
            if ((expected * found).sum(1) >= _CLOSE * norms).all():
                return
        raise UserError(
            f"the blocks of {self._encoder.name} give other vectors when they are run apart, so that its last blocks "
            "alone cannot be trained: train none or all of it, or use another image_encoder"
        )


def _pixels(paths: Sequence[Path], preprocessing: Preprocessing, places: np.ndarray) -> np.ndarray:
    """Return the pixels of some pictures; uint8, shape [B, S, S, 3].

    Raises:
        UserError: A picture has changed since it was read first.
    """
    try:
        return np.stack([read_pixels(paths[place], preprocessing) for place in places.tolist()])
    except UnreadableError as error:
        raise UserError(f"a picture has become {error} while it was read: start again") from error
