"""What upstream versions force on us, each piece with its issue."""

import importlib.metadata
import re
import sys
import warnings
from typing import NamedTuple


class Problem(NamedTuple):
    """Something that keeps the plugin from working here.

    Attributes:
        what (str): What is wrong.
        remedy (str): What its user can do.
    """

    what: str
    remedy: str


class Bound(NamedTuple):
    """The versions of a distribution that work: ``low`` up to, but without, ``high``.

    Attributes:
        low (str): The first version that is tested.
        high (str): The first version that is known to break, or was never tested.
        why (str): What happens outside.
    """

    low: str
    high: str
    why: str


# recbole 1.2.1 caps ray at 2.6.3 (RUCAIBox/RecBole#1820), which has no wheel for 3.12 (no upstream issue found).
PYTHON = Bound("3.10", "3.12", "RecBole 1.2.1 needs ray 2.6.3 or older, and that needs Python 3.11 or older")

BOUNDS = {
    # The hooks in registry.py rely on how this one version looks things up.
    "recbole": Bound("1.2.1", "1.2.2", "the plugin hooks into RecBole 1.2.1 and is tested with no other version"),
    # ray 2.6.3 uses np.bool8, RecBole's Config uses np.float_ (RUCAIBox/RecBole#2215, #2078).
    "numpy": Bound("1.23", "2", "RecBole and its ray use names that NumPy 2 has removed"),
    # RecBole fills NaN with a chained inplace fillna, which pandas 3 turns into a no-op (no upstream issue found).
    "pandas": Bound("1.5", "3", "RecBole's filling of missing values does nothing from pandas 3 on"),
    # ray 2.6.3 imports pkg_resources (ray-project/ray#36742, pypa/setuptools#5174).
    "setuptools": Bound("60", "81", "RecBole's ray imports pkg_resources, which newer setuptools do not have"),
    # From 2.6 on torch.load reads weights only, so that RecBole cannot reload its own checkpoints
    # (RUCAIBox/RecBole#2215, #2212). Our trainers write safetensors instead; nothing is unpickled, nothing is patched.
    "torch": Bound("2.1", "2.14", "this version of PyTorch is not tested with the plugin"),
}


def check_versions(python=sys.version_info):
    """Finds the versions that cannot work, without importing any of the packages.

    Args:
        python (tuple[int, ...]): The version of Python to judge.

    Returns:
        list[Problem]: One problem per unsuitable version; empty where all is well.
    """
    running = ".".join(map(str, python[:3]))
    if not _within(running, PYTHON):
        remedy = "make a virtual environment with Python 3.10 or 3.11 and install recbole_idp there"
        why = PYTHON.why if _numbers(running) >= _numbers(PYTHON.high) else "it is too old"
        return [Problem(f"Python {running} is not supported ({why})", remedy)]
    problems = []
    for name, bound in BOUNDS.items():
        remedy = f'pip install "{name}>={bound.low},<{bound.high}"'
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(Problem(f"{name} is not installed", remedy))
            continue
        if not _within(version, bound):
            problems.append(Problem(f"{name} {version} is not supported ({bound.why})", remedy))
    return problems


def summary(problems):
    """Returns ``problems`` as one line."""
    return "; ".join(f"{problem.what}: {problem.remedy}" for problem in problems)


def silence_upstream_warnings():
    """Hides warnings that RecBole 1.2.1 and its ray raise about themselves, and no others.

    They name lines that a user of the plugin cannot change, and some come back in every epoch.
    """
    # ray 2.6.3 imports pkg_resources, which is there below setuptools 81 (ray-project/ray#36742).
    warnings.filterwarnings("ignore", r".*pkg_resources", UserWarning, r"ray\.")
    # df[field].fillna(..., inplace=True) in RecBole's dataset; harmless below pandas 3 (no upstream issue found).
    warnings.filterwarnings("ignore", r".*inplace method", FutureWarning, r"recbole\.data\.")
    # Series.agg(len) in RecBole's dataset, for sequence columns; right below pandas 3 (no upstream issue found).
    warnings.filterwarnings("ignore", r".*cannot aggregate", FutureWarning, r"recbole\.data\.")
    # torch.cuda.amp.GradScaler in RecBole's trainer (no upstream issue found).
    warnings.filterwarnings("ignore", r".*GradScaler", FutureWarning, r"recbole\.trainer\.")


def without_anomaly_detection():
    """Returns a context in which autograd does not look for NaN after each operation.

    Importing RecBole's sequential models turns that on for the whole process: the module of SINE does it when it is
    loaded, and every other model is loaded with it (no upstream issue found).
    """
    import torch

    return torch.autograd.set_detect_anomaly(False)


def occurrences(items):
    """Splits the rows of a batch so that no item stands twice in a part.

    RecBole's Pop counts an item once a batch, however often it stands there (RUCAIBox/RecBole#2198).

    Args:
        items (torch.LongTensor): Shape [B].

    Returns:
        tuple[torch.LongTensor, ...]: Rows with the first occurrence of an item, with the second, and so on.
    """
    import torch

    order = torch.argsort(items, stable=True)
    counts = torch.unique_consecutive(items[order], return_counts=True)[1]
    number = torch.arange(len(items)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    return order[torch.argsort(number, stable=True)].split(torch.bincount(number).tolist())


def _within(version, bound):
    return _numbers(bound.low) <= _numbers(version) < _numbers(bound.high)


def _numbers(version):
    """Returns the release part of a version as three integers: "2.13.0+cpu" -> (2, 13, 0)."""
    found = [int(part) for part in re.match(r"[\d.]*", version).group().split(".") if part]
    return (*found, 0, 0, 0)[:3]
