"""From a model in training's form to the folder that recommends without it."""

import logging

import torch
from recbole.data.interaction import Interaction

from recbole_idp.config.derive import given_values
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.serving.recommender import Recommender
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.serving.user_encoder import describe_encoder, history_length
from recbole_idp.serving.user_vectors import user_vectors
from recbole_idp.storage.environment import versions

_COMPARED = 16
_TOLERANCE = 1e-4


@torch.no_grad()
def trained_model(model, config, dataset, titles, facts, start=None):
    """Takes out of a model what recommending needs.

    Args:
        model (SequentialRecommender): The trained model.
        config (Config): RecBole's configuration, with ``keep_users``.
        dataset (SequenceDataset): The part of the target that it was trained on.
        titles (list[str]): Titles of items 1 to N - 1.
        facts (dict): ``variant``, ``seed``, ``valid`` and ``test``.
        start (TransferStart, optional): What its items were generated from; None where they were not.

    Returns:
        TrainedModel | None: Not saved yet. None where the model reads histories in a way that cannot be rebuilt without
        it: then its scores would be others.
    """
    model.eval()
    encoder = model.served_encoder() if isinstance(model, SequenceModel) else None
    sizes = describe_encoder(encoder, config)
    if sizes is None:
        return None
    vectors, bias = model.item_vectors().detach().cpu(), model.item_bias()
    candidates = model.candidate_vectors().detach().cpu()
    histories, scores = _scored_histories(model, dataset, sizes["MAX_ITEM_LIST_LENGTH"])
    trained = TrainedModel(
        item_vectors=vectors,
        candidate_vectors=vectors if torch.equal(candidates, vectors) else candidates,
        item_bias=None if bias is None else bias.detach().cpu(),
        encoder={name: value.cpu() for name, value in encoder.state_dict().items()},
        tokens=dataset.item_tokens()[1:],
        titles=titles,
        description={
            "model": config["model"],
            "dataset": config["dataset"],
            **{key: facts[key] for key in ("variant", "seed", "valid", "test")},
            "encoder": sizes,
            "hidden_event": hasattr(model, "mask_token"),
            "temperature": getattr(model, "temperature", None),
            "only_unseen": bool(scores.gather(1, histories).isinf().all()),
            "bundle": None if start is None else _about_bundle(start.bundle),
            "added": 0,
            "config": values_that_affect(given_values(config), config["model"], Affects.ALL),
            "versions": versions(),
        },
        transfer=None if start is None else _about_transfer(start),
    )
    if not _agrees(trained, histories, scores):
        return None
    if config["keep_users"]:
        trained.users = user_vectors(Recommender(trained), dataset)
    return trained


def _scored_histories(model, dataset, max_length):
    """Returns some histories, padded with 0, and the model's own scores after them; [B, L] and [B, N]."""
    targets = dataset.targets()
    items, lengths = targets.histories(torch.arange(min(_COMPARED, len(targets))), max_length)
    rows = Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths}).to(model.device)
    return items, model.full_sort_predict(rows).cpu()


def _agrees(trained, histories, expected):
    """Returns whether the folder's own way of scoring gives the model's scores."""
    longest = history_length(trained.description)
    lists = [[item for item in row if item][-longest:] for row in histories.tolist()]
    scores = Recommender(trained).scores(lists)
    known = torch.isfinite(expected)
    known[:, 0] = False
    if torch.allclose(scores[known], expected[known], rtol=_TOLERANCE, atol=_TOLERANCE):
        return True
    logging.getLogger().warning(
        f"{trained.description['model']} reads histories in a way of its own: no folder for the task recommend is made"
    )
    return False


def _about_bundle(bundle):
    """Returns by what a bundle is found again: no path, which would mean nothing elsewhere."""
    about = bundle.description
    return {
        "name": bundle.folder.name,
        "fingerprint": about["fingerprint"],
        "domains": [domain["name"] for domain in about["domains"]],
    }


def _about_transfer(start):
    """Returns what items that join later are generated with, so that they lie among the others as if always there."""
    matches = start.matches
    return {
        "vectors": torch.from_numpy(start.vectors),
        "items": torch.from_numpy(matches.items),
        "similarities": torch.from_numpy(matches.similarities),
    }
