"""From a model in training's form to the folder that recommends without it."""

import logging

import torch
from recbole.data.interaction import Interaction

from recbole_idp.config.derive import given_values
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.serving.recommender import Recommender
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.serving.user_encoder import KINDS, encoder_sizes, history_length
from recbole_idp.serving.user_vectors import user_vectors
from recbole_idp.storage.environment import versions

_COMPARED = 16
_TOLERANCE = 1e-4


@torch.no_grad()
def trained_model(model, config, dataset, titles, facts, start=None):
    """Make the folder of a trained model from what the model says by ``serving()``.

    Args:
        model (SequenceModel): The trained model; what it says by ``serving()`` is taken, and compared with its scores.
        config (Config): RecBole's configuration, with ``keep_users``.
        dataset (SequenceDataset): The part of the target that it was trained on.
        titles (list[str]): Titles of items 1 to N - 1.
        facts (dict): ``variant``, ``seed``, ``valid`` and ``test``.
        start (TransferStart | None): What its items were generated from; None where they were not. It is kept where
            the model takes generated items.

    Returns:
        TrainedModel | None: Not saved yet. None where the model's encoder is of no kind that can be built without it,
        or the scores come out otherwise.
    """
    model.eval()
    serving = model.serving()
    if serving.encoder_kind not in KINDS:
        return None
    if not serving.takes_generated_items:
        start = None
    sizes = encoder_sizes(serving.encoder_kind, config)
    vectors, candidates = serving.item_vectors.detach().cpu(), serving.candidate_vectors.detach().cpu()
    trained = TrainedModel(
        item_vectors=vectors,
        candidate_vectors=vectors if torch.equal(candidates, vectors) else candidates,
        item_bias=None if serving.item_bias is None else serving.item_bias.detach().cpu(),
        encoder={name: value.cpu() for name, value in serving.encoder.state_dict().items()},
        tokens=dataset.item_tokens()[1:],
        titles=titles,
        description={
            "model": config["model"],
            "dataset": config["dataset"],
            **{key: facts[key] for key in ("variant", "seed", "valid", "test")},
            "encoder": sizes,
            "hidden_event": serving.hidden_event,
            "temperature": serving.temperature,
            "only_unseen": serving.excludes_history,
            "bundle": None if start is None else _about_bundle(start.bundle),
            "added": 0,
            "config": values_that_affect(given_values(config), config["model"], Affects.ALL),
            "versions": versions(),
        },
        transfer=None if start is None else _about_transfer(start),
    )
    if not _agrees(trained, *_scored_histories(model, dataset, sizes["MAX_ITEM_LIST_LENGTH"])):
        return None
    if config["keep_users"]:
        trained.users = user_vectors(Recommender(trained), dataset)
    return trained


def _scored_histories(model, dataset, max_length):
    """Return some histories, padded with 0, and the model's own scores after them; [B, L] and [B, N]."""
    targets = dataset.targets()
    items, lengths = targets.histories(torch.arange(min(_COMPARED, len(targets))), max_length)
    rows = Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths}).to(model.device)
    return items, model.full_sort_predict(rows).cpu()


def _agrees(trained, histories, expected):
    """Return whether the folder's own way of scoring gives the model's scores; a warning says where it does not."""
    longest = history_length(trained.description)
    lists = [[item for item in row if item][-longest:] for row in histories.tolist()]
    try:
        scores = Recommender(trained).scores(lists)
        known = torch.isfinite(expected)
        known[:, 0] = False
        agrees = torch.allclose(scores[known], expected[known], rtol=_TOLERANCE, atol=_TOLERANCE)
    except (ValueError, KeyError, RuntimeError):
        # The encoder's weights are not those of the kind that it is said to be.
        agrees = False
    if not agrees:
        logging.getLogger().warning(
            f"{trained.description['model']} scores in another way than its serving() says: no folder for the task "
            "recommend is made"
        )
    return agrees


def _about_bundle(bundle):
    """Return what a bundle is found again by: no path, which would mean nothing elsewhere."""
    about = bundle.description
    return {
        "name": bundle.folder.name,
        "fingerprint": about["fingerprint"],
        "domains": [domain["name"] for domain in about["domains"]],
    }


def _about_transfer(start):
    """Return what items that join later are generated with, so that they lie among the others as if always there."""
    matches = start.matches
    return {
        "vectors": torch.from_numpy(start.vectors),
        "items": torch.from_numpy(matches.items),
        "similarities": torch.from_numpy(matches.similarities),
    }
