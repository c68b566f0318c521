"""``new_items``: items are held out of training with all their events, then added by their texts alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from recbole.data import data_preparation
from recbole.utils import init_seed

from recbole_idp.benchmark.output import Row, announce
from recbole_idp.config.derive import derive
from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.data.domain_texts import item_texts
from recbole_idp.data.few_shot import training_users
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.errors import UserError
from recbole_idp.evaluation.ranking import ranks_from_scores
from recbole_idp.models.idp.generation import centred
from recbole_idp.models.idp.pretrain import find_or_pretrain
from recbole_idp.models.idp.transfer import prepare_start
from recbole_idp.run.best_model import keep_best, read_titles
from recbole_idp.run.keys import PlaceSettings
from recbole_idp.run.not_joined import Side
from recbole_idp.run.prepare import data_fingerprint
from recbole_idp.run.trial import run_trial
from recbole_idp.run.trials import Trial
from recbole_idp.search.vectors import normalised
from recbole_idp.serving.new_items import NewItems, add_items
from recbole_idp.serving.recommender import Recommender
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.train.clock import StageClock

if TYPE_CHECKING:
    from recbole_idp.config.strict import StrictConfig
    from recbole_idp.models.idp.bundle import Bundle


Scorer = Callable[[Sequence[list[int]]], torch.Tensor]
"""Function that returns the scores of all items after histories of item numbers; shape [B, N]."""

VARIANT = "fine_tune"
_CHUNK = 256


@dataclass(frozen=True)
class Question:
    """A user whose latest event is a held-out item.

    Attributes:
        history: Numbers of the known items before it, the latest last.
        target_item: Number of the held-out item.
    """

    history: list[int]
    target_item: int


def run(config: StrictConfig, hidden_share: float) -> tuple[dict[str, Any], list[Row]]:
    """Hold out items, train on the rest, add the held-out items, and rank each where it is a user's latest event.

    Args:
        config: The configuration, with ``pretrained`` or ``source_domains``.
        hidden_share: Share of the items with a text that is held out.

    Returns:
        The measurements, and the rows of the table.

    Raises:
        UserError: Too many items are held out, or they are nobody's latest event.
    """
    if not hidden_share < 1:
        raise UserError(f"hidden_share must be less than 1, but is {hidden_share}: some items have to be trained on")
    announce(f"reading {config['dataset']}")
    whole = SequenceDataset(config)
    read = item_texts(whole.location, config["text_fields"], ItemFileFormat.of(config))
    with_text = [token for token in whole.item_tokens()[1:] if read.texts.get(token)]
    hidden = training_users(with_text, hidden_share, config["seed"])
    trained, bundle, known = train_without(config, whole, set(hidden))
    announce(f"adding {len(hidden):,} items to {len(trained.tokens):,}")
    texts = {token: read.texts[token] for token in hidden}
    joined = add_items(trained, NewItems(texts, [read.titles[token] for token in hidden], 0, 0), bundle)
    questions = find_questions(whole, joined, set(hidden))
    first_new = len(trained.tokens) + 1
    sides = {
        name: measure(questions, score, first_new)
        for name, score in scorers(joined, known.item_counts(), first_new, config["seed"]).items()
    }
    facts = {
        "data_fingerprint": data_fingerprint(whole),
        "bundle": bundle.description["fingerprint"],
        "hidden_items": len(hidden),
        "known_items": len(trained.tokens),
        "questions": len(questions),
        "test_of_known_items_before": trained.description["test"],
        **sides,
    }
    return facts, [
        Row(f"{metric} among {where}", part, metric, digits=4)
        for part, where in (("new", "the new items"), ("all", "all items"))
        for metric in ("hit@10", "ndcg@10", "mrr")
    ]


def train_without(
    config: StrictConfig, whole: SequenceDataset, hidden: set[str]
) -> tuple[TrainedModel, Bundle, SequenceDataset]:
    """Train on a dataset without some items, and keep the model as a run does.

    Returns:
        The model, its bundle, and the data that it was trained on.
    """
    kept = [token for token in whole.item_tokens()[1:] if token not in hidden]
    intervals = {**(config["val_interval"] or {}), config["ITEM_ID_FIELD"]: kept}
    # Made first, as its sources are not to be filtered.
    pretrained = str(find_or_pretrain(config).folder)
    settings = derive(config, pretrained=pretrained, val_interval=intervals, keep_trained=True)
    loaders = data_preparation(settings, SequenceDataset(settings))
    dataset, clock = loaders[0].dataset, StageClock()
    start = prepare_start(settings, dataset, [VARIANT], clock)
    announce(f"training on {dataset.item_num - 1:,} items")
    trial = Trial(VARIANT, config["seed"])
    outcome = run_trial(Side(settings, loaders, start), trial, clock)
    with tempfile.TemporaryDirectory() as place:
        try:
            settings = derive(settings, trained_dir=str(Path(place) / "trained"))
            titles = read_titles(dataset, PlaceSettings.of(settings), settings["text_fields"])
            saved = keep_best(settings, {trial: outcome}, start, dataset, "", titles)
        finally:
            Path(outcome.facts["checkpoint"]).unlink(missing_ok=True)
        assert saved is not None  # as keep_trained asks for it
        return TrainedModel.open(saved[0]), start.bundle, dataset


def find_questions(whole: SequenceDataset, joined: TrainedModel, hidden: set[str]) -> list[Question]:
    """Find the users whose latest event is a held-out item, and who have known items before it.

    Only the latest event is used, as training must not have seen what a user did later.

    Returns:
        At least one.

    Raises:
        UserError: There is none.
    """
    number_of = {token: number for number, token in enumerate(joined.tokens, 1)}
    tokens, events = whole.item_tokens(), whole.inter_feat
    users, items = events[whole.uid_field].to_numpy(), events[whole.iid_field].to_numpy()
    order = np.argsort(users, kind="stable")
    found = []
    for part in np.split(items[order], np.flatnonzero(np.diff(users[order])) + 1):
        *before, last = (tokens[item] for item in part)
        history = [number_of[token] for token in before if token in number_of and token not in hidden]
        if last in hidden and history:
            found.append(Question(history, number_of[last]))
    if not found:
        raise UserError("no user's latest event is one of the hidden items: hide more (--hidden_share)")
    return found


def scorers(joined: TrainedModel, counts: np.ndarray, first_new: int, seed: int) -> dict[str, Scorer]:
    """Return the scorers that are compared, each a function from histories to scores of all items, shape [B, N].

    Args:
        joined: The model with the new items.
        counts: Training events of the known items; shape [first_new].
        first_new: Number of the first new item.
        seed: Seed of the random scores, which also order equally popular items.

    Returns:
        The scorers by side.
    """
    size, longest = len(joined.tokens) + 1, joined.description["encoder"]["MAX_ITEM_LIST_LENGTH"]
    init_seed(seed, True)
    popularity = torch.nn.functional.pad(torch.from_numpy(counts).float(), (0, size - first_new))
    vectors = joined.transfer["vectors"].numpy()  # type: ignore[index]  # IDP keeps them
    texts = torch.nn.functional.pad(torch.from_numpy(normalised(centred(vectors, first_new - 1))), (0, 0, 1, 0))

    def by_text(histories: Sequence[list[int]]) -> torch.Tensor:
        return torch.stack([texts[history[-longest:]].mean(0) for history in histories]) @ texts.t()

    return {
        "ours": Recommender(joined).scores,
        "random": lambda histories: torch.rand(len(histories), size),
        "popularity": lambda histories: popularity + torch.rand(len(histories), size),
        "text": by_text,
    }


def measure(questions: Sequence[Question], score: Scorer, first_new: int) -> dict[str, dict[str, float]]:
    """Rank the held-out items among the new ones and among all.

    Args:
        questions: The R questions.
        score: Function from histories to scores, shape [B, N].
        first_new: Number of the first new item.

    Returns:
        Metrics under ``new`` and ``all``.
    """
    ranks: dict[str, list[torch.Tensor]] = {"new": [], "all": []}
    for start in range(0, len(questions), _CHUNK):
        part = questions[start : start + _CHUNK]
        # A copy: inference tensors may not be changed in place.
        scores = score([question.history for question in part]).clone()
        target_item = torch.tensor([question.target_item for question in part])
        # The column before the first new item takes the place of padding.
        ranks["new"].append(ranks_from_scores(scores[:, first_new - 1 :].clone(), target_item - first_new + 1))
        ranks["all"].append(ranks_from_scores(scores, target_item))
    return {name: metrics(torch.cat(parts)) for name, parts in ranks.items()}


def metrics(ranks: torch.Tensor) -> dict[str, float]:
    """Return hit@10, ndcg@10 and mrr of ranks from 1; shape [R]."""
    ranks = ranks.double()
    inside = ranks <= 10
    return {
        "hit@10": round(float(inside.double().mean()), 6),
        "ndcg@10": round(float((inside / torch.log2(ranks + 1)).mean()), 6),
        "mrr": round(float((1 / ranks).mean()), 6),
    }
