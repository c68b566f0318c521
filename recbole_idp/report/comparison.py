"""Whether transfer helped: each variant against those trained on the target alone, paired over the test users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.evaluation.gains import gains
from recbole_idp.evaluation.metrics import goodness, parse, why_no_test
from recbole_idp.evaluation.significance import compare, holm, user_means
from recbole_idp.report.result import not_joined

if TYPE_CHECKING:
    from recbole_idp.report.ranks import Ranks


METRIC = "NDCG@10"
"""By which is compared where the watched metric does not follow from ranks."""
LEVEL = 0.05

BASELINES = ("scratch", "text_pca")
"""Variants that use the target alone."""

CONTROLS = (*BASELINES, "random_match")
"""Variants whose gain over a baseline says nothing about matching."""

CHOSEN = "auto"
"""The variant that validation puts together, of transferred starts or not."""


def compared_metric(watched: str | None, otherwise: str = METRIC) -> str:
    """Return the metric by which variants are compared: the watched one, or another where it has no paired test."""
    return otherwise if watched is None or why_no_test(watched) else parse(watched).title


def compare_variants(
    variants: Mapping[str, dict[str, Any]], ranks: Ranks | None, metric: str = METRIC, watched: str | None = None
) -> list[dict[str, Any]]:
    """Compare every variant with each baseline among them by a metric of each user, averaged over the seeds first.

    Two comparisons are meant, and judged: of the variants that transfer, the one that is best on validation, against
    ``scratch`` and against the baseline that is best on validation. The others are shown, and no verdict hangs on them.

    Args:
        variants: The rows of a result, as of :func:`~recbole_idp.report.result.summarise`.
        ranks: Ranks by trial, named ``<row>-<seed>``; None where the protocol has none.
        metric: The metric, as of :func:`compared_metric`.
        watched: The metric of validation; None: ``metric``. Without validation the first rows count as the best ones.

    Returns:
        One for each pair: ``variant``, ``baseline``, ``train_users_share``, ``metric``, ``seeds``, the fields of
        :class:`~recbole_idp.evaluation.significance.Comparison`, ``judged``, and ``p_holm``: where it is judged,
        corrected for the number of those; else the plain ``p_value``. Empty without ranks.
    """
    if ranks is None:
        return []
    judged, found = _judged(variants, (watched or metric).lower()), []
    for row, variant in variants.items():
        if variant["variant"] in BASELINES:
            continue
        for base_row, baseline in variants.items():
            same_share = baseline["train_users_share"] == variant["train_users_share"]
            if baseline["variant"] in BASELINES and same_share:
                ours, theirs = _by_user(row, variant, ranks, metric), _by_user(base_row, baseline, ranks, metric)
                pair = _compared(variant, baseline, metric, ours, theirs)
                found.append({**pair, "judged": (row, base_row) in judged})
    corrected = iter(holm_corrected([one for one in found if one["judged"]]))
    return [next(corrected) if one["judged"] else {**one, "p_holm": one["p_value"]} for one in found]


def _judged(variants: Mapping[str, dict[str, Any]], watched: str) -> set[tuple[str, str]]:
    """Return the pairs of rows, variant and baseline, that are judged, for each share of the training users."""
    pairs: set[tuple[str, str]] = set()
    for share in {row["train_users_share"] for row in variants.values()}:
        rows = {name: row for name, row in variants.items() if row["train_users_share"] == share}
        transferred = {name: row for name, row in rows.items() if row["variant"] not in (*CONTROLS, CHOSEN)}
        alone = {name: row for name, row in rows.items() if row["variant"] in BASELINES}
        if transferred and alone:
            scratch = {name for name, row in alone.items() if row["variant"] == "scratch"}
            best = _best_on_validation(transferred, watched)
            pairs |= {(best, name) for name in {*scratch, _best_on_validation(alone, watched)}}
    return pairs


def _best_on_validation(rows: Mapping[str, dict[str, Any]], watched: str) -> str:
    """Return the name of the row that is best on validation; the first one where there is none."""
    return max(rows, key=lambda name: goodness(watched, rows[name]["valid"].get(watched, 0.0)))


def compare_with_baselines(
    variants: Mapping[str, dict[str, Any]],
    ranks: Ranks | None,
    baselines: Mapping[str, dict[str, Any]],
    baseline_ranks: Mapping[str, np.ndarray],
    metric: str,
) -> list[dict[str, Any]]:
    """Compare each row with baselines of the same share of the training users, which no seed decides on.

    Args:
        variants: The rows of a result, as of :func:`~recbole_idp.report.result.summarise`.
        ranks: Ranks by trial, named ``<row>-<seed>``; None where the protocol has none.
        baselines: The rows of the baselines.
        baseline_ranks: Rank of each test target by the row's name; shape [R].
        metric: The metric, as of :func:`compared_metric`.

    Returns:
        As of :func:`compare_variants`.
    """
    if ranks is None:
        return []
    found = []
    for row, variant in variants.items():
        for name, baseline in baselines.items():
            if baseline["train_users_share"] == variant["train_users_share"]:
                theirs = user_means(gains(baseline_ranks[name][np.newaxis], metric), ranks.users)
                found.append(_compared(variant, baseline, metric, _by_user(row, variant, ranks, metric), theirs))
    return holm_corrected(found)


def baseline_lines(result: dict[str, Any]) -> list[str]:
    """Put into words whether the model is above the baselines of a profile, and how these were trained.

    Args:
        result: With ``baselines`` and ``baseline_comparisons``, or without.
    """
    comparisons, lines = result.get("baseline_comparisons", []), []
    for row, baseline in result.get("baselines", {}).items():
        if baseline["strength"] is not None:
            chosen = ", chosen on validation" if baseline["valid"] else ""
            ended = "" if baseline["converged"] else "; its training was cut off before it converged"
            lines.append(f"{row} on bags of items: C {baseline['strength']:g}{chosen}{ended}")
    return [*lines, *(sentence(one, len(comparisons)) for one in comparisons)]


ALL_USERS, JOINED_USERS = "all test users", "joined users"
"""The users over whom a model is compared with itself without the join."""


def compare_joins(
    variants: Mapping[str, dict[str, Any]], ranks: Ranks | None, joined: np.ndarray | None, metric: str = METRIC
) -> list[dict[str, Any]]:
    """Compare each row with the same model without the join, over all test users and over joined users alone.

    Args:
        variants: The rows of a result, as of :func:`~recbole_idp.report.result.summarise`.
        ranks: Ranks by trial, named ``<row>-<seed>``; None where the protocol has none.
        joined: Whether the user of each test target is joined; bool, shape [R]. None: nobody is.
        metric: The metric, as of :func:`compared_metric`.

    Returns:
        As of :func:`compare_variants`, with ``over``, the users. Where all are joined, or none of the tested ones, each
        row is compared once.
    """
    if ranks is None or joined is None:
        return []
    groups = {ALL_USERS: np.ones_like(joined)}
    if joined.any() and not joined.all():
        groups[JOINED_USERS] = joined
    found = []
    for row, variant in variants.items():
        alone = variants.get(not_joined(row))
        if alone is None:
            continue
        for over, inside in groups.items():
            ours = _by_user(row, variant, ranks, metric, inside)
            theirs = _by_user(not_joined(row), alone, ranks, metric, inside)
            found.append({**_compared(variant, alone, metric, ours, theirs), "over": over})
    return holm_corrected(found)


def join_lines(joined: dict[str, Any]) -> list[str]:
    """Put into words what a result says of the same models without the join.

    Args:
        joined: The result's ``joined``, with ``comparisons`` and ``refused``.

    Returns:
        The lines.
    """
    comparisons = joined["comparisons"]
    said = {ALL_USERS: "", JOINED_USERS: "Joined users alone: "}
    lines = [said.get(one["over"], "") + sentence(one, len(comparisons)) for one in comparisons]
    rows: dict[str, list[str]] = {}
    for row, why in joined["refused"].items():
        rows.setdefault(why, []).append(row)
    return [*lines, *(f"No {', '.join(names)}: {why}" for why, names in rows.items())]


def holm_corrected(comparisons: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each comparison ``p_holm``, its ``p_value`` corrected for the number of comparisons."""
    adjusted = holm([comparison["p_value"] for comparison in comparisons])
    return [{**comparison, "p_holm": p} for comparison, p in zip(comparisons, adjusted, strict=True)]


