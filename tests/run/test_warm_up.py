"""A replay over slices of time: nothing of the future, what restarts and when, resuming, and the study's figures."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
import torch

from recbole_idp import testing
from recbole_idp.cli.main import main
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.data.catalog import locate
from recbole_idp.models.precise.keys import FusionSettings
from recbole_idp.models.precise.model import transferable
from recbole_idp.models.precise.replay import Replay, restart
from recbole_idp.models.precise.slices import load_slices
from recbole_idp.report.warm_up import plot_warm_up, warm_up_text
from recbole_idp.run.warm_up import sliced_tokens, summarise
from recbole_idp.testing.toy import settings
from recbole_idp.train.clock import StageClock
from tests.support.commands import options, refused
from tests.support.precise import SMALL

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

SLICES = 4
WARM = {
    **{"warm_up_slices": SLICES, "warm_up_start": 0.4, "warm_up_period": [0, 1, 2], "source_domains": []},
    **{"pretrain_epochs": 2, "warm_up_universal_epochs": 1, "warm_up_targeted_epochs": 2, "warm_up_slice_epochs": 1},
    **{"pretrain_epoch_steps": 1, "hidden_dropout_prob": 0.1},
}


def events(n_items=24, users=60):
    """Draws events of a shop that opens with half of its items; a later one follows every 10 seconds."""
    draw, found = np.random.default_rng(3), []
    for user in range(users):
        time = int(draw.integers(0, 100))
        item = int(draw.integers(n_items))
        for _ in range(int(draw.integers(4, 9))):
            there = n_items // 2 + time // 10
            item = (item + 1) % min(there, n_items)
            rating = int(draw.integers(2, 6))
            found.append((f"u{user}", f"i{item}", rating, time))
            time += int(draw.integers(1, 9))
    return found


def write(folder, rows, name="films", ratings=True):
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    lines += ["\t".join(map(str, row)) for row in rows]
    if not ratings:
        lines = ["\t".join(np.array(line.split("\t"))[[0, 1, 3]]) for line in lines]
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}.inter").write_text("\n".join(lines) + "\n")
    items = sorted({row[1] for row in rows})
    texts = [f"{item}\tfilm number {item[1:]} of the year {1990 + int(item[1:])}" for item in items]
    (folder / name / f"{name}.item").write_text("\n".join(["item_id:token\ttitle:token_seq", *texts]) + "\n")


def configured(folder, dataset="films", **changes):
    return testing.configured(folder, "PRECISE", dataset, **{**SMALL, **WARM, **changes})


def replayed(folder, kept="kept", **changes):
    config = configured(folder, **changes)
    data = load_slices(config, locate(config["dataset"], str(folder)))
    tokens = sliced_tokens(TextEncoding.of(config), FusionSettings.of(config), data)
    return Replay(config, data, tokens, folder / kept, StageClock())


def everything(replay, periods=(0, 1, 2)):
    """Returns the outcomes of all periods."""
    pairs = {(restart(period, last), last) for period in periods for last in range(SLICES)}
    return {pair: replay.outcome(*pair) for pair in sorted(pairs, key=lambda pair: (pair[1], pair[0]))}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the films, and what an uninterrupted replay yields."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write(folder, events())
        return folder, everything(replayed(folder))


def test_events_are_cut_by_time_and_items_numbered_as_they_are_published(workplace):
    rows = events()
    write(workplace, rows)
    config = configured(workplace)
    data = load_slices(config, locate("films", str(workplace)))
    slice_of = {row: int(np.searchsorted(data.edges, row[3], side="right")) for row in rows}
    for stream, own in ((data.universal, rows), (data.targeted, [row for row in rows if row[2] >= 4])):
        assert stream.items[0] == (-1, "[PAD]") and stream.items == data.universal.items
        first = {}
        for row in rows:
            first[row[1]] = min(first.get(row[1], SLICES), slice_of[row])
        assert [first[token] for _, token in stream.items[1:]] == sorted(first.values()) == stream.first[1:].tolist()
        tokens = [stream.items[item][1] for item in stream.sequences.items.tolist()]
        counted = Counter(zip(tokens, stream.slices.tolist(), strict=True))
        assert counted == Counter((row[1], slice_of[row]) for row in own)
        # Each user's events stand in the order of time.
        sequences = {
            user: [row[1] for row in sorted(own, key=lambda row: row[3]) if row[0] == user] for user, *_ in own
        }
        offsets = stream.sequences.offsets.tolist()
        found = [tokens[begin:end] for begin, end in itertools.pairwise(offsets) if end > begin]
        assert sorted(found) == sorted(sequences.values())
    sizes = torch.bincount(data.universal.slices).tolist()
    # No more than the events of one second away from equal parts.
    assert len(sizes) == SLICES + 1 and abs(sizes[0] - 0.4 * len(rows)) < 12 and max(sizes[1:]) - min(sizes[1:]) < 24
    assert torch.equal(data.rows, torch.arange(len(data.universal.items)))


def test_what_is_seen_until_a_slice_has_nothing_of_later_ones(workplace):
    write(workplace, events())
    stream = load_slices(configured(workplace), locate("films", str(workplace))).universal
    for last in range(SLICES + 1):
        seen = stream.until(last)
        assert int(seen.slices.max()) == last and int(seen.sequences.items.max()) < stream.n_items(last)
        targets = seen.targets(last, last)
        assert set(seen.slices[targets.ends].tolist()) == {last}
        # All but the first events of users, and their histories reach back into earlier slices.
        firsts = set(seen.sequences.offsets[:-1].tolist())
        assert len(targets) == sum(place not in firsts for place in (seen.slices == last).nonzero().squeeze(1).tolist())
        if last:
            starts = seen.slices[targets.starts]
            assert int(starts.min()) < last
    known = stream.until(2, stream.n_items(1))
    assert int(known.slices.max()) == 2 and int(known.sequences.items.max()) < stream.n_items(1)


def test_no_outcome_depends_on_what_happens_later(made, workplace):
    _, expected = made
    rows = events()
    data = load_slices(configured(made[0]), locate("films", str(made[0])))
    begins = data.edges[-1]
    draw, there = np.random.default_rng(9), sorted({row[1] for row in rows})
    others = [
        row if row[3] < begins else (row[0], f"i{draw.integers(20, 40)}", int(draw.integers(1, 6)), row[3])
        for row in rows
    ]
    assert others != rows and {row[1] for row in others} != set(there)
    write(workplace, others)
    found = everything(replayed(workplace))
    for (start, last), outcome in found.items():
        # The last slice is other, so that only what is tested on it may be.
        if last + 1 < SLICES:
            assert outcome == expected[start, last]
        else:
            assert outcome != expected[start, last] and outcome["items"] == expected[start, last]["items"]


def test_events_are_ranked_among_the_items_that_are_published(made):
    folder, outcomes = made
    data = load_slices(configured(folder), locate("films", str(folder)))
    stream = data.targeted
    for (_, last), outcome in outcomes.items():
        assert outcome["slice"] == last + 1 and outcome["items"] == stream.n_items(last) - 1
        of_slice = stream.sequences.items[stream.slices == last + 1]
        assert outcome["unpublished"] == int((of_slice >= stream.n_items(last)).sum())
        assert outcome["all"]["events"] + outcome["unpublished"] <= len(of_slice)
        assert outcome["new_items"] == stream.n_items(last) - stream.n_items(0)
        assert outcome["new"]["events"] <= outcome["all"]["events"]
    assert outcomes[0, 0]["new"] == {"events": 0, "recall@10": None, "ndcg@10": None}
    assert outcomes[0, SLICES - 1]["new"]["events"] > 0
    assert any(outcome["unpublished"] for outcome in outcomes.values())


def test_new_items_are_those_of_the_latest_slices_where_a_number_is_given(workplace):
    write(workplace, events())
    replay = replayed(workplace, warm_up_new_slices=1, warm_up_period=[0])
    stream = replay.data.targeted
    assert replay.outcome(0, 2)["new_items"] == stream.n_items(2) - stream.n_items(1)
    assert replay.outcome(0, 0)["new_items"] == 0


def test_all_events_with_new_items_are_ranked_where_others_are_drawn(made, workplace):
    write(workplace, events())
    found = replayed(workplace, warm_up_test_events=1).outcome(0, 3)
    assert found["all"]["events"] == 1 and found["new"] == made[1][0, 3]["new"] and found["new"]["events"] > 1
    assert made[1][0, 3]["all"]["events"] > 20


def test_never_leaves_the_universal_model_of_the_first_part_and_each_slice_takes_the_newest(workplace):
    write(workplace, events())
    replay = replayed(workplace)
    for last in range(SLICES):
        replay.outcome(restart(0, last), last)
    assert [path.name for path in sorted((workplace / "kept").glob("universal-*"))] == ["universal-000.safetensors"]
    for last in range(SLICES):
        start = restart(1, last)
        assert start == last
        model, _ = replay.started(start, last)
        universal, rows = replay.universal(last), replay.data.rows[: model.n_items]
        assert len(rows) == replay.data.targeted.n_items(last)
        for name, value in transferable(model).items():
            per_item = name in ("fusion.ids", "fusion.tokens", "fusion.present")
            assert torch.equal(value, universal[name][rows] if per_item else universal[name])
    assert [restart(2, last) for last in range(5)] == [0, 0, 2, 2, 4]
    assert [restart(0, last) for last in range(5)] == [0] * 5


def test_a_model_that_goes_on_keeps_its_weights_and_new_items_join_with_the_vectors_of_their_texts(workplace):
    write(workplace, events())
    replay = replayed(workplace)
    before, (model, _) = replay.targeted(0, 0), replay.started(0, 1)
    state, known = model.state_dict(), replay.data.targeted.n_items(0)
    assert model.n_items == replay.data.targeted.n_items(1) > known
    for name, value in before.items():
        assert torch.equal(state[name][: len(value)], value)
    tokens = torch.from_numpy(replay.tokens[replay.data.rows[1:] - 1]).flatten(1)
    assert torch.equal(state["fusion.tokens"][known:], tokens[known - 1 : model.n_items - 1])
    assert state["fusion.tokens"][known:].abs().sum() > 0 and state["fusion.ids"][known:].abs().sum() > 0
    universal = replay.universal(1)
    assert len(universal["fusion.ids"]) == model.n_items
    assert not torch.equal(universal["fusion.ids"][:known], replay.universal(0)["fusion.ids"])


def test_what_is_fitted_to_texts_knows_those_of_the_first_part_alone(made, workplace):
    folder, _ = made
    first = replayed(folder, "unused")
    write(workplace, events())
    path = workplace / "films" / "films.item"
    lines = path.read_text().splitlines()
    late = {
        token
        for (_, token), begin in zip(first.data.universal.items, first.data.universal.first, strict=True)
        if begin > 0
    }
    lines = [f"{line} 1990 1991 1992" if line.split("\t")[0] in late else line for line in lines]
    path.write_text("\n".join(lines) + "\n")
    known = first.data.universal.n_items(0) - 1
    found = replayed(workplace).tokens
    assert np.array_equal(found[:known], first.tokens[:known]) and not np.array_equal(found, first.tokens)


@pytest.mark.slow
def test_an_interrupted_replay_ends_like_an_uninterrupted_one(made, workplace):
    _, expected = made
    write(workplace, events())
    replayed(workplace).universal(1)
    replay = replayed(workplace)
    replay.outcome(0, 1)
    replay.targeted(1, 1)
    kept = {path: path.stat().st_mtime_ns for path in (workplace / "kept").iterdir()}
    assert everything(replayed(workplace)) == expected
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in (workplace / "kept").iterdir()}.items()


def test_sources_are_cut_at_the_same_times_and_shared_users_merged(workplace):
    write(workplace, events())
    write(
        workplace, [(user, f"x{item[1:]}", 5, time) for user, item, _, time in events(users=40)], "other", ratings=False
    )
    (workplace / "other" / "other.item").write_text(
        "item_id:token\ttitle:token_seq\n" + "\n".join(f"x{number}\tthing {number}" for number in range(24)) + "\n"
    )
    changes = {"source_domains": ["other"], "shared_users": [["films", "other"]]}
    replay = replayed(workplace, **changes)
    data = replay.data
    domains = np.array([number for number, _ in data.universal.items])
    assert set(domains[1:]) == {0, 1} and len(data.targeted.items) < len(data.universal.items)
    assert [data.universal.items[row] for row in data.rows] == data.targeted.items
    users = len(data.universal.sequences.lengths().nonzero())
    assert users == 60
    apart = load_slices(configured(workplace, source_domains=["other"]), locate("films", str(workplace)))
    assert len(apart.universal.sequences.lengths().nonzero()) == 100
    assert 0 <= replay.outcome(1, 1)["all"]["recall@10"] <= 1


def test_means_count_each_event_once_and_leave_out_the_first_outcome():
    def outcome(events, recall):
        return {"events": events, "recall@10": recall, "ndcg@10": recall}

    none = outcome(0, None)
    runs = [
        [
            {"all": outcome(9, 1.0), "new": none},
            {"all": outcome(2, 0.5), "new": none},
            {"all": outcome(6, 0.1), "new": outcome(3, share)},
        ]
        for share in (0.2, 0.4)
    ]
    found = summarise(runs)
    assert found["all"]["events"] == 8 and found["all"]["recall@10"] == pytest.approx(0.2)
    assert found["new"]["events"] == 3 and found["new"]["recall@10"] == pytest.approx(0.3)
    assert found["new"]["recall@10_deviation"] == pytest.approx(0.141421) and found["all"]["ndcg@10_deviation"] == 0
    assert summarise([[run[0] for run in runs]])["new"] == {"events": 0, "recall@10": None, "ndcg@10": None}


def test_a_study_without_new_items_is_drawn_and_told(tmp_path):
    none = {"events": 0, "recall@10": None, "ndcg@10": None}
    outcome = {"all": {"events": 3, "recall@10": 0.0, "ndcg@10": 0.0}, "new": none, "unpublished": 0}
    result = {
        **{"model": "PRECISE", "dataset": "a$b$c", "seeds": [1], "stages": {}, "peak_memory_mb": 1},
        "slices": [{"events": 3}] * 3,
        "periods": {"1": summarise([[outcome, outcome]]), "0": summarise([[outcome, outcome]])},
        "config": {"warm_up_test_events": None},
    }
    plot_warm_up(result, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text().rstrip().endswith("</svg>")
    text = warm_up_text(result, tmp_path / "study.json")
    assert "| every slice | -" in text and "all 0 with new items" in text


def command(folder, dataset="films", **changes):
    values = {"model": "PRECISE", "dataset": dataset, **settings(folder, **{**SMALL, **WARM, **changes})}
    return ["warm-up", *options(values)]


@pytest.mark.slow
def test_the_study_prints_its_table_and_leaves_figures_and_a_plot(made, workplace, capsys):
    _, outcomes = made
    write(workplace, events())
    assert main(command(workplace, seeds=[2020, 7])) == 0
    printed = capsys.readouterr().out
    for name in ("never", "every slice", "every 2 slices", "Recall@10, new items", "NDCG@10, all items", " ± 0."):
        assert name in printed
    (path,) = (workplace / "results").glob("warm-up-PRECISE-films-2020-*.json")
    result = json.loads(path.read_text())
    assert {period: len(row["runs"][0]) for period, row in result["periods"].items()} == dict.fromkeys("012", SLICES)
    for period, row in result["periods"].items():
        assert row["runs"][0] == [outcomes[restart(int(period), last), last] for last in range(SLICES)]
    assert len(result["slices"]) == SLICES + 1
    svg = path.with_suffix(".svg").read_text()
    assert svg.rstrip().endswith("</svg>") and "</dc:date>" not in svg
    assert not list((workplace / "saved").glob("unfinished-*"))


REFUSED = {
    "a negative period": ({"warm_up_period": [0, -1]}, "warm_up_period must be 0 or more, but is -1"),
    "a period in words": ({"warm_up_period": "often"}, "each of warm_up_period must be a whole number"),
    "a period twice": ({"warm_up_period": [1, 1]}, "warm_up_period has 1 twice"),
    "no period": ({"warm_up_period": []}, "warm_up_period is empty"),
    "a period that never comes": ({"warm_up_period": [SLICES]}, "warm_up_period 4 never comes"),
    "one slice": ({"warm_up_slices": 1}, "warm_up_slices must be 2 or more"),
    "more slices than times": ({"warm_up_slices": 5000}, "warm_up_slices 5000 is more than the"),
    "no first part": ({"warm_up_start": 0}, "warm_up_slices 4 is more than the"),
    "nothing but a first part": ({"warm_up_start": 1}, "warm_up_start must be less than 1"),
    "half of the users": ({"train_users_share": 0.5}, "train_users_share has no meaning for warm-up"),
    "filters that know the future": ({"item_inter_num_interval": "[5,inf)"}, "item_inter_num_interval has no meaning"),
    "later duplicates": ({"rm_dup_inter": "last"}, "rm_dup_inter=last drops an earlier event"),
    "another protocol": ({"eval_args": {"mode": "uni100"}}, "remove mode uni100 from eval_args"),
    "a model of one stage": ({"model": "PRECISE_TT"}, "PRECISE_TT has none: --model=PRECISE"),
    "places for times": ({"dataset": "order"}, "the timestamps of order are no times but places"),
    "one time for all": ({"dataset": "still"}, "the timestamps of still are no times"),
    "no times": ({"dataset": "timeless"}, "has no column 'timestamp'"),
    "a time that is none": ({"dataset": "endless"}, "timestamp"),
}


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """Datasets whose times are wrong, each in its own way, beside one that is right."""
    folder, rows = tmp_path_factory.mktemp("strange"), events()
    write(folder, rows)
    places = Counter()
    ordered = []
    for user, item, rating, _ in rows:
        ordered.append((user, item, rating, places[user]))
        places[user] += 1
    write(folder, ordered, "order")
    write(folder, [(*row[:3], 5) for row in rows], "still")
    write(folder, [(*row[:3], "inf") if row == rows[0] else row for row in rows], "endless")
    write(folder, rows, "timeless")
    path = folder / "timeless" / "timeless.inter"
    path.write_text("\n".join(line.rpartition("\t")[0] for line in path.read_text().splitlines()) + "\n")
    return folder


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_values_are_refused_in_one_line(name, strange, workplace, capsys):
    changes, says = REFUSED[name]
    changes = {"checkpoint_dir": str(workplace / "saved"), "result_dir": str(workplace / "results"), **changes}
    refused(capsys, command(strange, **changes), says)
    assert not list(workplace.glob("results/*")) and not list(workplace.glob("saved/unfinished-*"))
