"""Hostile bundles, pre-trained folders and trained models, and their parts, sealed anew as if they were ours."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from attacks.damage import json_damages, rewritten_tensors, tensor_damages, value_damages
from attacks.kit import Attack, Yard, reseal
from attacks.samples import Samples


class Kind(NamedTuple):
    """A kind of sealed folder.

    Attributes:
        name: What it is.
        sample: A sound one.
        folder_format: Its format.
        open: Opens one, as the package does.
        tensors: Its files of tensors.
        empty_is_read: Those of them that may hold no tensor, or another one, because a model decides what it needs.
        tables: Its tables.
    """

    name: str
    sample: Path
    folder_format: Any
    open: Callable[[Path], object]
    tensors: tuple[str, ...]
    tables: tuple[str, ...] = ()


def kinds(samples: Samples) -> list[Kind]:
    """Return the kinds of sealed folders."""
    from recbole_idp.models.clue.pretrain import PretrainedCLUE
    from recbole_idp.models.conure.folder import ConureFolder
    from recbole_idp.models.idp.bundle import Bundle
    from recbole_idp.models.peterrec.pretrain import PretrainedPeterRec
    from recbole_idp.models.precise.universal import UniversalModel
    from recbole_idp.models.recformer.pretrain import PretrainedRecformer
    from recbole_idp.models.unisrec.pretrain import PretrainedUniSRec
    from recbole_idp.serving.trained_model import FORMAT, TrainedModel

    weights, items = ("weights.safetensors",), ("items.tsv",)
    tasks = (*weights, "task-1.safetensors", "task-2.safetensors")
    users = ("model.safetensors", "users.safetensors")
    return [
        Kind("bundle", samples.bundle, Bundle.folder_format, Bundle.open, ("items.safetensors",), ("items.tsv",)),
        Kind("UniSRec", samples.unisrec, PretrainedUniSRec.folder_format, PretrainedUniSRec.open, ()),
        Kind("Recformer", samples.recformer, PretrainedRecformer.folder_format, PretrainedRecformer.open, ()),
        Kind("PRECISE", samples.precise, UniversalModel.folder_format, UniversalModel.open, (), ("items.tsv",)),
        Kind("PeterRec", samples.peterrec, PretrainedPeterRec.folder_format, PretrainedPeterRec.open, weights, items),
        Kind("CLUE", samples.clue, PretrainedCLUE.folder_format, PretrainedCLUE.open, weights, items),
        Kind("Conure", samples.conure, ConureFolder.folder_format, ConureFolder.open, tasks, items),
        Kind("trained model", samples.trained, FORMAT, TrainedModel.open, users, items),
        Kind("histories as texts", samples.texts, FORMAT, TrainedModel.open, ("model.safetensors",), items),
        Kind("mixed histories", samples.mixed, FORMAT, TrainedModel.open, users, ("items.tsv", "history_items.tsv")),
    ]


def attacks(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield attacks on each kind of sealed folder."""
    for kind in kinds(samples):
        yield from _descriptions(kind, yard)
        yield from _contents(kind, yard)
        yield from _tensors(kind, yard)
        yield from _tables(kind, yard)
    yield from _heads(samples, yard)
    yield from _tasks(samples, yard)


def _descriptions(kind: Kind, yard: Yard) -> Iterator[Attack]:
    """Yield descriptions that are damaged, or say other things."""
    file = kind.folder_format.description_file
    for name, damage in json_damages(yard).items():
        folder = yard.copy(kind.sample)
        (folder / file).write_bytes(damage((folder / file).read_bytes()))
        yield Attack(f"{kind.name}: {file}: {name}", lambda folder=folder: kind.open(folder))
    changes: dict[str, dict[str, Any]] = {
        "another format": {"format": "another"},
        "a format that is a list": {"format": []},
        "a version of tomorrow": {"version": 99},
        "a version that is an object": {"version": {}},
        "no fingerprint": {"fingerprint": None},
        "domains that are a number": {"domains": 3},
        "domains without names": {"domains": [{}]},
        "no domains": {"domains": []},
        "validation that is a text": {"valid": {"ndcg@10": "\x1b]0;owned\x07"}},
        "validation that is a list": {"valid": []},
        "an encoder that is a text": {"encoder": "sasrec"},
        "an encoder of an unknown kind": {"encoder": {"kind": "os.system", "hidden_size": -1}},
    }
    read = set(kind.folder_format.schema) | {"format", "version"}
    for name, values in changes.items():
        if not set(values) <= read:
            continue
        folder = yard.copy(kind.sample)
        reseal(folder, kind.folder_format, **values)
        yield Attack(f"{kind.name}: {name}", lambda folder=folder: kind.open(folder))
    folder = yard.copy(kind.sample)
    text = (folder / file).read_text(encoding="utf-8").replace('"seed"', '"seeds"', 1)
    (folder / file).write_text(text, encoding="utf-8")
    yield Attack(f"{kind.name}: a changed description", lambda: kind.open(folder))


