"""What upstream versions force: RecBole does with today's NumPy and pandas what it did with NumPy 1 and pandas 2."""

import hashlib
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_idp import compat
from tests.support.python import ROOT, python

# What RecBole 1.2.1 itself makes of the data below, with numpy 1.26.4, pandas 2.3.3, torch 2.13.0 and ray 2.6.3.
DISCRETE, NORMALISED, BENCHMARK = "41824dd8023d1570", "5d14a2fe3ac962a0", "445e0755a9c3cebd"
HITS = {"FDSA": 0.3, "GRU4Rec": 0.25}

EVENTS = ["user_id:token\titem_id:token\ttimestamp:float\trating:float"]
ITEMS = ["item_id:token\tbrand:token\tprice:float\tcategories:token_seq\tprofile:float_seq"]


def write_shop(folder):
    """Writes 40 users of 9 events on 24 items, every kind of column with missing values."""
    (folder / "shop").mkdir(parents=True)
    events = []
    for user in range(40):
        for step in range(9):
            rating = "" if (user + step) % 5 == 0 else (user * step) % 5 + 1
            events.append(f"u{user}\ti{(user * 5 + step * step) % 24}\t{1000 * user + step}\t{rating}")
    items = []
    for item in range(24):
        brand = "" if item % 4 == 0 else f"b{item % 3}"
        price = "" if item % 5 == 0 else item / 4
        categories = "" if item % 6 == 0 else " ".join(f"c{part}" for part in range(item % 3 + 1))
        profile = "" if item % 7 == 0 else " ".join(str(item / (part + 1)) for part in range(item % 4 + 1))
        items.append(f"i{item}\t{brand}\t{price}\t{categories}\t{profile}")
    (folder / "shop" / "shop.inter").write_text("\n".join([*EVENTS, *events]) + "\n", encoding="utf-8")
    (folder / "shop" / "shop.item").write_text("\n".join([*ITEMS, *items]) + "\n", encoding="utf-8")
    lines = ["user_id:token\titem_id_list:token_seq\titem_id:token"]
    for part in ("train", "valid", "test"):
        rows = [f"u{user}\t" + " ".join(f"i{n}" for n in range(user % 5)) + f"\ti{user % 7 + 5}" for user in range(15)]
        (folder / "shop" / f"shop.{part}.inter").write_text("\n".join([*lines, *rows]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Returns the configuration of a short run of RecBole alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["test"])
    return {
        "data_path": str(write_shop(tmp_path / "data")),
        "load_col": None,
        "numerical_features": ["price", "profile"],
        "discretization": {"price": {"method": "ED", "bucket": 3}, "profile": {"method": "LD"}},
        "normalize_field": None,
        "epochs": 1,
        "train_neg_sample_args": None,
        "metrics": ["Hit", "NDCG"],
        "topk": [5],
        "valid_metric": "Hit@5",
        "show_progress": False,
        "state": "ERROR",
        "seed": 7,
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
    }


def digest(dataset):
    """Returns a hash of what RecBole has read: columns and rows of training as tensors, tokens and their ids."""
    training, *_ = dataset.build()
    content = hashlib.sha256()
    for feat in (training.inter_feat, dataset.item_feat):
        for name in sorted(feat.columns):
            column = np.ascontiguousarray(feat[name].numpy())
            content.update(f"{name} {column.shape} {column.dtype}".encode() + column.tobytes())
    for name in sorted(dataset.field2id_token):
        content.update(" ".join(map(str, dataset.field2id_token[name])).encode())
    return content.hexdigest()[:16]


def read(options, model="SASRec"):
    """Reads the shop by RecBole's own classes."""
    from recbole.config import Config
    from recbole.data import create_dataset

    return create_dataset(Config(model, "shop", config_dict=dict(options)))


def test_recbole_reads_columns_as_with_older_packages(options):
    assert digest(read(options)) == DISCRETE


def test_recbole_normalises_columns_as_with_older_packages(options):
    options |= {"normalize_field": ["price", "profile"], "discretization": None}
    assert digest(read(options)) == NORMALISED


def test_recbole_reads_its_benchmark_files_as_with_older_packages(options):
    options |= {"benchmark_filename": ["train", "valid", "test"], "alias_of_item_id": ["item_id_list"]}
    assert digest(read(options | {"numerical_features": [], "discretization": None})) == BENCHMARK


@pytest.mark.slow
@pytest.mark.parametrize("model", HITS)
def test_recbole_trains_as_with_older_packages(options, model):
    from recbole.quick_start import run_recbole

    options |= {"selected_features": ["categories"], "numerical_features": [], "discretization": None}
    result = run_recbole(model=model, dataset="shop", config_dict=options, saved=False)["test_result"]
    # another processor rounds elsewhere, which may move one of the 40 users
    assert result["hit@5"] == pytest.approx(HITS[model], abs=1 / 40 + 1e-9)


def test_an_entity_with_many_names_keeps_them(tmp_path):
    """The same mend in the dataset of knowledge graphs, of which only the concatenation counts lengths."""
    from recbole.data.dataset import kg_dataset

    column = pd.Series([np.arange(3), np.arange(1), np.arange(0)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assert list(column.agg(vars(kg_dataset).get("len", len))) == [3, 1, 0]


def test_numpy_has_the_lent_names_only_while_recbole_reads_them():
    removed = [name for name in ("float_", "complex_", "unicode_") if not hasattr(np, name)]
    with compat.numpy_names():
        assert (np.float_, np.complex_, np.unicode_) == (np.float64, np.complex128, np.str_)
    assert removed == [name for name in ("float_", "complex_", "unicode_") if not hasattr(np, name)]


RAYS = {
    "none": "raise ImportError('no module named ray')\n",
    "without Tune": "__version__ = '2.50.0'\n",
    "old beside a new NumPy": "import numpy\nnumpy.no_such_name_any_more\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", RAYS)
def test_recbole_is_imported_with_any_ray(tmp_path, kind):
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text(RAYS[kind], encoding="utf-8")
    code = (
        "import sys, recbole_idp\n"
        "from recbole.quick_start import quick_start\n"
        "print(quick_start.tune.report.__module__, [name for name in sys.modules if name == 'ray.tune'])"
    )
    assert python(code, path=[tmp_path]) == "recbole_idp.compat []"


@pytest.mark.slow
def test_a_ray_with_tune_stays_what_it_is(tmp_path):
    (tmp_path / "ray" / "tune").mkdir(parents=True)
    (tmp_path / "ray" / "__init__.py").write_text("__version__ = '2.55.0'\n", encoding="utf-8")
    (tmp_path / "ray" / "tune" / "__init__.py").write_text("def report(metrics): ...\n", encoding="utf-8")
    code = "import recbole_idp\nfrom recbole.quick_start import quick_start\nprint(quick_start.tune.__file__)"
    assert python(code, path=[tmp_path]) == str(tmp_path / "ray" / "tune" / "__init__.py")


@pytest.mark.parametrize(
    ("version", "content", "found", "hint"),
    [
        ("2.6.3+recbole.idp", "", "2.6.3+recbole.idp, a stand-in for RecBole (--engine=ray needs Ray itself", "None"),
        ("2.55.1", "", "2.55.1", "RecBole's own search cannot import ray.tune (No module named 'ray.tune'): pip"),
        ("2.55.1", "tune", "2.55.1", "None"),
    ],
)
def test_the_kind_of_ray_is_told(tmp_path, version, content, found, hint):
    (tmp_path / "ray" / content).mkdir(parents=True)
    for folder in (tmp_path / "ray", tmp_path / "ray" / content):
        (folder / "__init__.py").write_text("", encoding="utf-8")
    information = tmp_path / f"ray-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ray\nVersion: {version}\n", encoding="utf-8")
    code = "from recbole_idp import compat\nray = compat.installed_ray()\nprint(ray.found)\nprint(ray.hint)"
    lines = python(code, path=[tmp_path]).split("\n")
    assert lines[0].startswith(found) and lines[1].startswith(hint)


def test_the_stand_in_says_what_it_is_and_how_to_get_ray():
    code = (
        "import ray, ray.tune\n"
        "for call in (lambda: ray.init(), lambda: ray.tune.Tuner, lambda: ray.tune.report(loss=1)):\n"
        "    try:\n"
        "        call()\n"
        "    except (AttributeError, RuntimeError) as error:\n"
        "        print(error)"
    )
    lines = python(code, path=[ROOT / "compat" / "ray"]).splitlines()
    assert len(lines) == 3 and all('for Ray itself: pip install "ray[tune]"' in line for line in lines)


def test_compiling_recbole_is_silent():
    """Python 3.12 and newer tell of a backslash in DIEN's docstring when they compile it, which happens once."""
    import recbole

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compat.silence_upstream_warnings()
        for path in Path(recbole.__file__).parent.rglob("*.py"):
            compile(path.read_text(encoding="utf-8"), str(path), "exec")


@pytest.mark.slow
def test_importing_the_plugin_warns_of_nothing():
    code = "import recbole_idp, recbole.quick_start"
    assert python("import recbole_idp", "-Werror") == ""
    assert python(code, "-Werror::FutureWarning", "-Werror::SyntaxWarning") == ""
