"""Turn a model that was just trained into a folder that recommends without RecBole."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from recbole.data.interaction import Interaction

from recbole_idp.config.derive import given_values
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.serving.encoder_sizes import KINDS, encoder_sizes, history_length
from recbole_idp.serving.item_forms import FORMS
from recbole_idp.serving.recommender import Recommender
from recbole_idp.serving.source_items import SourceItems
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.serving.user_vectors import user_vectors
from recbole_idp.storage.environment import versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.base.sequence_model import SequenceModel
    from recbole_idp.models.base.serving import Serving
    from recbole_idp.models.idp.bundle import Bundle
    from recbole_idp.models.idp.transfer import TransferStart

_COMPARED = 16
_TOLERANCE = 1e-4


@torch.no_grad()
def trained_model(
    model: SequenceModel,
    config: Config,
    dataset: SequenceDataset,
    titles: list[str],
    facts: dict[str, Any],
    start: TransferStart | None = None,
) -> TrainedModel | None:
    """Make a trained model from what the model returns by ``serving()``.

    Args:
        model: The trained model, whose ``serving()`` is checked against its own scores.
        config: RecBole's configuration, with ``keep_users``.
        dataset: The part of the target that it was trained on.
        titles: Titles of items 1 to N - 1.
        facts: ``variant``, ``seed``, ``valid`` and ``test``.
        start: What its items were generated from; None where they were not. It is kept where
            the model takes generated items.

    Returns:
        Not saved yet. None where the model's encoder is of no kind that can be built without it,
        or the scores come out otherwise.
    """
    values = given_values(config)
    model.eval()
    serving = model.serving()
    if serving.encoder_kind not in KINDS:
        return None
    if not serving.takes_generated_items:
        start = None
    sizes = sizes_of(serving, values)
    vectors, candidates = serving.item_vectors.detach().cpu(), serving.candidate_vectors.detach().cpu()
    first = vectors[: len(candidates)]
    trained = TrainedModel(
        item_vectors=vectors,
        candidate_vectors=first if torch.equal(candidates, first) else candidates,
        item_bias=None if serving.item_bias is None else serving.item_bias.detach().cpu(),
        encoder={name: value.cpu() for name, value in serving.encoder.state_dict().items()},
        tokens=dataset.item_tokens()[1:],
        titles=titles,
        description={
            "model": values["model"],
            "dataset": values["dataset"],
            **{key: facts[key] for key in ("variant", "seed", "valid", "test")},
            "encoder": sizes,
            "hidden_event": serving.hidden_event and not serving.parts,
            "temperature": serving.temperature,
            "only_unseen": serving.excludes_history,
            "reads_own": values.get("predicts") != "cold_item",
            "bundle": None if start is None else _about_bundle(start.bundle),
            "added": 0,
            "config": {
                key: value
                for key, value in values_that_affect(values, values["model"], Affects.ALL).items()
                if key not in _FILES
            },
            "versions": versions(),
        },
        transfer=None if start is None else _about_transfer(start),
        history_items=list(dataset.history_items),
        tokenizer=serving.tokenizer,
        source_items=None if start is None else SourceItems.of(start.bundle, start.matches.items),
    )
    if (parts := model.content_parts(config, dataset)) is not None:
        trained.content = FORMS[parts.form].of(parts)  # type: ignore[arg-type]  # the form is that of the parts
        trained.description["content"] = trained.content.about
    if not _agrees(trained, *_scored_histories(model, dataset, sizes["MAX_ITEM_LIST_LENGTH"])):
        return None
    if values["keep_users"]:
        trained.users = user_vectors(Recommender(trained), dataset)
    return trained


# Where vectors of the user's own lay on his machine is no one else's business.
_FILES = ("text_vectors", "source_text_vectors")


def sizes_of(serving: Serving, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return kind and sizes of the encoder that a model hands over.

    Args:
        serving: What the model's ``serving()`` returns.
        values: Value of every key of the model.
    """
    assert serving.encoder_kind is not None  # as the caller checks
    if not serving.parts:
        return {**encoder_sizes(serving.encoder_kind, values), **serving.sizes}
    parts = [
        {
            "encoder": sizes_of(part, values),
            "hidden_event": part.hidden_event,
            "temperature": part.temperature,
        }
        for part in serving.parts
    ]
    return {
        "kind": serving.encoder_kind,
        "hidden_size": serving.item_vectors.shape[1],
        "MAX_ITEM_LIST_LENGTH": min(history_length(part) for part in parts),
        "parts": parts,
    }


def _scored_histories(
    model: SequenceModel, dataset: SequenceDataset, max_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return some histories, padded with 0, shape [B, L], and the model's own scores after them, shape [B, N]."""
    targets = dataset.targets()
    items, lengths = targets.histories(torch.arange(min(_COMPARED, len(targets))), max_length)
    rows = Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths}).to(model.device)
    return items, model.full_sort_predict(rows).cpu()


def _agrees(trained: TrainedModel, histories: torch.Tensor, expected: torch.Tensor) -> bool:
    """Return whether the recommender reproduces the model's scores; log a warning if it does not."""
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
            f"{trained.description['model']} computes other scores than its serving() describes: no folder for "
            "the task recommend is made"
        )
    return agrees


def _about_bundle(bundle: Bundle) -> dict[str, Any]:
    """Return what identifies a bundle elsewhere: its name, fingerprint and domains, but no path."""
    about = bundle.description
    return {
        "name": bundle.folder.name,
        "fingerprint": about["fingerprint"],
        "domains": [domain["name"] for domain in about["domains"]],
    }


def _about_transfer(start: TransferStart) -> dict[str, torch.Tensor]:
    """Return the vectors and matches of the items, which the generation of items added later needs."""
    matches = start.matches
    return {
        "vectors": torch.from_numpy(start.vectors),
        "items": torch.from_numpy(matches.items),
        "similarities": torch.from_numpy(matches.similarities),
    }