def _contents(kind: Kind, yard: Yard) -> Iterator[Attack]:
    """Yield folders that hold something else than their list says, or things that no folder holds."""
    secret = yard.root / "secret.txt"
    secret.write_text("not for strangers")
    first = sorted(path.name for path in kind.sample.glob("*.safetensors"))[0]

    def linked(folder: Path) -> None:
        (folder / "notes.txt").symlink_to(secret)

    def linked_weights(folder: Path) -> None:
        (folder / first).rename(folder.parent / "elsewhere")
        (folder / first).symlink_to(folder.parent / "elsewhere")

    def linked_folder(folder: Path) -> None:
        (folder / "more").symlink_to(yard.root, target_is_directory=True)

    def written(name: str, content: bytes) -> Callable[[Path], object]:
        def step(folder: Path) -> None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

        return step

    unlisted: dict[str, Callable[[Path], object]] = {
        "a file that is not listed": written("notes.txt", b"hello"),
        "a pickle that is not listed": written("pytorch_model.bin", yard.pickle()),
        "a file in a new folder": written("deep/er/notes.txt", b"hello"),
        "a hidden file": written(".hidden.json", b"{}"),
        "a link to a file elsewhere": linked,
        "weights that are a link": linked_weights,
        "a link to a folder": linked_folder,
        "a pipe": lambda folder: os.mkfifo(folder / "pipe.json"),
        "no weights": lambda folder: (folder / first).unlink(),
        "weights that are a folder": lambda folder: ((folder / first).unlink(), (folder / first).mkdir()),
        "a changed byte": lambda folder: (folder / first).write_bytes((folder / first).read_bytes()[:-1] + b"\x01"),
        "no description": lambda folder: (folder / kind.folder_format.description_file).unlink(),
    }
    for name, step in unlisted.items():
        folder = yard.copy(kind.sample)
        step(folder)
        yield Attack(f"{kind.name}: {name}", lambda folder=folder: kind.open(folder))
    listed = {
        "a listed pickle": written("model.pkl", yard.pickle()),
        "a listed program": written("evil.py", b"raise SystemExit('executed')\n"),
        "a listed library": written("evil.so", b"\x7fELF"),
        "listed weights that torch would unpickle": written("pytorch_model.bin", yard.pickle()),
    }
    for name, step in listed.items():
        folder = yard.copy(kind.sample)
        step(folder)
        reseal(folder, kind.folder_format)
        yield Attack(f"{kind.name}: {name}", lambda folder=folder: kind.open(folder))
    for name, path in (("up", "../secret.txt"), ("of the system", "/etc/hostname"), ("up and down", "a/../../x.json")):
        folder = yard.copy(kind.sample)
        _list_also(folder, kind.folder_format, path)
        yield Attack(f"{kind.name}: a listed path {name}", lambda folder=folder: kind.open(folder))
    yield Attack(f"{kind.name}: a folder that is not there", lambda: kind.open(yard.root / "nowhere"))


def _list_also(folder: Path, folder_format: Any, path: str) -> None:
    """List another path, with a checksum that is right."""
    from recbole_idp.storage.files import fingerprint

    file = folder / folder_format.description_file
    description = json.loads(file.read_text(encoding="utf-8"))
    description.pop("checksum")
    description["sha256"][path] = "0" * 64
    description["checksum"] = fingerprint(description)
    file.write_text(json.dumps(description), encoding="utf-8")


def _tensors(kind: Kind, yard: Yard) -> Iterator[Attack]:
    """Yield files of tensors that are damaged, sealed as if they were ours."""
    for path in sorted(kind.sample.glob("*.safetensors")):
        for name, damage in tensor_damages(yard).items():
            if name in ("another tensor alone", "no tensor") and path.name not in kind.tensors:
                # What a model needs of these is decided when it takes them.
                continue
            folder = yard.copy(kind.sample)
            (folder / path.name).write_bytes(damage(path.read_bytes()))
            reseal(folder, kind.folder_format)
            yield Attack(f"{kind.name}: {path.name}: {name}", lambda folder=folder: kind.open(folder))
        for name, change in value_damages().items():
            if name.startswith("other") and path.name not in kind.tensors:
                continue
            folder = yard.copy(kind.sample)
            rewritten_tensors(folder / path.name, change)
            reseal(folder, kind.folder_format)
            yield Attack(f"{kind.name}: {path.name}: {name}", lambda folder=folder: kind.open(folder))


