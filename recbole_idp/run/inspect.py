"""The task ``inspect``: figures and a page about the matches of a target's items."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from recbole.data import create_dataset, data_preparation

from recbole_idp.data.domain_texts import titles_of
from recbole_idp.data.html_text import unescaped
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.errors import UserError, nearest
from recbole_idp.models.idp.co_occurrence import behaviour_vectors
from recbole_idp.models.idp.diagnosis import (
    NEAR_TWIN,
    best_similarities,
    distribution,
    domain_shares,
    shapes,
    text_and_behaviour,
)
from recbole_idp.models.idp.generation import centred, match_weights
from recbole_idp.models.idp.keys import GenerationSettings
from recbole_idp.models.idp.transfer import prepare_start
from recbole_idp.recbole_models.choose import trainer_class
from recbole_idp.report.inspect_page import save_page
from recbole_idp.report.inspect_text import inspect_text
from recbole_idp.run.kept_out import check_kept_out, kept_out_figures
from recbole_idp.run.keys import InspectionSettings
from recbole_idp.run.prepare import check_is_matched, fetch_given, prepare
from recbole_idp.storage.files import unused

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.idp.bundle import Bundle
    from recbole_idp.models.idp.transfer import TransferStart
    from recbole_idp.search.exact import Matches


def inspect(config: Config) -> dict[str, Any]:
    """Match a target to a bundle, print figures, and write a page with plots. Nothing is trained.

    Args:
        config: The configuration; ``pretrained`` names the bundle; else it is found or made from the source domains.

    Returns:
        The figures of the page.

    Raises:
        UserError: Something in the data or the configuration is wrong.
    """
    check_is_matched(config["model"], trainer_class(config).variants)
    config = fetch_given(config)
    kept_out = InspectionSettings.of(config).inspect_kept_out
    check_kept_out(kept_out, config["source_domains"], config["pretrained"])
    prepare(config)
    dataset = create_dataset(config)
    train, _, _ = data_preparation(config, dataset)
    tokens = train.dataset.item_tokens()
    chosen = choose_items(InspectionSettings.of(config), tokens, config["seed"], config["dataset"])
    # Only the ID embeddings are read: the encoder need not fit.
    start = prepare_start(config, train.dataset, ["new_encoder"])
    found = titles_of(train.dataset.location, tokens[1:], config["text_fields"], ItemFileFormat.of(config))
    titles = dict(zip(tokens[1:], found, strict=True))
    settings = GenerationSettings.of(config)
    known = None if kept_out is None else kept_out_figures(config, start.bundle, kept_out)
    figures = inspect_figures(settings, start, train.dataset, titles, chosen, config["seed"])
    figures["kept_out"] = known
    stamp = time.strftime("%b-%d-%Y_%H-%M-%S")
    path = unused(config["result_dir"], f"inspect-{config['dataset']}-{stamp}", ".html")
    save_page(figures, path)
    print(inspect_text(figures, path))
    return figures


def choose_items(settings: InspectionSettings, tokens: list[str], seed: int, dataset: str) -> list[int]:
    """Find the rows of the configured items, or draw a sample.

    Args:
        settings: With ``inspect_items`` (item ids; None: a sample of ``inspect_sample`` items).
        tokens: Ids of all N items, padding first.
        seed: Seed of the sample.
        dataset: Name of the target.

    Returns:
        Rows from 0, the first after padding.

    Raises:
        UserError: An id is no item of the target.
    """
    if settings.inspect_items is None:
        draw = np.random.default_rng(seed)
        size = min(settings.inspect_sample, len(tokens) - 1)
        return sorted(draw.choice(len(tokens) - 1, size, replace=False).tolist())
    row_of = {token: row for row, token in enumerate(tokens[1:])}
    for token in settings.inspect_items:
        if token not in row_of:
            close = nearest(token, row_of)
            hint = f": did you mean {close[0]}?" if close else ": give item ids of its .inter file"
            raise UserError(f"inspect_items names {token}, which is no item of {dataset}{hint}")
    return [row_of[token] for token in settings.inspect_items]


def inspect_figures(
    settings: GenerationSettings,
    start: TransferStart,
    dataset: SequenceDataset,
    titles: dict[str, str],
    chosen: list[int],
    seed: int,
) -> dict[str, Any]:
    """Measure matching and generation.

    Args:
        settings: Settings of generation.
        start: Bundle and matches.
        dataset: The training part of the target.
        titles: Titles by item id.
        chosen: Rows of the items whose matches are listed.
        seed: Seed of the samples.

    Returns:
        JSON-serialisable figures: ``dataset``, ``bundle``, ``matcher``, ``generator``, ``domains``,
        ``similarity`` before and after CDIM, ``correlation`` before and after, ``own_behaviour``, ``prediction``,
        ``shapes``, ``near_twins``, ``items``.
    """
    tokens = dataset.item_tokens()
    bundle, matches = start.bundle, start.matches
    weights = match_weights(matches, settings).numpy()
    frozen = best_similarities(matches, start.frozen_vectors, bundle.text_vectors)
    adapted = matches.similarities[matches.matched, 0]
    embeddings = bundle.item_embeddings.numpy()
    generated = start.generated(settings)
    return {
        "dataset": dataset.config["dataset"],
        "bundle": str(bundle.folder),
        "sources": [domain["name"] for domain in bundle.description["domains"]],
        "matcher": bundle.description["cdim"]["matcher"],
        "recall": {when: bundle.description["cdim"].get(when) for when in ("before", "after")},
        "generator": settings.generator,
        "target_items": len(tokens) - 1,
        "with_text": int(matches.matched.sum()),
        "domains": domain_shares(matches, weights, bundle.domains),
        "similarity": {
            "before": distribution(frozen, 0.0, 1.0),
            "after": distribution(adapted, 0.0, 1.0),
        },
        "near_twins": float((frozen >= NEAR_TWIN).mean()),
        "correlation": {
            when: text_and_behaviour(vectors, embeddings, np.random.default_rng(seed))
            for when, vectors in (("before", bundle.text_vectors), ("after", bundle.adapted_vectors))
        },
        "own_behaviour": own_behaviour(
            {"before": start.frozen_vectors, "after": start.vectors, "generated": generated}, dataset, seed
        ),
        "prediction": start.prediction(settings, dataset, seed),
        "shapes": shapes({"source": embeddings, "generated": generated[matches.matched]}),
        "items": [item_matches(row, tokens[row + 1], titles, matches, weights, bundle) for row in chosen],
    }


def own_behaviour(named: dict[str, np.ndarray], dataset: SequenceDataset, seed: int) -> dict[str, dict[str, Any]]:
    """Measure how similarity by some vectors agrees with co-occurrence in the training data.

    Args:
        named: Sets of vectors of the N - 1 items, zero where an item has no text; shape [N - 1, any] each.
        dataset: The training part of the target.
        seed: Seed of the sample, the same for all sets.

    Returns:
        For each set the result of :func:`~recbole_idp.models.idp.diagnosis.text_and_behaviour`.
    """
    behaviour = behaviour_vectors(dataset.targets(), dataset.item_num - 1, seed)
    seen = np.any(behaviour, axis=1)
    return {
        name: text_and_behaviour(centred(vectors[seen]), behaviour[seen], np.random.default_rng(seed))
        for name, vectors in named.items()
    }


def item_matches(
    row: int, token: str, titles: dict[str, str], matches: Matches, weights: np.ndarray, bundle: Bundle
) -> dict[str, Any]:
    """List the matches of one target item, best first.

    Args:
        row: The item's row.
        token: Its id.
        titles: Titles by item id.
        matches: Matches of all T target items.
        weights: Weight of each match; shape [T, m].
        bundle: The bundle with the source items.

    Returns:
        ``item_id``, ``title``, ``matches``; no matches where the item has no text.
    """
    found = zip(matches.items[row], matches.similarities[row], weights[row], strict=True)
    return {
        "item_id": token,
        "title": unescaped(titles.get(token, "")),
        "matches": [
            {
                "domain": bundle.domains[item],
                "item_id": bundle.tokens[item],
                "title": unescaped(bundle.titles[item]),
                "similarity": float(similarity),
                "weight": float(weight),
            }
            for item, similarity, weight in found
        ]
        if matches.matched[row]
        else [],
    }
