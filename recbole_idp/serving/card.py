"""Model cards of trained models and of exports, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recbole_idp.serving.encoder_sizes import history_length

if TYPE_CHECKING:
    from recbole_idp.serving.generative_model import GenerativeModel
    from recbole_idp.serving.trained_model import TrainedModel
    from recbole_idp.serving.user_vectors import UserVectors


def model_card(trained: TrainedModel) -> str:
    """Return the model card.

    Args:
        trained: The model.

    Returns:
        Markdown.
    """
    about = trained.description
    encoder = about["encoder"]
    lines = [
        f"# {about['model']}, trained on {about['dataset']}",
        "",
        f"A sequential recommender of recbole_idp: {len(trained.tokens):,} items, encoder {encoder['kind']}, width "
        f"{encoder['hidden_size']}, the latest {history_length(about)} events of a history.",
        "",
        f"- Variant: {about['variant']}, seed {about['seed']}",
        f"- Validation: {_metrics(about['valid'])}",
        f"- Test: {_metrics(about['test'])}",
        f"- Pre-trained on: {_sources(about['bundle'])}",
        f"- Items added without training: {about['added']:,}",
        *_matched(trained),
        *_others(trained),
        *_users(trained.users),
        "",
        'Use it: `recbole-idp recommend --trained=THIS_FOLDER --history="ID,ID"`',
        "",
        "Opening it executes nothing. Its vectors tell which items are interacted with together; ids and titles are "
        "those of the training data, whose terms apply.",
    ]
    return "\n".join(lines) + "\n"


def generative_card(trained: GenerativeModel) -> str:
    """Return the model card of a model that writes items as answers; Markdown."""
    about = trained.description
    sizes, ranking = about["sizes"], about["ranking"]
    lines = [
        f"# {about['model']}, trained on {about['dataset']}",
        "",
        f"A language model of recbole_idp that answers with the number of an item: {len(trained.tokens):,} items, T5 "
        f"of width {sizes['width']} with {sizes['layers']} + {sizes['layers']} blocks, {sizes['vocabulary']:,} pieces, "
        f"the latest {about['wording']['longest_history']} events of a history.",
        "",
        f"- Variant: {about['variant']}, seed {about['seed']}",
        f"- Ranking: {ranking['scoring']}, {ranking['beams']} beams",
        f"- Validation: {_metrics(about['valid'])}",
        f"- Test: {_metrics(about['test'])}",
        f"- Pre-trained on: {', '.join(about['pretrained_on']) or 'nothing'}",
        f"- Items added without training: {about['added']:,}",
        "",
        'Use it: `recbole-idp recommend --trained=THIS_FOLDER --history="ID,ID"`',
        "",
        "Opening it executes nothing. Users were numbers in prompts, drawn at random and kept nowhere; ids and titles "
        "are those of the training data, whose terms apply.",
    ]
    return "\n".join(lines) + "\n"


def export_card(trained: TrainedModel, about: dict[str, Any]) -> str:
    """Return the card of an export.

    Args:
        trained: The model.
        about: What ``export.json`` says.

    Returns:
        Markdown.
    """
    index = about["index"]
    lines = [
        f"# {about['model']}, trained on {about['dataset']}, for use without Python",
        "",
        "| file | what |",
        "| --- | --- |",
        f"| user_encoder.onnx | `items` int64 [B, L], `lengths` int64 [B] -> `states` float32 [B, {about['width']}] |",
        f"| items.npy | vector of each item, float32 [{about['items']}, {about['width']}] |",
        "| items.tsv | id and title of each item, in the order of items.npy, after one line of names |",
        *_history_files(about),
        *_user_files(about),
        f"| items.faiss | {index['kind']} index of items.npy for the inner product |",
        "| export.json | this in a form for programs, and the SHA-256 of each file |",
        "",
        "The number of an item is its row in items.npy plus one"
        + _history_numbers(about)
        + "; 0 fills `items` on the right where a history is "
        f"shorter than the longest. Give the latest {about['history_length']} items at most, the latest last. The "
        "score of an item is the inner product of state and vector." + _unseen(about),
        "",
        f"- Recall@{index['recall_at']} of the index: {index['recall']:.4f} against the exact search, on "
        f"{index['queries']} (search width {index['width']})",
        *model_card(trained).splitlines()[4:9],
        "",
        "Ids and titles are those of the training data, whose terms apply.",
    ]
    return "\n".join(lines) + "\n"


def _matched(trained: TrainedModel) -> list[str]:
    """Return the line on the named source items; empty where there are none."""
    named = trained.source_items
    return [] if named is None else [f"- Ids and titles of {len(named.items):,} source items that it was made from"]


def _others(trained: TrainedModel) -> list[str]:
    """Return the line on the items of other domains; empty where there are none."""
    if not trained.history_items:
        return []
    alone = "" if trained.read_numbers.start == 1 else " alone"
    domains = ", ".join(trained.domains)
    return [f"- Histories hold {len(trained.history_items):,} items of {domains}{alone}, named as domain:item"]


def _history_files(about: Mapping[str, Any]) -> list[str]:
    """Return the row of the table of files that names items of other domains; empty where there are none."""
    if not about["history_items"]:
        return []
    return ["| history_items.tsv | domain and id of items that stand in histories alone, after one line of names |"]


def _history_numbers(about: Mapping[str, Any]) -> str:
    """Return what numbers the items of other domains have, and which items a history may hold."""
    if not about["history_items"]:
        return ""
    first = about["items"] + 1
    alone = "" if about["reads_own"] else ", and the encoder reads these alone"
    return f", and that of a row in history_items.tsv, counted from 0, is the row plus {first}{alone}"


def _unseen(about: Mapping[str, Any]) -> str:
    """Return the sentence on history items; empty where the model can score them."""
    return " Leave the items of the history out: this model's scores mean nothing for them." * about["only_unseen"]


def _metrics(values: Mapping[str, float]) -> str:
    """Return metrics in one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items()) or "none"


def _user_files(about: Mapping[str, Any]) -> list[str]:
    """Return the rows of the table of files that describe the users; empty where there are none."""
    if about["users"] is None:
        return []
    return [
        f"| users.npy | vector of each user after all of their events, float32 [{about['users']}, {about['width']}] |",
        "| users.tsv | id of each user, in the order of users.npy, after one line of names: personal data |",
    ]


def _users(users: UserVectors | None) -> list[str]:
    """Return the line on the users; empty where there are none."""
    return [] if users is None else [f"- Vectors, ids and items of {len(users.tokens):,} users: personal data"]


def _sources(bundle: Mapping[str, Any] | None) -> str:
    """Return the source domains and the bundle in one line."""
    return "nothing" if bundle is None else f"{', '.join(bundle['domains'])} (bundle {bundle['fingerprint']})"
