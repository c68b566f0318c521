"""What one process of the benchmark measures: a job at a size, and where its data lie."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.config.derive import derive
from recbole_idp.config.strict import StrictConfig
from recbole_idp.errors import UserError
from recbole_idp.storage.files import fingerprint

if TYPE_CHECKING:
    from recbole.config import Config

# Keys that decide on which events are read.
_DECIDING = ("load_col", "val_interval", "user_inter_num_interval", "item_inter_num_interval", "rm_dup_inter")
EVENTS_OF_A_USER = 10
"""Events for each user of the made data, on average."""


@dataclass(frozen=True, order=True)
class ScaleSize:
    """A size of the made data.

    Attributes:
        events: Number of events.
        items: Number of items.
    """

    events: int
    items: int

    @property
    def users(self) -> int:
        """Number of users."""
        return max(1, self.events // EVENTS_OF_A_USER)

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return f"Made-{self.events}-{self.items}"

    def __str__(self) -> str:
        return f"{self.events:,} events, {self.items:,} items"


def parse_sizes(text: str) -> list[ScaleSize]:
    """Read the option ``--sizes``.

    Args:
        text: Such as ``100000:10000,1000000:100000``: events and items of each size.

    Returns:
        The sizes, the smallest first.

    Raises:
        UserError: It is of another form.
    """
    try:
        pairs = [[int(number) for number in part.split(":")] for part in text.split(",")]
        sizes = [ScaleSize(events, items) for events, items in pairs]
    except ValueError:
        raise UserError(f"--sizes is {text!r}: give events:items, as in 100000:10000,1000000:100000") from None
    for size in sizes:
        if size.events < EVENTS_OF_A_USER or size.items < 1:
            raise UserError(f"--sizes has {size.events}:{size.items}: give at least {EVENTS_OF_A_USER} events, 1 item")
    return sorted(set(sizes))


@dataclass(frozen=True)
class Request:
    """What one process measures.

    Attributes:
        side: Whose work it is: ours, RecBole's or RecTools'.
        job: The job, a function of that side's module.
        size: The size of the data.
        folder: The folder of the made datasets.
        steps: Training steps.
        users: Users to evaluate, and users to recommend to.
        targets: Target items to match.
        config: The value of every key of the configuration.
    """

    side: str
    job: str
    size: ScaleSize
    folder: str
    steps: int
    users: int
    targets: int
    config: dict[str, Any] = field(repr=False)

    @property
    def key(self) -> str:
        """What stands for the measurement in the file of measurements: equal requests are measured once."""
        digits = fingerprint({**asdict(self), "folder": None})[:8]
        return f"{self.side} {self.job} {self.size.events}:{self.size.items} {digits}"

    @property
    def indexed_file(self) -> Path:
        """Where the indexed events are kept for the jobs that do not measure reading."""
        digits = fingerprint({key: self.config[key] for key in _DECIDING})[:8]
        return Path(self.folder) / self.size.dataset / f"indexed-{digits}.npz"

    def made_config(self) -> Config:
        """Return the configuration for the made data; an epoch of RecBole is one pass."""
        config = StrictConfig.from_dict(self.config).varied(
            "benchmark scale", dataset=self.size.dataset, data_path=self.folder
        )
        return derive(config, epoch_steps=1)

    def write(self, path: Path) -> None:
        """Write it for the process that measures."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Request:
        """Read what :meth:`write` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**values, "size": ScaleSize(**values["size"])})