def _tables(kind: Kind, yard: Yard) -> Iterator[Attack]:
    """Yield tables of items that are damaged."""
    damages: dict[str, Callable[[bytes], bytes]] = {
        "not UTF-8": lambda content: content + b"\xff\xfe\n",
        "a pickle": lambda content: yard.pickle(),
        "a column less": lambda content: content.replace(b"\t", b" "),
    }
    if kind.name != "PRECISE":
        damages["rows less"] = lambda content: content[: content.index(b"\n") + 1]
        damages["twice the rows"] = lambda content: content + content.split(b"\n", 1)[1]
    for table in kind.tables:
        for name, damage in damages.items():
            folder = yard.copy(kind.sample)
            (folder / table).write_bytes(damage((folder / table).read_bytes()))
            reseal(folder, kind.folder_format)
            yield Attack(f"{kind.name}: {table}: {name}", lambda folder=folder: kind.open(folder))


def _heads(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield matchers' heads that are damaged."""
    from recbole_idp.models.idp.cdim.matchers import open_matcher

    path = samples.bundle / "cdim" / "head.safetensors"
    damages: dict[str, Callable[[Path], object]] = {
        name: lambda head, damage=damage: head.write_bytes(damage(path.read_bytes()))
        for name, damage in tensor_damages(yard).items()
    }
    for name, change in value_damages().items():
        damages[name] = lambda head, change=change: rewritten_tensors(head, change)
    for name, damage in damages.items():
        folder = yard.copy(path.parent)
        damage(folder / path.name)
        yield Attack(f"head: {name}", lambda folder=folder: open_matcher("head", folder, yard.root / "cache"))


def _tasks(samples: Samples, yard: Yard) -> Iterator[Attack]:
    """Yield folders of Conure whose tasks take weights from each other, or are not those of their list."""
    from recbole_idp.models.conure.folder import OWNER, ConureFolder

    folder_format = ConureFolder.folder_format
    tasks = json.loads((samples.conure / folder_format.description_file).read_text(encoding="utf-8"))["tasks"]
    first, second = tasks
    lists: dict[str, Any] = {
        "no task": [],
        "a task less": [first],
        "a task twice": [first, second, second],
        "a task that is not there": [first, second, {**second, "name": "another"}],
        "two tasks of one name": [first, {**second, "name": first["name"]}],
        "tasks in the other order": [second, first],
        "tasks that keep nothing": [first, {**second, "kept": {}}],
        "tasks that keep less than nothing": [first, {**second, "kept": dict.fromkeys(second["kept"], -1)}],
        "tasks that keep a matrix that is not there": [first, {**second, "kept": {**second["kept"], "another": 1}}],
        "tasks that keep words": [first, {**second, "kept": dict.fromkeys(second["kept"], "all")}],
        "tasks without names": [first, {"kept": second["kept"]}],
        "tasks that are numbers": [1, 2],
        "a share beyond one": [first, {**second, "pruned": 7.0}],
    }
    for name, value in lists.items():
        folder = yard.copy(samples.conure)
        reseal(folder, folder_format, tasks=value)
        yield Attack(f"Conure: {name}", lambda folder=folder: ConureFolder.open(folder))
    for name, change in _owner_changes().items():
        folder = yard.copy(samples.conure)
        _change_owners(folder / "weights.safetensors", OWNER, change)
        reseal(folder, folder_format)
        yield Attack(f"Conure: {name}", lambda folder=folder: ConureFolder.open(folder))


def _owner_changes() -> dict[str, Callable]:
    """Return changes of the owners of a matrix, by name; None: it is left out."""
    import torch

    def moved(old: int, new: int) -> Callable:
        def change(owner: torch.Tensor) -> torch.Tensor:
            changed = owner.clone()
            changed.view(-1)[int((owner.view(-1) == old).nonzero()[0])] = new
            return changed

        return change

    return {
        "a weight of the first task taken by the second": moved(1, 2),
        "a weight of the first task that is free": moved(1, 0),
        "a free weight that is owned": moved(0, 1),
        "a weight of a task that is not there": moved(1, 200),
        "all weights owned by one task": torch.ones_like,
        "owners of another type": lambda owner: owner.long(),
        "owners that are fractions": lambda owner: owner.float(),
        "no owners": lambda owner: None,
    }


def _change_owners(path: Path, suffix: str, change: Callable) -> None:
    """Write the weights anew with other owners of the first matrix."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    name = sorted(name for name in tensors if name.endswith(suffix))[0]
    changed = {**tensors, name: change(tensors[name])}
    save_file({name: tensor for name, tensor in changed.items() if tensor is not None}, path)
