"""The tasks that use a trained model: recommend, add-items and export."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from recbole_idp.cli.columns import columns
from recbole_idp.errors import UserError
from recbole_idp.serving.load import load, open_trained, open_with_vectors
from recbole_idp.serving.whole_folder import check_absent
from recbole_idp.terminal.printable import printable

if TYPE_CHECKING:
    from recbole_idp.serving.answering import ItemRecommender, Recommendation
    from recbole_idp.serving.indexed import IndexedRecommender

_SHOWN = 5


def recommend(
    trained: str,
    history: str | None,
    user: str | None,
    users: str | None,
    out: str | None,
    k: int,
    exclude_seen: bool,
    engine: str,
    jobs: int | None,
    **index: str | None,
) -> None:
    """Recommend items after one history, to one user of the target, or to all users of a file.

    Args:
        trained: The model's folder.
        history: Item ids, separated by commas, the latest last, those of other domains as ``domain:item``; the
            recommendations are printed.
        user: Id of a user of the folder; the recommendations are printed.
        users: A file of histories; see :class:`~recbole_idp.serving.users_file.UsersFile`.
        out: File for the recommendations of ``users``.
        k: Items for each user.
        exclude_seen: Whether to exclude history items.
        engine: What works on ``users``: ``local``, this process, or ``ray``, a cluster.
        jobs: Parts of the users that a cluster works on at a time; None: as many as it has processors.
        **index: ``route``, ``triggers`` and ``search`` of
            :class:`~recbole_idp.serving.indexed.IndexedRecommender`; all None: all items are scored.

    Raises:
        UserError: An option is missing, or a file cannot be used.
    """
    if sum(given is not None for given in (history, user, users)) != 1:
        raise UserError('recommend needs either --history="ID,ID", --user=ID, or --users=FILE with --out=FILE')
    if (users is None) != (out is None):
        raise UserError("--users and --out belong together: the recommendations for the users of a file go to a file")
    if index["triggers"] and index["route"] != "u2i2i":
        raise UserError("--triggers chooses the items by which --route=u2i2i searches: give both, or none")
    if (engine == "ray" and users is None) or (engine == "local" and jobs is not None):
        raise UserError("--engine=ray, with --jobs=N, is for the users of a file: give --users=FILE with it")
    given = {key: value for key, value in index.items() if value is not None}
    if user is not None:
        indexed = cast("IndexedRecommender", load(trained, **{"route": "u2i", **given}))
        (found,) = indexed.recommend_users([user], k, exclude_seen)
        print(_table(found))
        return
    if history is not None:
        print(_answer(load(trained, **given), history, k, exclude_seen))
        return
    from recbole_idp.serving.many_users import recommend_file
    from recbole_idp.serving.output import output_format
    from recbole_idp.serving.users_file import UsersFile, event_columns

    assert users is not None and out is not None  # as checked above
    output_format(Path(out))
    recommender = load(trained, **given)
    file = UsersFile(users, event_columns(recommender.trained.description["config"]))
    if engine == "local":
        done = recommend_file(recommender, file, out, k, exclude_seen)
    else:
        from recbole_idp.serving.on_ray import RayParts

        parts = RayParts(trained, given, recommender.trained.digest(), jobs)
        done = recommend_file(recommender, file, out, k, exclude_seen, at_work=parts)
    if done["resumed"]:
        _say(f"{done['resumed']:,} users were done by an interrupted run")
    if done["unknown"]:
        where = f" ({_known(recommender)})" if recommender.trained.domains else ""
        _say(f"{done['unknown']:,} events with items that the model does not know were skipped{where}")
    if done["empty"]:
        _say(f"{done['empty']:,} users have no item that the model knows, and get no recommendation")
    print(f"{out}: {done['users']:,} users")


def _answer(recommender: ItemRecommender, text: str, k: int, exclude_seen: bool) -> str:
    """Return a table of recommendations after a history, and report unknown items."""
    history = [token for part in text.split(",") if (token := part.strip())]
    if not history:
        raise UserError('--history names no item: write ids and commas, as in --history="ID,ID"')
    unknown = recommender.unknown(history)
    if not recommender.read(recommender.numbers(history)):
        raise UserError(
            f"none of the {len(history)} items of --history is known to the model{_only_others(recommender)}: "
            f"{_known(recommender)}"
        )
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        where = f" ({_known(recommender)})" if recommender.trained.domains else ""
        _say(f"unknown to the model and skipped: {', '.join(unknown[:_SHOWN])}{more}{where}")
    (found,) = recommender.recommend([history], k, exclude_seen)
    return _table(found)


def _only_others(recommender: ItemRecommender) -> str:
    """Return the words for a model that reads no items of the target; empty for others."""
    trained = recommender.trained
    reads_own = trained.read_numbers.start == 1
    return "" if reads_own else f", which reads no items of {trained.description['dataset']} in a history"


def _known(recommender: ItemRecommender) -> str:
    """Return what ids look like, and the domains whose items can stand in a history."""
    trained = recommender.trained
    tokens = [] if _only_others(recommender) else trained.tokens[:_SHOWN]
    of_others = f"items of other domains are named as domain:item, of {', '.join(trained.domains)}"
    parts = [f"its ids are like {', '.join(tokens)}"] if tokens else []
    return "; ".join([*parts, of_others] if trained.domains else parts)


def _table(recommendations: Sequence[Recommendation]) -> str:
    """Return recommendations as a table."""
    rows = [(rank, one.item, f"{one.score:.4f}", one.title) for rank, one in enumerate(recommendations, 1)]
    return columns([("rank", "item", "score", "title"), *rows])


def add_items(trained: str, items: str, out: str, pretrained: str | None, text_vectors: str | None) -> None:
    """Add new items to a trained model without training.

    Args:
        trained: The model's folder.
        items: An ``.item`` file.
        out: Folder to make.
        pretrained: Folder of the bundle that the model was made from; None: the one next to the model.
        text_vectors: File of the items' vectors, for a model that was trained on vectors of the user's own.

    Raises:
        UserError: A file or folder cannot be used, or the model's items were not made from texts.
    """
    check_absent(out)
    opened = open_trained(trained)
    extended, new = opened.with_items(items, pretrained, text_vectors)
    extended.save(out)
    if new.known or new.blank:
        _say(f"left out: {new.known:,} items that the model has already, {new.blank:,} without a {new.content}")
    print(f"{out}: {len(new.texts):,} items added to {len(opened.tokens):,}")


def export(trained: str, out: str, index: str) -> None:
    """Export a trained model for other languages and servers.

    Args:
        trained: The model's folder.
        out: Folder to make.
        index: ``hnsw`` or ``ivf``.

    Raises:
        UserError: The model cannot be used, the folder cannot be made, or a package is missing.
    """
    check_absent(out)
    opened = open_with_vectors(trained, "export")
    from recbole_idp.serving.export import export as write

    found = write(opened, out, index)["index"]
    recall = f"recall@{found['recall_at']} of the {found['kind']} index {found['recall']}"
    print(f"{out}: {len(opened.tokens):,} items; {recall}")


def _say(text: str) -> None:
    """Print a remark to stderr."""
    print(f"recbole-idp: {printable(text)}", file=sys.stderr)