def _compared(
    variant: dict[str, Any],
    baseline: dict[str, Any],
    metric: str,
    ours: tuple[np.ndarray, np.ndarray],
    theirs: tuple[np.ndarray, np.ndarray],
) -> dict[str, Any]:
    """Return the comparison of two rows by a metric of each user."""
    return {
        "variant": variant["variant"],
        "baseline": baseline["variant"],
        "train_users_share": variant["train_users_share"],
        "metric": metric,
        "seeds": len(variant["runs"]),
        **asdict(compare(ours, theirs)),
    }


def _by_user(
    row: str, variant: dict[str, Any], ranks: Ranks, metric: str, inside: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return users and their means over seeds and targets; of some targets alone where ``inside`` says so."""
    values = gains(np.stack([ranks.trials[f"{row}-{run['seed']}"] for run in variant["runs"]]), metric)
    users = np.asarray(ranks.users)
    return user_means(values, users) if inside is None else user_means(values[:, inside], users[inside])


def verdicts(comparisons: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Decide whether transfer helped, for each comparison that is judged.

    Args:
        comparisons: What :func:`compare_variants` returns.

    Returns:
        ``baseline``, ``train_users_share``, ``variant`` and ``helped``: ``yes`` where the variant is significantly
        above the baseline, ``no`` where it is significantly below it, ``unclear`` otherwise.
    """
    return [
        {
            **{key: one[key] for key in ("baseline", "train_users_share", "variant")},
            "helped": "unclear" if one["p_holm"] >= LEVEL else "yes" if one["ours"] > one["theirs"] else "no",
        }
        for one in comparisons
        if one["judged"]
    ]


def comparison_lines(result: dict[str, Any]) -> list[str]:
    """Put into words what the comparisons of a result show, and whether that was predicted.

    Args:
        result: With ``comparisons``, ``transfer_helped`` and, where one was made, ``prediction``.

    Returns:
        The lines.
    """
    # Results of earlier versions judge all.
    judged = sum(one.get("judged", True) for one in result["comparisons"])
    lines = [sentence(comparison, judged) for comparison in result["comparisons"]]
    lines += [_verdict(verdict) for verdict in result["transfer_helped"]]
    if prediction := result.get("prediction"):
        lines.append(_judgement(prediction, result["transfer_helped"]))
    return lines


def prediction_line(prediction: dict[str, Any]) -> str:
    """Put a prediction into words.

    Args:
        prediction: With ``verdict`` (``likely``, ``unclear`` or ``unlikely``) and ``reason``.

    Returns:
        For example ``Transfer is likely to help: ...``.
    """
    verdict = prediction["verdict"]
    said = "It is unclear whether transfer helps" if verdict == "unclear" else f"Transfer is {verdict} to help"
    return f"{said}: {prediction['reason']}"


def sentence(comparison: dict[str, Any], comparisons: int = 1) -> str:
    """Put one comparison into words.

    Args:
        comparison: One of :func:`compare_variants`.
        comparisons: Number of comparisons that Holm's correction allows for.

    Returns:
        For example ``fine_tune is 9.2 % above scratch in NDCG@10 (95 % interval 4.1 to 14.0 %, p = 0.0003, paired over
        4,905 users and 5 seeds)``. One that is not judged has the plain p-value, and no remark on chance.
    """
    variant, baseline, metric = comparison["variant"], comparison["baseline"], comparison["metric"]
    if comparison["gain"] is None:
        difference = f"{variant} has {metric} {comparison['ours']:.4f} and {baseline} 0"
    else:
        side = "above" if comparison["gain"] >= 0 else "below"
        difference = f"{variant} is {100 * abs(comparison['gain']):.1f} % {side} {baseline} in {metric}"
    facts = []
    if comparison["interval"]:
        low, high = comparison["interval"]
        facts.append(f"95 % interval {100 * low:.1f} to {100 * high:.1f} %")
    p, judged = comparison["p_holm"], comparison.get("judged", True)
    facts.append("p < 0.0001" if p < 1e-4 else f"p = {p:.2g}")
    if not judged:
        facts[-1] += ", not corrected"
    elif comparisons > 1:
        facts[-1] += f" by Holm for {comparisons} comparisons"
    seeds = comparison["seeds"]
    facts.append(f"paired over {comparison['users']:,} users" + (f" and {seeds} seeds" if seeds > 1 else ", one seed"))
    chance = ": this may be chance" if judged and p >= LEVEL else ""
    return f"{_share(comparison)}{difference} ({', '.join(facts)}){chance}"


def _share(about: dict[str, Any]) -> str:
    """Return the start of a line about a share of the training users; empty for all of them."""
    share = about.get("train_users_share", 1)
    return "" if share == 1 else f"With {100 * share:.4g} % of the training users: "


_WORDS = {
    "yes": "Transfer helped against {baseline}: {variant} is significantly above it",
    "no": "Transfer did harm against {baseline}: {variant} is significantly below it",
    "unclear": "Transfer made no difference to {baseline} beyond chance: {variant}, of what transfers the best on "
    "validation, is not told apart from it",
}


def _verdict(verdict: dict[str, Any]) -> str:
    return _share(verdict) + _WORDS[verdict["helped"]].format(**verdict)


def _judgement(prediction: dict[str, Any], comparisons: Sequence[dict[str, Any]]) -> str:
    """Compare the prediction with the result against training from scratch on the same share of the users."""
    line = f"Predicted before training: {prediction_line(prediction)}"
    share = prediction["train_users_share"]
    helped = [one["helped"] for one in comparisons if (one["baseline"], one["train_users_share"]) == ("scratch", share)]
    if not helped or prediction["verdict"] == "unclear":
        return line
    right = (helped[0] == "yes") == (prediction["verdict"] == "likely")
    return f"{line}. Against scratch {'so it came out' if right else 'it came out otherwise'}"
