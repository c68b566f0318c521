"""A target together with source domains whose sequences are trained on as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from recbole_idp.config.derive import derive
from recbole_idp.data.domains import load_domains
from recbole_idp.data.item_names import HistoryItem
from recbole_idp.data.keys import joined_sources
from recbole_idp.data.predicted import PredictedDataset
from recbole_idp.data.rows import Batch
from recbole_idp.data.sequences import Sequences, Targets

if TYPE_CHECKING:
    from recbole_idp.data.domains import Domains
    from recbole_idp.data.rows import Batches


@dataclass(frozen=True)
class SourceRows:
    """The sequences of the source domains, in the numbers of the target's inputs.

    Attributes:
        targets: All events but the first one of each user.
        items: Numbers of the source items, ascending; int64, shape [S].
    """

    targets: Targets
    items: torch.Tensor


class TwoDomainDataset(PredictedDataset):
    """A target whose inputs are the items of all source domains as well, and the rows of these.

    Attributes:
        sources: The rows of the source domains, which are trained on together with the target's.
    """

    sources: SourceRows

    def _parts(self) -> list[PredictedDataset]:  # type: ignore[override]  # of this class
        """Return the parts for training, validation and test; each knows the sources."""
        parts = super()._parts()
        # The target's users are joined with the sources in the target's histories.
        groups = joined_sources(self.config["dataset"], self.config["shared_users"])
        domains = load_domains(derive(self.config, shared_users=groups))
        self.history_items, numbers = with_sources(self.history_items, domains, self.item_num)
        self.sources = source_rows(domains, numbers)
        for part in parts:
            part.history_items, part.sources = self.history_items, self.sources  # type: ignore[attr-defined]  # as here
        return parts  # type: ignore[return-value]  # copies of this dataset


def with_sources(
    history_items: Sequence[HistoryItem], domains: Domains, first: int
) -> tuple[list[HistoryItem], torch.Tensor]:
    """Add the items of source domains to the history items of a target, unless they are there.

    Args:
        history_items: Those of domains that are joined with the target.
        domains: The source domains.
        first: Number of the first history item.

    Returns:
        All history items, and the number of each source item, 0 for padding; int64, shape [N of the sources].
    """
    known = {item: number for number, item in enumerate(history_items, first)}
    names = [domain.name for domain in domains.domains]
    numbers = [0]
    for domain, token in zip(domains.item_domain[1:], domains.item_tokens[1:], strict=True):
        numbers.append(known.setdefault(HistoryItem(names[domain], token), first + len(known)))
    return list(known), torch.tensor(numbers)


def source_rows(domains: Domains, numbers: torch.Tensor) -> SourceRows:
    """Return the rows of the source domains.

    Args:
        domains: The source domains.
        numbers: Number of each of their items among the target's inputs; shape [N of the sources].
    """
    sequences = Sequences(numbers[domains.sequences.items], domains.sequences.offsets)
    starts = torch.repeat_interleave(sequences.offsets[:-1], sequences.lengths())
    ends = torch.arange(sequences.n_events)
    later = ends > starts
    return SourceRows(Targets(sequences, starts[later], ends[later]), numbers[1:].sort().values)


@dataclass(frozen=True)
class TwoDomainBatch:
    """Rows of the source and of the target, about as many targets of each.

    Attributes:
        source: Rows of the source domains.
        target: Rows of the target.
    """

    source: Batch
    target: Batch

    @property
    def n_targets(self) -> int:
        """The number of positions with a target."""
        return self.source.n_targets + self.target.n_targets

    def to(self, device: str | torch.device) -> TwoDomainBatch:
        """Return the batch on another device."""
        return TwoDomainBatch(self.source.to(device), self.target.to(device))


class TwoDomainBatches:
    """One pass over the target's rows, each batch paired with one of the source's.

    The source's rows are drawn again each epoch. Where they have fewer batches they are passed over again.

    Args:
        source: Batches of the source domains.
        target: Batches of the target.
    """

    def __init__(self, source: Batches, target: Batches) -> None:
        self.source, self.target = source, target

    def __len__(self) -> int:
        return len(self.target)

    def __iter__(self) -> Iterator[TwoDomainBatch]:
        for source, target in zip(self._endless(), self.target, strict=False):
            yield TwoDomainBatch(source, target)

    def _endless(self) -> Iterator[Batch]:
        """Return the source's batches, again and again."""
        while True:
            yield from self.source
