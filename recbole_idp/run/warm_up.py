"""The task ``warm-up``: how often to restart targeted training from the universal model (PRECISE, arXiv 2412.06308).

The events of target and sources are replayed slice by slice. After each slice the targeted model is tested on the next
one. The periods after which it restarts from the newest universal model are compared.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.config.derive import data_root, derive, given_values
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.data.catalog import locate
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.domain_texts import check_any_text, texts_by_domain
from recbole_idp.data.reading import ALL_EVENTS
from recbole_idp.errors import UserError
from recbole_idp.models.precise.keys import FusionSettings
from recbole_idp.models.precise.replay import METRICS, Replay, restart
from recbole_idp.models.precise.slices import load_slices
from recbole_idp.models.precise.token_states import token_vectors
from recbole_idp.report.warm_up import FORMAT, PLOT, plot_warm_up, warm_up_text
from recbole_idp.run.prepare import prepare
from recbole_idp.storage.environment import command_line, versions
from recbole_idp.storage.files import fingerprint, unused, write_json
from recbole_idp.storage.locks import alone
from recbole_idp.train.clock import StageClock, peak_memory_mb

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from recbole.config import Config

    from recbole_idp.models.precise.slices import SlicedData

_PARTS = ("all", "new")
# Keys with other values than these mean nothing here, or would let the future in: k-core filters count events of all
# slices, and a universal model was trained on all of them.
_ONLY = {
    "train_users_share": (1.0,),
    "few_shot": (None,),
    "pretrained": (None,),
    "benchmark_filename": (None,),
    "user_inter_num_interval": ALL_EVENTS,
    "item_inter_num_interval": ALL_EVENTS,
}


def warm_up(config: Config) -> dict[str, Any]:
    """Replay a target with each period, print a table, and write figures and a plot.

    Args:
        config: The configuration; ``warm_up_period`` lists the periods.

    Returns:
        The result, as saved.

    Raises:
        UserError: The data or the configuration are wrong.
    """
    check_study(config)
    prepare(config)
    clock = StageClock()
    location = locate(config["dataset"], data_root(config))
    with clock.stage("read", f"reading {', '.join([config['dataset'], *config['source_domains']])}, cut by time"):
        data = load_slices(config, location)
    tokens = None
    if config["fusion"] != "id_only":
        with clock.stage("encode", f"making token vectors of {len(data.universal.items) - 1:,} texts"):
            tokens = sliced_tokens(TextEncoding.of(config), FusionSettings.of(config), data)
    seeds = config["seeds"] or [config["seed"]]
    folders = {seed: unfinished_folder({**given_values(config), "seed": seed}, data) for seed in seeds}
    # In one order, so that two studies never wait for each other.
    locks = sorted(folder.with_name(f".{folder.name}.lock") for folder in set(folders.values()))
    with contextlib.ExitStack() as held:
        for lock in locks:
            held.enter_context(alone(lock, "the same replay"))
        return _study(config, data, tokens, folders, clock)


def _study(
    config: Config, data: SlicedData, tokens: np.ndarray | None, folders: Mapping[int, Path], clock: StageClock
) -> dict[str, Any]:
    """Replay with each period and seed, each in its folder; see :func:`warm_up`."""
    seeds = list(folders)
    outcomes: dict[int, list[list[dict[str, Any]]]] = {period: [] for period in config["warm_up_period"]}
    for seed, folder in folders.items():
        replay = Replay(derive(config, seed=seed), data, tokens, folder, clock)
        found: dict[int, list[dict[str, Any]]] = {period: [] for period in outcomes}
        for last in range(config["warm_up_slices"]):
            for period, of_slices in found.items():
                of_slices.append(replay.outcome(restart(period, last), last))
        for period, of_slices in found.items():
            outcomes[period].append(of_slices)
    # Never is the longest period.
    periods = sorted(outcomes, key=lambda period: (period == 0, period))
    result = {
        "task": "warm-up",
        "model": config["model"],
        "dataset": config["dataset"],
        "sources": config["source_domains"],
        "seeds": seeds,
        "slices": slice_sizes(data),
        "periods": {str(period): summarise(outcomes[period]) for period in periods},
        "stages": clock.stages,
        "peak_memory_mb": peak_memory_mb(),
        "config": given_values(config),
        "versions": versions(),
        "command": command_line(),
    }
    stem = f"warm-up-{config['model']}-{config['dataset']}-{seeds[0]}-{time.strftime('%b-%d-%Y_%H-%M-%S')}"
    path = unused(config["result_dir"], stem, ".json")
    write_json(path, {"format": FORMAT, **result})
    plot_warm_up(result, path.with_suffix(PLOT))
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
    print(warm_up_text(result, path))
    return result


def check_study(config: Config) -> None:
    """Check the configuration of a replay before any work.

    Raises:
        UserError: The model does not have two stages, a key has no meaning here, or a period is never reached.
    """
    if config["model"] != "PRECISE":
        raise UserError(f"warm-up replays the two stages of PRECISE, and {config['model']} has none: --model=PRECISE")
    for key, values in _ONLY.items():
        if config[key] not in values:
            raise UserError(f"{key} has no meaning for warm-up, which replays all events: remove it")
    if config["rm_dup_inter"] == "last":
        raise UserError("rm_dup_inter=last drops an earlier event because of a later one: warm-up takes first, or none")
    if config["eval_args"]["mode"]["test"] != "full":
        raise UserError(f"warm-up ranks all items: remove mode {config['eval_args']['mode']['test']} from eval_args")
    longest, count = max(config["warm_up_period"]), config["warm_up_slices"]
    if longest >= count:
        raise UserError(
            f"warm_up_period {longest} never comes within warm_up_slices {count}, the last of which is only tested on: "
            "give a lower period, 0 for never, or more slices"
        )


def sliced_tokens(encoding: TextEncoding, fusion: FusionSettings, data: SlicedData) -> np.ndarray:
    """Make the initial token vectors of all items, fitted to the texts of the first slice alone.

    Args:
        encoding: Columns of the texts, and their encoder.
        fusion: Number and width of the vectors.
        data: The items, and the locations of their texts.

    Returns:
        Token vectors of the universal items 1 to N - 1; shape [N - 1, M, W].

    Raises:
        UserError: A dataset has no texts, or the encoder cannot be loaded.
    """
    item_domain, item_tokens = zip(*data.universal.items[1:], strict=True)
    texts = [""] * len(item_tokens)
    by_domain = texts_by_domain(data.locations, item_domain, item_tokens, encoding.fields, encoding.file_format)
    for _, _, places, found in by_domain:
        for place, text in zip(places, found, strict=True):
            texts[place] = text
    known = texts[: data.universal.n_items(0) - 1]
    check_any_text(known, f"{data.locations[0].name} before the first slice", "text_fields")
    return token_vectors(encoding, fusion, texts, known)


def unfinished_folder(values: Mapping[str, Any], data: SlicedData) -> Path:
    """Return the folder of an interrupted replay with the same data and settings.

    The compared periods do not count, as they share their common parts.

    Args:
        values: Value of every key.
        data: The slices.
    """
    deciding = values_that_affect(values, values["model"], Affects.ALL | Affects.STUDY)
    hashes = [content_hashes(location) for location in data.locations]
    folder = Path(values["checkpoint_dir"]) / f"unfinished-warm-up-{fingerprint([deciding, hashes, versions()])}"
    if folder.is_dir():
        logging.getLogger().info(f"An interrupted replay with the same data and settings resumes: {folder}")
    return folder


def slice_sizes(data: SlicedData) -> list[dict[str, Any]]:
    """Return for each slice its number, start time, number of events, and number of items up to its end."""
    begins = [None, *data.edges]
    return [
        {
            "slice": number,
            "begins": begin,
            "events": int((data.universal.slices == number).sum()),
            "targeted_events": int((data.targeted.slices == number).sum()),
            "items": data.targeted.n_items(number) - 1,
        }
        for number, begin in enumerate(begins)
    ]


def summarise(of_seeds: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Average the outcomes of one period.

    The means exclude the first outcome: by then there was no restart, and no item is new.

    Args:
        of_seeds: For each seed, slice by slice, the results of
            :meth:`~recbole_idp.models.precise.replay.Replay.outcome`.

    Returns:
        Under ``all`` and ``new`` the number of events and, for each metric, the mean over events and seeds (None where
        there is no event) and, with several seeds, the standard deviation ``<metric>_deviation`` (n - 1); under
        ``runs`` the outcomes.
    """
    summary = {}
    for part in _PARTS:
        found = [[outcome[part] for outcome in outcomes[1:] if outcome[part]["events"]] for outcomes in of_seeds]
        events = sum(one["events"] for one in found[0])
        summary[part] = {"events": events}
        for metric in METRICS:
            means = [sum(one["events"] * one[metric] for one in of_seed) / events for of_seed in found if events]
            summary[part][metric] = round(statistics.fmean(means), 6) if means else None
            if len(means) > 1:
                summary[part][f"{metric}_deviation"] = round(statistics.stdev(means), 6)
    return {**summary, "runs": of_seeds}
