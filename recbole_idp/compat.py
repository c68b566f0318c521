"""Workarounds for upstream versions, each with its issue."""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
import re
import sys
import types
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_idp.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from recbole.config import Config
    from recbole.data.dataset import Dataset


class Problem(NamedTuple):
    """A problem of this environment that keeps the plugin from working.

    Attributes:
        what: What is wrong.
        remedy: What the user can do.
    """

    what: str
    remedy: str


class Bound(NamedTuple):
    """The supported versions of a distribution: from ``low`` up to, but without, ``high``.

    Attributes:
        low: The first tested version.
        high: The first version that is known to fail, or is not tested.
        why: Why other versions are not supported.
    """

    low: str
    high: str
    why: str


PYTHON = Bound("3.10", "3.15", "the packages that RecBole needs are not tested with it")

BOUNDS = {
    # The hooks in registry.py rely on how this one version looks things up.
    "recbole": Bound("1.2.1", "1.2.2", "the plugin hooks into RecBole 1.2.1 and is tested with no other version"),
    "numpy": Bound("1.26", "3", "this version of NumPy is not tested with RecBole"),
    "pandas": Bound("2.1", "4", "this version of pandas is not tested with RecBole"),
    # Before 2.6 torch.load unpickles by default. From 2.6 on it reads weights only, so that RecBole cannot reload its
    # own checkpoints (RUCAIBox/RecBole#2215, #2212). Our trainers write safetensors; nothing is unpickled or patched.
    "torch": Bound("2.6", "2.15", "this version of PyTorch is not tested with the plugin"),
}

STAND_IN = "+recbole.idp"
"""End of the version of the distribution that replaces Ray (compat/ray/ in the checkout)."""

RAY_REMEDY = 'pip install -U "ray[tune]"'


@functools.cache
def version_of(name: str) -> str:
    """Return the version of an installed package; its metadata, which are long, are read once.

    Raises:
        PackageNotFoundError: It is not installed.
    """
    return importlib.metadata.version(name)


