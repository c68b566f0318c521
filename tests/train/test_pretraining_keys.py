"""Each key that pre-training reads counts in its fingerprint, is replaced by one that does, or has a reason here."""

import sys

import pytest
from recbole.config import Config
from recbole.data import data_preparation

from recbole_idp.config.declarations import affected
from recbole_idp.config.derive import given_values
from recbole_idp.config.setting import Affects
from recbole_idp.models.idp.pretrain import BundlePretraining, pretrain_config
from recbole_idp.models.precise.universal import UniversalTraining
from recbole_idp.models.unisrec.pretrain import AdaptorPretraining
from recbole_idp.recbole_models.choose import make_dataset
from recbole_idp.run.keys import PlaceSettings
from recbole_idp.testing import configured
from recbole_idp.train.clock import StageClock
from recbole_idp.train.keys import TargetLossSettings
from tests.support.precise import SMALL

# Values that no key of pre-training has, so that a key which pre-training sets itself shows.
ON_THE_TARGET = {
    "epochs": 77,
    "learning_rate": 0.0777,
    "train_batch_size": 777,
    "stopping_step": 17,
    "epoch_steps": 7,
    "train_negatives": 7,
}

# Read in pre-training, without a part in what is learned.
WITHOUT_EFFECT = {
    **dict.fromkeys(PlaceSettings.model_fields, "content counts, places do not"),
    **dict.fromkeys(("show_progress", "state", "log_wandb", "wandb_project"), "shown only"),
    **dict.fromkeys(("metrics", "topk"), "reported with the best epoch, which valid_metric alone tells"),
    **dict.fromkeys(("train_batch_size", "train_negatives"), "read for a loss that pre-training replaces by its own"),
    **dict.fromkeys(TargetLossSettings.model_fields, "declared where pre-training has a loss of its own"),
    **dict.fromkeys(("save_dataset", "save_dataloaders", "dataset_save_path"), "refused where they are set"),
    **dict.fromkeys(("gpu_id", "use_gpu", "worker", "threads", "eval_batch_size"), "rounding and speed"),
    **dict.fromkeys(("encoder", "bsarec_alpha", "bsarec_c"), "another encoder counts, with its keys: see below"),
    "source_share": "a smaller share counts: see below",
    "pretrain_row_updates": "other updates count: see below",
    "precision": "another precision counts: see below",
    "eval_args": "sources are split by their own rule; validation without full ranking is refused",
    "dataset": "the target; the sources are named by source_domains",
    "model": "what is pre-trained is named by the fingerprint's own model",
    "text_encoder": "the hash of its files counts",
    "pretrain_seed": "it replaces seed",
    "pretrain_model": "it replaces model",
    "transform": "none may be set for the plugin's models",
    "train_neg_sample_args": "none may be set for the plugin's models",
    "text_fields": "texts of the target",
    "targeted_length": "checked against the length of histories",
}


def prepared(model, folder):
    """Return the pre-training of a model on toy domains, and what starts it."""
    sizes = SMALL if model == "PRECISE" else {}
    config = configured(folder, model, **{**sizes, **ON_THE_TARGET})
    if model == "PRECISE":
        train, valid, _ = data_preparation(config, make_dataset(config))
        return UniversalTraining(config, train.dataset, valid.dataset), config
    if model == "UniSRec":
        return AdaptorPretraining(config), config
    return BundlePretraining(pretrain_config(config)), config


@pytest.mark.parametrize("model", ["IDP", "IDP_GRU4Rec", "IDP_BERT4Rec", "UniSRec", "PRECISE"])
def test_what_pre_training_reads_counts_or_has_a_reason(model, domains, monkeypatch):
    pretraining, config = prepared(model, domains)
    given, read = given_values(config), set()
    original = Config.__getitem__

    def recorded(self, key):
        value = original(self, key)
        if key in given and value == given[key] and "recbole_idp" in sys._getframe(1).f_code.co_filename:
            read.add(key)
        return value

    # A key without a value counts as soon as it has one.
    empty = {key for key, value in given.items() if value is None}
    name = pretraining.model_name()
    counted = set(pretraining.values()) | {key for key in empty if affected(name, key) & Affects.PRETRAINING}
    monkeypatch.setattr(Config, "__getitem__", recorded)
    pretraining.train(StageClock())
    assert read - counted <= set(WITHOUT_EFFECT), f"not counted: {sorted(read - counted - set(WITHOUT_EFFECT))}"
    assert {"pretrain_epochs", "eval_step", "valid_metric", "learner"} <= counted


def test_what_changes_the_best_epoch_makes_another_bundle(domains):
    def folder(**changes):
        return BundlePretraining(pretrain_config(configured(domains, "IDP", **changes))).folder

    assert folder(eval_step=2) != folder() != folder(exclude_history=True)
    assert folder(topk=[1, 2, 5]) == folder() == folder(epochs=5, checkpoint_dir=str(folder().parent))
    assert folder(pretrain_seed=5) == folder(seed=5) != folder()
    # What was pre-trained before there were shares is found again.
    assert folder(source_share=1.0) == folder() != folder(source_share=0.5)
    assert folder(pretrain_row_updates=False) == folder() != folder(pretrain_row_updates=True)
    assert folder(nproc=1) == folder() != folder(nproc=2)
    assert folder(precision="float32") == folder() != folder(precision="bfloat16")
    # What was pre-trained before there were other encoders is found again.
    assert folder(encoder="SASRec", bsarec_alpha=0.3) == folder() != folder(encoder="BSARec")
    assert folder(encoder="BSARec", bsarec_alpha=0.3) != folder(encoder="BSARec") != folder(encoder="HSTU")
