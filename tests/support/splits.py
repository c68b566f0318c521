"""Toy events with real times, and files of the splits that users bring."""

import numpy as np

HEADER = "user_id:token\titem_id:token\ttimestamp:float"
HISTORIES = "user_id:token\titem_id_list:token_seq\titem_id:token"
NAMES = ("train", "valid", "test")
BENCHMARK = {"benchmark_filename": list(NAMES)}
BY_TIME = {"eval_args": {"split": {"TS": [0.8, 0.1, 0.1]}}}


def timed_events(seed=0, users=40, n_items=24):
    """Returns events (user, item, time) of users who begin at different times, the last ten late and with new items.

    Times tie, items repeat, and the order is no order of time.
    """
    draw = np.random.default_rng(seed)
    found = []
    for user in range(users):
        late = user >= users - 10
        start = 5000 + 40 * int(draw.integers(10)) if late else int(draw.integers(5000))
        first = int(draw.integers(n_items - 4, n_items) if late else draw.integers(n_items))
        for step in range(int(draw.integers(2, 10))):
            item = (first + step - (draw.random() < 0.2)) % (n_items + (8 if late else 0))
            found.append((f"u{user}", f"i{item}", 1_300_000_000.0 + start + 50 * step * int(draw.integers(0, 4))))
    return [found[place] for place in draw.permutation(len(found))]


def in_time(events):
    """Returns events in the order of time; those of one time keep their order."""
    return sorted(events, key=lambda event: event[2])


def cut(events):
    """Returns the events in the order of time in three parts of 80, 10 and 10 %."""
    ordered, count = in_time(events), len(events)
    return ordered[: int(0.8 * count)], ordered[int(0.8 * count) : int(0.9 * count)], ordered[int(0.9 * count) :]


def write_file(folder, name, header, rows):
    (folder / name.split(".")[0]).mkdir(parents=True, exist_ok=True)
    lines = [
        header,
        *("\t".join(f"{value:.0f}" if isinstance(value, float) else value for value in row) for row in rows),
    ]
    (folder / name.split(".")[0] / name).write_text("\n".join(lines) + "\n")


def write_items(folder, name, count=40):
    rows = [(f"i{item}", f"thing number {item}") for item in range(count)]
    write_file(folder, f"{name}.item", "item_id:token\ttitle:token_seq", rows)


def write_times(folder, events, name="times"):
    """Writes one file of events."""
    write_file(folder, f"{name}.inter", HEADER, events)
    write_items(folder, name)


def write_plain(folder, parts, name="plain"):
    """Writes a fixed split as plain rows."""
    for part, rows in zip(NAMES, parts, strict=True):
        write_file(folder, f"{name}.{part}.inter", HEADER, rows)
    write_items(folder, name)


def histories(parts, longest=None):
    """Returns the rows (user, history, item) of parts in the order of time, histories cut to a length."""
    before, found = {}, []
    for part in parts:
        rows = []
        for user, item, _ in part:
            own = before.setdefault(user, [])
            if own:
                rows.append((user, " ".join(own if longest is None else own[-longest:]), item))
            own.append(item)
        found.append(rows)
    return found


def write_histories(folder, rows, name="lists"):
    """Writes a fixed split as RecBole documents it."""
    for part, some in zip(NAMES, rows, strict=True):
        write_file(folder, f"{name}.{part}.inter", HISTORIES, some)
    write_items(folder, name)


def write_all(folder, events=None):
    """Writes the same events as one file, as plain rows and as rows with histories; returns the parts of the latter."""
    events = timed_events() if events is None else events
    write_times(folder, events)
    write_plain(folder, cut(events))
    write_histories(folder, histories(cut(events)))
    return cut(events)


SPLITS = {"times": BY_TIME, "plain": BENCHMARK, "lists": BENCHMARK}
"""Keys of a run on each of these datasets."""
