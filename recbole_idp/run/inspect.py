"""The task ``inspect``: what a bundle's matcher finds for the items of a target, in figures and on a page."""

import time
from pathlib import Path

import numpy as np
from recbole.data import create_dataset, data_preparation

from recbole_idp.data.domain_texts import item_texts
from recbole_idp.data.html_text import unescaped
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
from recbole_idp.models.idp.transfer import prepare_start
from recbole_idp.report.inspect_page import save_page
from recbole_idp.report.inspect_text import inspect_text
from recbole_idp.run.prepare import check_is_matched, prepare


def inspect(config):
    """Match a target to a bundle, print what was found, and write a page with plots. Nothing is trained.

    Args:
        config (Config): The configuration; ``pretrained`` names the bundle, or the sources find or make it.

    Returns:
        dict: The figures that the page shows.

    Raises:
        UserError: Something in the data or the configuration is wrong.
    """
    check_is_matched(config)
    prepare(config)
    dataset = create_dataset(config)
    train, _, _ = data_preparation(config, dataset)
    chosen = choose_items(config, train.dataset.item_tokens())
    # The IDs alone are looked at: the encoder need not fit.
    start = prepare_start(config, train.dataset, ["new_encoder"])
    titles = item_texts(config, train.dataset.location, config["text_fields"]).titles
    figures = inspect_figures(config, start, train.dataset, titles, chosen)
    stamp = time.strftime("%b-%d-%Y_%H-%M-%S")
    path = Path(config["result_dir"]) / f"inspect-{config['dataset']}-{stamp}.html"
    save_page(figures, path)
    print(inspect_text(figures, path))
    return figures


def choose_items(config, tokens):
    """Find the rows of the items that are asked for, or draw some.

    Args:
        config (Config): With ``inspect_items``, item ids, or None for a sample of ``inspect_sample`` items.
        tokens (list[str]): Ids of all N items, padding first.

    Returns:
        list[int]: Rows from 0, the first after padding.

    Raises:
        UserError: An id is none of the target's.
    """
    if config["inspect_items"] is None:
        draw = np.random.default_rng(config["seed"])
        size = min(config["inspect_sample"], len(tokens) - 1)
        return sorted(draw.choice(len(tokens) - 1, size, replace=False).tolist())
    row_of = {token: row for row, token in enumerate(tokens[1:])}
    for token in config["inspect_items"]:
        if token not in row_of:
            close = nearest(token, row_of)
            hint = f": did you mean {close[0]}?" if close else ": give item ids of its .inter file"
            raise UserError(f"inspect_items names {token}, which is no item of {config['dataset']}{hint}")
    return [row_of[token] for token in config["inspect_items"]]


def inspect_figures(config, start, dataset, titles, chosen):
    """Measure what matching and generation did.

    Args:
        config (Config): The configuration.
        start (TransferStart): Bundle and matches.
        dataset (SequenceDataset): The training part of the target.
        titles (dict[str, str]): Titles by item id.
        chosen (list[int]): Rows of the items to show one by one.

    Returns:
        dict: JSON-serialisable figures: ``dataset``, ``bundle``, ``matcher``, ``generator``, ``domains``,
        ``similarity`` before and after CDIM, ``correlation`` before and after, ``own_behaviour``, ``prediction``,
        ``shapes``, ``near_twins``, ``items``.
    """
    tokens = dataset.item_tokens()
    bundle, matches = start.bundle, start.matches
    weights = match_weights(matches, config).numpy()
    frozen = best_similarities(matches, start.frozen_vectors, bundle.text_vectors)
    adapted = matches.similarities[matches.matched, 0]
    embeddings = bundle.item_embeddings.numpy()
    generated = start.generated(config)
    return {
        "dataset": config["dataset"],
        "bundle": str(bundle.folder),
        "sources": [domain["name"] for domain in bundle.description["domains"]],
        "matcher": bundle.description["cdim"]["matcher"],
        "recall": {when: bundle.description["cdim"].get(when) for when in ("before", "after")},
        "generator": config["generator"],
        "target_items": len(tokens) - 1,
        "with_text": int(matches.matched.sum()),
        "domains": domain_shares(matches, weights, bundle.domains),
        "similarity": {
            "before": distribution(frozen, 0.0, 1.0),
            "after": distribution(adapted, 0.0, 1.0),
        },
        "near_twins": float((frozen >= NEAR_TWIN).mean()),
        "correlation": {
            when: text_and_behaviour(vectors, embeddings, np.random.default_rng(config["seed"]))
            for when, vectors in (("before", bundle.text_vectors), ("after", bundle.adapted_vectors))
        },
        "own_behaviour": own_behaviour(
            {"before": start.frozen_vectors, "after": start.vectors, "generated": generated}, dataset, config["seed"]
        ),
        "prediction": start.prediction(config, dataset),
        "shapes": shapes({"source": embeddings, "generated": generated[matches.matched]}),
        "items": [item_matches(row, tokens[row + 1], titles, matches, weights, bundle) for row in chosen],
    }


def own_behaviour(named, dataset, seed):
    """Compare how alike target items are by some vectors with which of them follow one another in the training data.

    Args:
        named (dict[str, np.ndarray]): Vectors of the N - 1 items, zero where one has no text; shape [N - 1, any] each.
        dataset (SequenceDataset): The training part of the target.
        seed (int): Decides on the sample, the same for all vectors.

    Returns:
        dict[str, dict]: For each set of vectors what
        :func:`~recbole_idp.models.idp.diagnosis.text_and_behaviour` gives.
    """
    behaviour = behaviour_vectors(dataset.targets(), dataset.item_num - 1, seed)
    seen = np.any(behaviour, axis=1)
    return {
        name: text_and_behaviour(centred(vectors[seen]), behaviour[seen], np.random.default_rng(seed))
        for name, vectors in named.items()
    }


def item_matches(row, token, titles, matches, weights, bundle):
    """List the matches of one target item, best first.

    Args:
        row (int): The item's row.
        token (str): Its id.
        titles (dict[str, str]): Titles by item id.
        matches (Matches): Of all target items.
        weights (np.ndarray): Shape [T, m].
        bundle (Bundle): Where the source items are from.

    Returns:
        dict: ``item_id``, ``title``, ``matches``; no matches where the item has no text.
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
