"""The hooks: RecBole's own functions find the plugin's models, and each class keeps one identity."""

import pickle
import sys
import warnings

import pytest
import torch

import recbole_idp
from recbole_idp import compat, registry
from recbole_idp.config.model_defaults import model_layers
from recbole_idp.errors import UserError
from tests.support.python import python

TINY = '''
"""A tiny real model: the last item's embedding against all item embeddings."""
from torch import nn
from recbole.data.dataset import SequentialDataset
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.trainer import Trainer

class Tiny(SequentialRecommender):
    trainer, dataset, properties = Trainer, SequentialDataset, __file__.replace(".py", ".yaml")

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.items = nn.Embedding(self.n_items, config["tiny_width"])

    def full_sort_predict(self, interaction):
        lengths = interaction[self.ITEM_SEQ_LEN]
        last = self.gather_indexes(self.items(interaction[self.ITEM_SEQ]), lengths - 1)
        return last @ self.items.weight.T

    def predict(self, interaction):
        return self.full_sort_predict(interaction).gather(1, interaction[self.ITEM_ID].unsqueeze(1)).squeeze(1)

    def calculate_loss(self, interaction):
        return nn.functional.cross_entropy(self.full_sort_predict(interaction), interaction[self.POS_ITEM_ID])
'''


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Installs a package that brings the model Tiny through an entry point, and returns its folder."""
    (tmp_path / "tinymodel.py").write_text(TINY, encoding="utf-8")
    (tmp_path / "tinymodel.yaml").write_text("tiny_width: 4\n", encoding="utf-8")
    information = tmp_path / "tinymodel-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: tinymodel\nVersion: 1.0\n", encoding="utf-8")
    points = "[recbole_idp.models]\nTiny = tinymodel:Tiny\nSASRec = tinymodel:Tiny\n"
    (information / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["test"])
    registry._foreign_models.cache_clear()
    yield tmp_path
    registry._foreign_models.cache_clear()
    for name in [name for name in sys.modules if name.endswith((".tiny", "tinymodel"))]:
        del sys.modules[name]


def write_dataset(folder):
    """Writes 20 users of 6 events on 12 items, some of which lack a price."""
    (folder / "data" / "small").mkdir(parents=True)
    rows = [f"u{user}\ti{(user * 5 + step * 7) % 12}\t{step}" for user in range(20) for step in range(6)]
    text = "\n".join(["user_id:token\titem_id:token\ttimestamp:float", *rows]) + "\n"
    (folder / "data" / "small" / "small.inter").write_text(text, encoding="utf-8")
    rows = [f"i{item}\t{item if item % 3 else ''}" for item in range(12)]
    text = "\n".join(["item_id:token\tprice:float", *rows]) + "\n"
    (folder / "data" / "small" / "small.item").write_text(text, encoding="utf-8")


def test_recboles_own_functions_work_with_a_model_of_another_package(tiny):
    from recbole.data import create_dataset, data_preparation
    from recbole.quick_start import run_recbole
    from recbole.utils import get_model, get_trainer
    from recbole.utils.case_study import full_sort_topk

    from recbole_idp.config.strict import StrictConfig

    write_dataset(tiny)
    options = {"data_path": "data", "epochs": 1, "metrics": ["Hit"], "topk": [5], "valid_metric": "Hit@5"}
    options |= {"show_progress": False, "state": "ERROR", "seed": 1}
    options["load_col"] = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "price"]}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        compat.silence_upstream_warnings()
        result = run_recbole(model="Tiny", dataset="small", config_dict=dict(options), saved=False)
    assert set(result["test_result"]) == {"hit@5"}
    # RecBole fills the missing prices and makes a GradScaler, and both warn
    assert not [warning for warning in warned if issubclass(warning.category, FutureWarning)]

    import tinymodel

    model_class = get_model("Tiny")
    config = StrictConfig("Tiny", "small", config_dict=options)
    assert model_class is tinymodel.Tiny is config.model_class
    assert get_trainer(config["MODEL_TYPE"], "Tiny") is tinymodel.Trainer
    assert config["tiny_width"] == 4 and config.origins["tiny_width"] == str(tiny / "tinymodel.yaml")
    dataset = create_dataset(config)
    assert type(dataset) is tinymodel.SequentialDataset
    _, _, test_data = data_preparation(config, dataset)
    model = model_class(config, dataset)
    users = dataset.token2id("user_id", ["u1", "u2"])
    scores, items = full_sort_topk(users, model, test_data, k=3)
    assert scores.shape == items.shape == torch.Size([2, 3])


def test_a_foreign_model_cannot_take_a_known_name(tiny):
    assert registry.models()["Tiny"].package == "tinymodel"
    assert "SASRec" not in registry.models()
    assert [line for line in registry.clashes() if "SASRec of tinymodel is left out" in line]


def test_plain_config_reads_the_plugins_properties_for_registered_models_only(tiny):
    from recbole.config import Config

    config = Config("Tiny", "small")
    assert config["tiny_width"] == 4 and config["metrics"] == ["Hit", "NDCG", "MRR"]
    config = Config("SASRec", "small", config_dict={"train_neg_sample_args": None})
    assert config["metrics"] == ["Recall", "MRR", "NDCG", "Hit", "Precision"]


def test_a_class_is_added_for_this_process(tiny, monkeypatch):
    from recbole.trainer import KGTrainer
    from recbole.utils import get_model, get_trainer
    from tinymodel import Tiny

    monkeypatch.setattr(registry, "_added", {})
    mine = type("Mine", (Tiny,), {})
    assert recbole_idp.add_model(mine, trainer=KGTrainer) is mine
    assert get_model("Mine") is mine and get_trainer(Tiny.type, "Mine") is KGTrainer
    with pytest.raises(UserError, match="a model SASRec exists already"):
        recbole_idp.add_model(type("SASREC", (Tiny,), {}))


def test_a_model_that_extends_another_has_its_defaults_below_its_own(tiny, monkeypatch):
    from recbole.config import Config
    from tinymodel import Tiny

    from recbole_idp.config.strict import StrictConfig

    monkeypatch.setattr(registry, "_added", {})
    (tiny / "mine.yaml").write_text("tiny_width: 8\nn_layers: 3\n", encoding="utf-8")
    recbole_idp.add_model(type("Mine", (Tiny,), {"extends": "IDP"}), properties=str(tiny / "mine.yaml"))
    strict = StrictConfig("Mine", "small", config_dict={"inner_size": "32"})
    assert strict.origins["n_layers"] == str(tiny / "mine.yaml") and strict.origins["n_heads"].endswith("IDP.yaml")
    for config in (strict, Config("Mine", "small", config_dict={"train_neg_sample_args": None})):
        assert (config["tiny_width"], config["n_layers"], config["n_heads"]) == (8, 3, 2)
    with pytest.raises(UserError, match="unknown key n_layer "):
        StrictConfig("Mine", "small", config_dict={"n_layer": 1})
    for name in ("Yours", "Nobody"):
        recbole_idp.add_model(type("Yours", (Tiny,), {}), extends=name)
        with pytest.raises(UserError, match=f"model Yours extends {name}: name a registered model"):
            StrictConfig("Yours", "small")
        registry._added.pop("Yours")


def test_registering_again_changes_nothing():
    import recbole.trainer
    from recbole.config import Config

    before = (Config._load_internal_config_dict, recbole.trainer.__getattr__, list(sys.meta_path))
    recbole_idp.register()
    assert before == (Config._load_internal_config_dict, recbole.trainer.__getattr__, list(sys.meta_path))


def test_unknown_classes_stay_unknown():
    import recbole.trainer
    from recbole.utils import ModelType, get_trainer

    assert not hasattr(recbole.trainer, "NoSuchTrainer") and not hasattr(recbole.trainer, "Trainers")
    assert get_trainer(ModelType.SEQUENTIAL, "SASRec") is recbole.trainer.Trainer


def test_importing_the_plugin_imports_neither_torch_nor_recbole():
    code = "import recbole_idp, sys; print([n for n in ('torch', 'pandas', 'yaml', 'recbole') if n in sys.modules])"
    assert python(code) == "[]"


def test_hooks_reach_modules_that_were_imported_before(monkeypatch):
    from recbole.config import Config

    original = Config._load_internal_config_dict.__wrapped__
    monkeypatch.setattr(Config, "_load_internal_config_dict", original)
    recbole_idp.register()
    assert Config._load_internal_config_dict.__wrapped__ is original


def test_a_spawned_worker_imports_the_plugin():
    from recbole.quick_start import quick_start

    worker = pickle.dumps(quick_start.run_recboles)
    code = f"import pickle, sys; pickle.loads({worker!r}); print(type(sys.meta_path[0]).__module__)"
    assert python(code) == "recbole_idp.hooks"
    assert quick_start.run_recboles.__wrapped__.__module__ == "recbole.quick_start.quick_start"


def test_unsuitable_versions_stop_the_import_of_recbole_with_one_line(tmp_path):
    information = tmp_path / "recbole-1.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: recbole\nVersion: 1.1.0\n", encoding="utf-8")
    code = "import recbole_idp\ntry:\n    import recbole.config\nexcept ImportError as error:\n    print(error)"
    line = python(code, path=[tmp_path])
    assert line.startswith("recbole_idp: recbole 1.1.0 is not supported") and "\n" not in line
    assert line.endswith(compat._recbole_remedy(sys.version_info))


def test_recbole_is_added_without_its_ray_where_that_has_no_wheel():
    assert compat._recbole_remedy((3, 11, 7)) == "pip install recbole==1.2.1"
    assert compat._recbole_remedy((3, 12, 1)) == "pip install --no-deps recbole==1.2.1"


def test_versions_are_judged_by_number():
    for python_version in ((3, 10, 0), (3, 11, 7), (3, 12, 1), (3, 13, 0), (3, 14, 2)):
        assert compat.check_versions(python_version) == []
    for python_version in ((3, 9, 18), (3, 15, 0)):
        (problem,) = compat.check_versions(python_version)
        assert "is not supported" in problem.what and "Python 3.10 to 3.14" in problem.remedy
    assert compat._numbers("2.13.0+cpu") == (2, 13, 0) and compat._numbers("81") == (81, 0, 0)


def test_every_registered_model_has_its_properties():
    for name in registry.MODELS:
        assert [layer for layer in model_layers(name, "any") if layer.origin.endswith(f"model/{name}.yaml")]


def test_users_of_a_sampler_share_one_empty_set():
    from types import SimpleNamespace

    from recbole.sampler import RepeatableSampler

    dataset = SimpleNamespace(iid_field="item_id", user_num=4, item_num=3)
    sampler = RepeatableSampler(["train"], dataset)
    assert sampler.used_ids.shape == (4,) and all(used is sampler.used_ids[0] for used in sampler.used_ids)
    # What it draws for a row is not the row's own item, as in RecBole; nothing is written into the set.
    assert sampler.sample_by_user_ids([0, 3], [1, 2], 5).tolist() == [2, 1] * 5
    assert RepeatableSampler(["train"], dataset).used_ids[0] == set()
