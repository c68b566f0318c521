"""The task ``warm-up``: how often targeted training should start anew from the universal model (arXiv 2412.06308).

The target's events, and those of the sources, are replayed slice by slice. After each slice the targeted model is
tested on the next one; what is compared is after how many slices it is started from the newest universal model again.
"""

import logging
import shutil
import statistics
import time
from pathlib import Path

from recbole_idp.config.derive import data_root, derive, given_values
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.data.catalog import locate
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.domain_texts import check_any_text, texts_by_domain
from recbole_idp.errors import UserError
from recbole_idp.models.precise.replay import METRICS, Replay, restart
from recbole_idp.models.precise.slices import load_slices
from recbole_idp.models.precise.token_states import token_vectors
from recbole_idp.report.warm_up import FORMAT, PLOT, plot_warm_up, warm_up_text
from recbole_idp.run.prepare import prepare
from recbole_idp.storage.environment import command_line, versions
from recbole_idp.storage.files import fingerprint, unused, write_json
from recbole_idp.train.clock import StageClock, peak_memory_mb

_PARTS = ("all", "new")
# Keys with other values than these mean nothing here, or would let the future in: k-core filters count events of all
# slices, and a universal model was trained on all of them.
_ALL_EVENTS = (None, "[0,inf)", "[1,inf)")
_ONLY = {
    "train_users_share": (1.0,),
    "few_shot": (None,),
    "pretrained": (None,),
    "user_inter_num_interval": _ALL_EVENTS,
    "item_inter_num_interval": _ALL_EVENTS,
}


def warm_up(config):
    """Replay a target for each period, print a table, and write the figures and a plot.

    Args:
        config (Config): The configuration; ``warm_up_period`` lists the periods.

    Returns:
        dict: The result, as saved.

    Raises:
        UserError: Something in the data or the configuration is wrong.
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
            tokens = sliced_tokens(config, data)
    seeds, folders = config["seeds"] or [config["seed"]], []
    outcomes = {period: [] for period in config["warm_up_period"]}
    for seed in seeds:
        settings = derive(config, seed=seed)
        folders.append(unfinished_folder(settings, data))
        replay = Replay(settings, data, tokens, folders[-1], clock)
        found = {period: [] for period in outcomes}
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
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    print(warm_up_text(result, path))
    return result


def check_study(config):
    """Check what a replay needs before any work.

    Raises:
        UserError: The model has no two stages, a key has no meaning here, or a period never comes.
    """
    if config["model"] != "PRECISE":
        raise UserError(f"warm-up replays the two stages of PRECISE, and {config['model']} has none: --model=PRECISE")
    for key, values in _ONLY.items():
        if config[key] not in values:
            raise UserError(f"{key} has no meaning for warm-up, which replays all that happened: remove it")
    if config["rm_dup_inter"] == "last":
        raise UserError("rm_dup_inter=last drops an event for the sake of a later one: warm-up takes first, or none")
    if config["eval_args"]["mode"]["test"] != "full":
        raise UserError(f"warm-up ranks all items: remove mode {config['eval_args']['mode']['test']} from eval_args")
    longest, count = max(config["warm_up_period"]), config["warm_up_slices"]
    if longest >= count:
        raise UserError(
            f"warm_up_period {longest} never comes within warm_up_slices {count}, the last of which is only tested on: "
            "give a lower period, 0 for never, or more slices"
        )


def sliced_tokens(config, data):
    """Make the first token vectors of all items; what is fitted for it knows the texts of the first part alone.

    Args:
        config (Config): With the keys of texts and text encoder.
        data (SlicedData): The items, and where their texts lie.

    Returns:
        np.ndarray: Of the universal items 1 to N - 1; shape [N - 1, M, W].

    Raises:
        UserError: A dataset has no texts, or the encoder cannot be loaded.
    """
    item_domain, item_tokens = zip(*data.universal.items[1:], strict=True)
    texts = [""] * len(item_tokens)
    for _, _, places, found in texts_by_domain(config, data.locations, item_domain, item_tokens):
        for place, text in zip(places, found, strict=True):
            texts[place] = text
    known = texts[: data.universal.n_items(0) - 1]
    check_any_text(known, f"{config['dataset']} before the first slice", "text_fields")
    return token_vectors(config, texts, known)


def unfinished_folder(config, data):
    """Return the folder of what an interrupted replay with the same data and settings has finished.

    Which periods are compared does not matter: they share what they have in common.
    """
    values = values_that_affect(given_values(config), config["model"], Affects.ALL | Affects.STUDY)
    hashes = [content_hashes(location) for location in data.locations]
    folder = Path(config["checkpoint_dir"]) / f"unfinished-warm-up-{fingerprint([values, hashes, versions()])}"
    if folder.is_dir():
        logging.getLogger().info(f"An interrupted replay with the same data and settings goes on: {folder}")
    return folder


def slice_sizes(data):
    """Return for each slice its number, when it begins, its events, and the items that are there by its end."""
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


def summarise(of_seeds):
    """Average the outcomes of one period.

    The first outcome is left out of the means: nothing can have been started anew by then, and nothing is new.

    Args:
        of_seeds (list[list[dict]]): For each seed the outcomes of :meth:`Replay.outcome`, slice after slice.

    Returns:
        dict: Under ``all`` and ``new`` the number of events, and by metric the mean over them (of the seeds, None where
        there is no event) and, with several seeds, the standard deviation ``<metric>_deviation`` (n - 1); and
        ``runs``, the outcomes themselves.
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
