"""The sequences that a model of users is pre-trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.config.derive import data_root
from recbole_idp.data.catalog import locate
from recbole_idp.data.domains import Domains, join_domains, read_domain, source_locations
from recbole_idp.data.keys import DataSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        domains = join_domains([read_domain(config, location) for location in locations], config["shared_users"])
        facts["source_interactions"] = domains.sequences.n_events
        facts["source_items"] = len(domains.item_tokens) - 1
    return domains
