"""Matching quality on a source domain that the matcher does not see, for the task ``inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.config.derive import derive
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.data.domains import source_locations
from recbole_idp.errors import UserError, nearest
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.models.idp.cdim.depths import SourceItems, check_depth, deciding_values
from recbole_idp.models.idp.cdim.kept_out import kept_out_quality
from recbole_idp.models.idp.keys import GenerationSettings, MatcherSettings
from recbole_idp.models.idp.pretrain import pretrain_config
from recbole_idp.storage.files import fingerprint
from recbole_idp.train.clock import StageClock
from recbole_idp.train.pretrained_folder import TEXT_ENCODER
from recbole_idp.train.source_training import read_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole.config import Config


def check_kept_out(name: str | None, source_domains: Sequence[str], pretrained: str | None) -> None:
    """Check, before any work, that a domain that is to be kept out is a source.

    Args:
        name: The domain, ``inspect_kept_out``; None: there is none.
        source_domains: The source domains, where no bundle is given.
        pretrained: Folder of a bundle, which has sources of its own; None: there is none.

    Raises:
        UserError: It is no source.
    """
    sources = source_domains
    if pretrained:
        sources = [domain["name"] for domain in Bundle.read_description(pretrained)["domains"]]
    if name is not None and name not in sources:
        close = nearest(name, sources)
        raise UserError(
            f"inspect_kept_out names {name}, which is not pre-trained on: "
            + (f"did you mean {close[0]}?" if close else f"name one of {', '.join(sources)}")
        )


def kept_out_figures(config: Config, bundle: Bundle, name: str) -> dict[str, Any]:
    """Train the matcher without a domain, as the keys of the matcher say, and measure how it matches the domain.

    Args:
        config: The configuration, under whose ``data_path`` the source domains lie.
        bundle: Its IDs have seen the domain.
        name: The domain, one of the bundle's.

    Returns:
        ``domain``, and the result of :func:`~recbole_idp.models.idp.cdim.kept_out.kept_out_quality`.

    Raises:
        UserError: The data are others than the bundle was made of.
    """
    names = list(dict.fromkeys(bundle.domains))
    config = derive(pretrain_config(config), source_domains=names)
    encoding, settings = TextEncoding.of(config), MatcherSettings.of(config)
    encoder = encoding.open_encoder(bundle.folder / TEXT_ENCODER)
    check_depth(settings, encoder)
    domains, texts, _ = read_sources(config, source_locations(config), encoding, StageClock())
    if [" ".join(token.split()) for token in domains.item_tokens[1:]] != bundle.tokens:
        raise UserError(
            f"{bundle.folder} was pre-trained on other items than {', '.join(names)} have here: pre-train again"
        )
    events = np.bincount(domains.sequences.items.numpy(), minlength=len(domains.item_tokens))[1:]
    items = SourceItems(
        bundle.item_embeddings, events, texts, bundle.text_vectors, domains.item_domain[1:], domains.sequences
    )
    digits = fingerprint([bundle.description["fingerprint"], name, deciding_values(settings), config["seed"]])[:16]
    checkpoint = Path(config["checkpoint_dir"]) / f"unfinished-kept-out-{digits}.safetensors"
    both = settings, GenerationSettings.of(config)
    found = kept_out_quality(both, items, names.index(name), encoder, encoding, checkpoint, config["seed"])
    checkpoint.unlink(missing_ok=True)
    return {"domain": name, **found}
