"""The sequences that a model of users is pre-trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.config.derive import data_root
from recbole_idp.data.catalog import locate
from recbole_idp.data.domains import Domains, join_domains, read_domain, source_events, source_locations
from recbole_idp.data.keys import DataSettings
from recbole_idp.train.pretrained import Pretraining
from recbole_idp.train.pretrained_folder import FolderT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.train.clock import StageClock


def is_own_source(settings: DataSettings) -> bool:
    """Return whether the dataset's own sequences are the source: a profile is predicted, and no source is named."""
    return settings.predicts == "profile" and not settings.source_domains


def sequence_locations(config: Config) -> list[DatasetLocation]:
    """Check the datasets whose sequences are the source, and find their files.

    Raises:
        UserError: No dataset is named, or one cannot be used.
    """
    if is_own_source(DataSettings.of(config)):
        return [locate(config["dataset"], data_root(config))]
    return source_locations(config)


def open_of_sequences(result: type[FolderT], folder: str | Path, target: str, settings: DataSettings) -> FolderT:
    """Open a folder that was pre-trained on source sequences, for a target.

    Args:
        result: The class that opens it.
        folder: The folder.
        target: Name of the target, which may be its own source.
        settings: What is predicted, and the sources.

    Returns:
        The opened folder.

    Raises:
        UserError: The folder cannot be used, or not for this target.
    """
    found = result.open(folder)
    if not is_own_source(settings):
        found.check_target(target)
    return found


class SequencePretraining(Pretraining[FolderT]):
    """Pre-training of a user encoder on source sequences.

    Args:
        config: The target's configuration.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config, sequence_locations(config))

    def dataset_names(self) -> list[str]:
        """Return the names of the datasets for the folder's name."""
        return [location.name for location in self.locations]


def load_sequences(config: Config, locations: Sequence[DatasetLocation], clock: StageClock) -> Domains:
    """Read the sequences of these datasets; users are joined as ``shared_users`` says.

    Args:
        config: The configuration of pre-training.
        locations: Locations of the datasets.
        clock: Where the stage ``read`` is timed.

    Returns:
        The merged data.

    Raises:
        UserError: A dataset cannot be read.
    """
    with clock.stage("read", f"reading {', '.join(location.name for location in locations)}") as facts:
        own = is_own_source(DataSettings.of(config))
        parts = [read_domain(config, location) for location in locations] if own else source_events(config)
        domains = join_domains(parts, config["shared_users"])
        facts["source_interactions"] = domains.sequences.n_events
        facts["source_items"] = len(domains.item_tokens) - 1
    return domains
