"""Turn a model that writes items as answers, and was just trained, into a folder that recommends without RecBole."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from recbole_idp.config.derive import given_values
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.models.p5.keys import RankingSettings
from recbole_idp.serving.generative_model import GenerativeModel
from recbole_idp.storage.environment import versions

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.p5.model import P5


def generative_model(
    model: P5,
    config: Config,
    dataset: SequenceDataset,
    titles: list[str],
    facts: dict[str, Any],
    start: Any = None,
) -> GenerativeModel:
    """Make a trained folder's content of a model that writes items.

    Args:
        model: The trained model.
        config: RecBole's configuration.
        dataset: The part of the target that it was trained on.
        titles: Titles of items 1 to N - 1.
        facts: ``variant``, ``seed``, ``valid`` and ``test``.
        start: Not read: no item is generated from matches.

    Returns:
        Not saved yet.
    """
    settings, values = model.settings, given_values(config)
    return GenerativeModel(
        weights={name: value.cpu() for name, value in model.network.weights().items()},
        tokenizer=model.tokenizer,
        numbers=model.catalogue.numbers[1:].tolist(),
        tokens=dataset.item_tokens()[1:],
        titles=titles,
        description={
            "model": values["model"],
            "dataset": values["dataset"],
            **{key: facts[key] for key in ("variant", "seed", "valid", "test")},
            "sizes": asdict(model.network.sizes),
            "wording": {
                "title_words": settings.title_words,
                "prompt_pieces": settings.prompt_pieces,
                "longest_history": model.longest_history,
                "only_unseen": model.exclude_history,
            },
            "ranking": RankingSettings.of(values).model_dump(),
            "pretrained_on": model.pretrained_on,
            "added": 0,
            "config": values_that_affect(values, values["model"], Affects.ALL),
            "versions": versions(),
        },
    )