def check_versions(python: tuple[Any, ...] = sys.version_info) -> list[Problem]:
    """Find unsupported versions, without importing any of the packages.

    Args:
        python: The version of Python to check.

    Returns:
        A problem for each unsupported or missing package; empty if there is none.
    """
    running = ".".join(map(str, python[:3]))
    if not _within(running, PYTHON):
        newest = f"3.{int(PYTHON.high.split('.')[1]) - 1}"
        remedy = f"make a virtual environment with Python {PYTHON.low} to {newest} and install recbole_idp there"
        why = PYTHON.why if _numbers(running) >= _numbers(PYTHON.high) else "it is too old"
        return [Problem(f"Python {running} is not supported ({why})", remedy)]
    problems = []
    for name, bound in BOUNDS.items():
        remedy = f'pip install "{name}>={bound.low},<{bound.high}"'
        if name == "recbole":
            remedy = _recbole_remedy(python)
        try:
            version = version_of(name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(Problem(f"{name} is not installed", remedy))
            continue
        if not _within(version, bound):
            problems.append(Problem(f"{name} {version} is not supported ({bound.why})", remedy))
    return problems


def _recbole_remedy(python: tuple[Any, ...]) -> str:
    """Return the command that installs RecBole.

    Its requirement ray<=2.6.3 has no wheel from Python 3.12 on, and is not needed here (RUCAIBox/RecBole#1820). The
    other requirements of RecBole are installed with the plugin.
    """
    return "pip install recbole==1.2.1" if python[:2] < (3, 12) else "pip install --no-deps recbole==1.2.1"


class Ray(NamedTuple):
    """The Ray of this environment.

    Attributes:
        found: Its version, or a remark that there is none.
        hint: What does not work with it, and the remedy; None: nothing.
    """

    found: str
    hint: str | None = None


def installed_ray() -> Ray:
    """Find the installed Ray. The plugin does not need it; RecBole needs it for its own search alone.

    Returns:
        The version, and a hint if it cannot be used.
    """
    try:
        version = version_of("ray")
    except importlib.metadata.PackageNotFoundError:
        return Ray(f"not installed (needed by --engine=ray alone: {RAY_REMEDY})")
    if version.endswith(STAND_IN):
        return Ray(f"{version}, a stand-in for RecBole (--engine=ray needs Ray itself: {RAY_REMEDY})")
    try:
        importlib.import_module("ray.tune")
    except Exception as error:  # an old Ray beside a new NumPy raises what it likes
        reason = str(error).partition("\n")[0]
        return Ray(version, f"RecBole's own search cannot import ray.tune ({reason}): {RAY_REMEDY}")
    return Ray(version)


@contextlib.contextmanager
def importable_ray() -> Iterator[None]:
    """Let RecBole be imported with any Ray or none: its quick start begins with ``from ray import tune``.

    If that works, nothing is done. Else (no Ray; a Ray without Tune; Ray 2.6.3 with NumPy 2 or setuptools 81,
    ray-project/ray#36742) a substitute module is there during RecBole's import. RecBole calls ``tune.report`` in
    its own search only.
    """
    try:
        importlib.import_module("ray.tune")
    except Exception:
        ray: Any = types.ModuleType("ray")
        tune: Any = types.ModuleType("ray.tune")
        ray.tune, tune.report = tune, _no_report
    else:
        yield
        return
    before = {name: sys.modules.get(name) for name in ("ray", "ray.tune")}
    sys.modules.update({"ray": ray, "ray.tune": tune})
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _no_report(*args: Any, **kwargs: Any) -> None:
    """Raise, in place of ``ray.tune.report``."""
    raise RuntimeError(f"RecBole's own search needs Ray Tune: {RAY_REMEDY}")


def summary(problems: Iterable[Problem]) -> str:
    """Return problems and remedies in one line."""
    return "; ".join(f"{problem.what}: {problem.remedy}" for problem in problems)


def silence_upstream_warnings() -> None:
    """Hide warnings about the code of RecBole 1.2.1 and of the Ray that it requires, and no others.

    They are about lines that a user of the plugin cannot change, and some are repeated in every epoch.
    """
    # ray 2.6.3 imports pkg_resources, which is there below setuptools 81 (ray-project/ray#36742).
    warnings.filterwarnings("ignore", r".*pkg_resources", UserWarning, r"ray\.")
    # df[field].fillna(..., inplace=True) in RecBole's dataset; mended by mend_dataset from pandas 3 on, where it does
    # nothing and warns by a class of its own (no upstream issue found).
    warnings.filterwarnings("ignore", r".*inplace method", Warning, r"recbole\.data\.")
    # Series.agg(len) in RecBole's dataset, for sequence columns; mended from pandas 3 on (no upstream issue found).
    warnings.filterwarnings("ignore", r".*cannot aggregate", FutureWarning, r"recbole\.data\.")
    # torch.cuda.amp.GradScaler in RecBole's trainer (no upstream issue found).
    warnings.filterwarnings("ignore", r".*GradScaler", FutureWarning, r"recbole\.trainer\.")
    # torch.LongTensor(column.values) in RecBole's dataset: from pandas 3 on the array is read-only. Nobody writes to
    # the tensor, and the column is dropped with its table (no upstream issue found).
    warnings.filterwarnings("ignore", r".*not writable", UserWarning, r"recbole\.data\.")
    # A backslash in a docstring of DIEN: from Python 3.12 on, compiling the file warns about it. The module is named by
    # its path then (no upstream issue found).
    warnings.filterwarnings("ignore", r".*invalid escape sequence", Warning, r".*recbole.model.")


@contextlib.contextmanager
def numpy_names() -> Iterator[None]:
    """Restore, for a block, names that NumPy 2 removed and RecBole's ``Config.compatibility_settings`` reads.

    RecBole reads them to set aliases that NumPy 1.24 removed, such as ``np.float`` (RUCAIBox/RecBole#2215, #2078).
    """
    import numpy as np

    names = {"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}
    lent = [name for name in names if not hasattr(np, name)]
    for name in lent:
        setattr(np, name, names[name])
    try:
        yield
    finally:
        for name in lent:
            delattr(np, name)


def mend_config(module: Any) -> None:
    """Make RecBole's ``Config`` work with NumPy 2; see :func:`numpy_names`.

    Args:
        module: ``recbole.config.configurator``.
    """
    settings = module.Config.compatibility_settings
    if hasattr(settings, "__wrapped__"):
        return

    @functools.wraps(settings)
    def compatibility_settings(self: Config) -> None:
        with numpy_names():
            settings(self)

    module.Config.compatibility_settings = compatibility_settings


def mend_dataset(module: Any) -> None:
    """Make RecBole's ``Dataset`` fill missing values with pandas 3, where its chained in-place filling has no effect.

    Args:
        module: ``recbole.data.dataset.dataset`` (no upstream issue found).
    """
    if not _pandas_copies() or isinstance(module.pd, _FillingPandas):
        return
    module.pd = _FillingPandas(module.pd)
    fill = module.Dataset._fill_nan
    fill_value = {
        module.FeatureType.TOKEN: lambda column: 0,
        module.FeatureType.FLOAT: lambda column: column.mean(),
    }

    @functools.wraps(fill)
    def _fill_nan(self: Dataset) -> None:
        for feat in (getattr(self, name) for name in self.feat_name_list):
            for field in feat:
                if (value := fill_value.get(self.field2type[field])) is not None:
                    feat[field] = feat[field].fillna(value(feat[field]))
        fill(self)

    module.Dataset._fill_nan = _fill_nan
    mend_lengths(module)


def mend_lengths(module: Any) -> None:
    """Make ``Series.agg(len)`` in a module of RecBole's datasets return the length of each row with pandas 3.

    Pandas 2 tried the function on each value first; pandas 3 calls it on the column (no upstream issue found). None of
    these modules takes the length of a column itself.

    Args:
        module: ``dataset``, ``kg_dataset`` or ``sequential_dataset`` of ``recbole.data.dataset``.
    """
    if _pandas_copies():
        module.len = _length


def _pandas_copies() -> bool:
    """Return whether pandas is version 3 or newer, in which a selected column is a copy."""
    import pandas as pd

    return _numbers(pd.__version__) >= (3, 0, 0)


def _length(value: Any) -> Any:
    """Return the length of a value; for a column, the lengths of its values."""
    import pandas as pd

    return value.map(builtins.len) if isinstance(value, pd.Series) else builtins.len(value)


class _FillingPandas:
    """Pandas for RecBole's dataset: ``read_csv`` leaves no missing value in a column of sequences.

    Args:
        pandas: Pandas.
    """

    def __init__(self, pandas: ModuleType) -> None:
        self._pandas = pandas

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of pandas."""
        return getattr(self._pandas, name)

    def read_csv(self, *args: Any, **kwargs: Any) -> pd.DataFrame:
        """Read an atomic file, whose columns are named "field:type"."""
        table = self._pandas.read_csv(*args, **kwargs)
        sequences = [name for name in table.columns if name.endswith((":token_seq", ":float_seq"))]
        return table.assign(**{name: table[name].fillna("") for name in sequences})


def without_anomaly_detection() -> AbstractContextManager[None]:
    """Return a context in which autograd does not check for NaN after each operation.

    Importing RecBole's sequential models turns that on for the whole process: the module of SINE does it, and every
    model is imported with it (no upstream issue found).
    """
    import torch

    return torch.autograd.set_detect_anomaly(False)


def occurrences(items: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Split the rows of a batch so that no item occurs twice in a part.

    RecBole's Pop counts an item once a batch, however often it occurs (RUCAIBox/RecBole#2198).

    Args:
        items: Item of each row; int64, shape [B].

    Returns:
        Rows with the first occurrence of an item, with the second, and so on.
    """
    import torch

    order = torch.argsort(items, stable=True)
    counts = torch.unique_consecutive(items[order], return_counts=True)[1]
    number = torch.arange(len(items)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    return order[torch.argsort(number, stable=True)].split(torch.bincount(number).tolist())


def _within(version: str, bound: Bound) -> bool:
    """Return whether a version is supported."""
    return _numbers(bound.low) <= _numbers(version) < _numbers(bound.high)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release part of a version as three integers: "2.13.0+cpu" -> (2, 13, 0)."""
    digits = re.match(r"[\d.]*", version)
    found = [int(part) for part in (digits[0] if digits else "").split(".") if part]
    return (*found, 0, 0, 0)[:3]


def recbole_folder() -> Path:
    """Return the folder of the installed RecBole, without importing it (which takes seconds).

    Raises:
        UserError: RecBole is not installed.
    """
    spec = importlib.util.find_spec("recbole")
    if spec is None or spec.origin is None:
        raise UserError("RecBole is not installed: run pip install recbole==1.2.1")
    return Path(spec.origin).parent
