"""RecBole's own models: our trimmed loop and RecBole's loop give the same metrics, where they should."""

from pathlib import Path

import pytest
import torch
from recbole.data import data_preparation
from recbole.model.layers import FeatureSeqEmbLayer, TransformerEncoder
from recbole.utils import get_model, init_seed

from recbole_idp import compat
from recbole_idp.config.strict import StrictConfig
from recbole_idp.errors import UserError
from recbole_idp.nn import softmax
from recbole_idp.nn.dropout import Dropout
from recbole_idp.recbole_models.choose import FAST_MODELS, make_dataset, model_class, trainer_class
from recbole_idp.recbole_models.trimmed import TrimmedLoader
from recbole_idp.report.result import read_ranks
from recbole_idp.run.restore import load_data_and_model
from recbole_idp.run.run import run
from recbole_idp.testing.interruption import assert_ends_like_uninterrupted
from recbole_idp.testing.toy import settings, write_dataset
from tests.support.commands import refusal

SMALL = {"hidden_size": 16, "inner_size": 32, "n_layers": 1}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0}
MODELS = {
    "GRU4Rec": {"hidden_size": 16, "embedding_size": 16, "dropout_prob": 0.0},
    "SASRec": {**SMALL, **NO_DROPOUT},
    # RecBole's evaluation draws hidden items too, which nobody looks at: with one between epochs, the draws that
    # training makes after it differ.
    "BERT4Rec": {**SMALL, **NO_DROPOUT, "train_batch_size": 150, "eval_step": 3},
    "FDSA": {**SMALL, **NO_DROPOUT},
}


@pytest.fixture
def shop(workplace):
    """Writes a target whose users differ in length, and items with texts."""
    folder = workplace / "data"
    write_dataset(folder, "Shop", users=60, n_items=12, seed=3)
    return folder


def configured(folder, model, **values):
    given = {"data_path": str(folder), "use_gpu": False, "threads": 1, "show_progress": False, "text_encoder": "lsa"}
    given |= {"epochs": 3, "topk": [1, 5, 10], "train_batch_size": 40, **values}
    return StrictConfig(model=model, dataset="Shop", config_dict=given)


def trained(config):
    """Trains and evaluates as a run does; returns validation and test metrics."""
    init_seed(config["seed"], True)
    train, valid, test = data_preparation(config, make_dataset(config))
    init_seed(config["seed"], True)
    trainer = trainer_class(config)(config, model_class(config)(config, train.dataset))
    _, found = trainer.fit(train, valid, saved=True, show_progress=False)
    return dict(found), dict(trainer.evaluate(test, load_best_model=True))


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_the_trimmed_loop_gives_recboles_metrics(shop, model):
    ours = trained(configured(shop, model, **MODELS[model]))
    theirs = trained(configured(shop, model, exact_recbole=True, **MODELS[model]))
    for part, reference in zip(ours, theirs, strict=True):
        assert {name: part[name] for name in reference} == pytest.approx(dict(reference), abs=1e-4)
    assert theirs[1]["ndcg@10"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("model", "exact"), [*((model, False) for model in MODELS), ("BERT4Rec", True)])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(shop, workplace, model, exact):
    def train(epochs, latest):
        dropout = {key: 0.2 for key in MODELS[model] if key.endswith("dropout_prob")}
        changes = {**MODELS[model], **dropout, "exact_recbole": exact, "epochs": epochs, "eval_step": 1}
        config = configured(shop, model, **changes)
        train, valid, _ = data_preparation(config, make_dataset(config))
        init_seed(1, True)
        trainer = trainer_class(config)(config, model_class(config)(config, train.dataset))
        trainer.latest = latest
        trainer.fit(train, valid, verbose=False, saved=True)
        return trainer

    assert_ends_like_uninterrupted(train, workplace / "latest.safetensors")


def pair(config):
    """Returns RecBole's model and the fast one with the same weights, without dropout, and the training loader."""
    train, _, _ = data_preparation(config, make_dataset(config))
    init_seed(1, True)
    theirs = get_model(config["model"])(config, train.dataset).eval()
    if config["model"] == "BERT4Rec":
        torch.nn.init.normal_(theirs.output_bias)
    ours = model_class(config)(config, train.dataset).eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours, train


def gradients(model, loss):
    """Returns the gradients of a loss by parameter name; those of parameters that it does not read are left out."""
    model.zero_grad()
    loss.backward()
    return {name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None}


def assert_same(ours, theirs, rows):
    """Compares loss, gradients and scores of two models with the same weights."""
    losses = [model.calculate_loss(rows) for model in (ours, theirs)]
    assert torch.allclose(*losses, atol=1e-6)
    found, expected = (gradients(model, loss) for model, loss in zip((ours, theirs), losses, strict=True))
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)
    assert torch.allclose(ours.full_sort_predict(rows), theirs.full_sort_predict(rows), atol=1e-6)


def test_weights_have_recboles_names_and_load_both_ways(shop):
    for name in FAST_MODELS:
        theirs, ours, train = pair(configured(shop, name, **MODELS[name]))
        assert type(ours) is not type(theirs) and isinstance(ours, type(theirs))
        assert list(ours.state_dict()) == list(theirs.state_dict())
        with torch.no_grad():
            for weights in ours.parameters():
                weights += torch.rand_like(weights)
        rows = next(iter(train))
        assert not torch.allclose(theirs.full_sort_predict(rows), ours.full_sort_predict(rows), atol=1e-2)
        theirs.load_state_dict(ours.state_dict())
        assert torch.allclose(theirs.full_sort_predict(rows), ours.full_sort_predict(rows), atol=1e-4)
        assert torch.allclose(theirs.predict(rows), ours.predict(rows), atol=1e-4)


def test_a_seed_gives_the_fast_class_recboles_first_weights(shop):
    for name in FAST_MODELS:
        config = configured(shop, name, **MODELS[name])
        train, _, _ = data_preparation(config, make_dataset(config))
        states = []
        for cls in (get_model(name), model_class(config)):
            init_seed(1, True)
            states.append(cls(config, train.dataset).state_dict())
            states[-1]["next draw"] = torch.rand(1)
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("name", ["SASRec", "FDSA", "BERT4Rec"])
def test_faster_layers_compute_the_same(shop, name, activation):
    theirs, ours, train = pair(configured(shop, name, **{**SMALL, "n_layers": 2, "hidden_act": activation}))
    assert_same(ours, theirs, next(iter(train)))


@pytest.mark.parametrize("name", MODELS)
def test_each_dropout_is_the_faster_one(shop, name):
    chances = {key: 0.1 * (number + 1) for number, key in enumerate(MODELS[name]) if key.endswith("dropout_prob")}
    theirs, ours, _ = pair(configured(shop, name, **{**MODELS[name], **chances}))
    expected = {place: layer.p for place, layer in theirs.named_modules() if isinstance(layer, torch.nn.Dropout)}
    found = {place: layer.probability for place, layer in ours.named_modules() if isinstance(layer, Dropout)}
    assert found == expected and set(found.values()) == set(chances.values())
    assert not any(isinstance(layer, torch.nn.Dropout) for layer in ours.modules())


@pytest.mark.parametrize("name", ["SASRec", "FDSA", "BERT4Rec"])
def test_last_layers_are_computed_where_they_are_read(shop, name):
    theirs, ours, train = pair(configured(shop, name, **{**SMALL, "n_layers": 2}))
    batch, computed = next(iter(train)), []
    for model in (theirs, ours):
        *_, encoder = (module for module in model.modules() if isinstance(module, TransformerEncoder))
        encoder.layer[-1].feed_forward.register_forward_hook(
            lambda layer, given, found: computed.append(found[..., 0].numel())
        )
        model.calculate_loss(batch)
        model.full_sort_predict(batch)
    rows, positions = len(batch), batch["item_id_list"].numel()
    read = int((batch["MASK_INDEX"] > 0).sum()) if name == "BERT4Rec" else rows
    assert computed == [positions, positions, read, rows] and read < positions


@pytest.mark.parametrize("name", MODELS)
def test_the_softmax_in_chunks_gives_the_same(shop, name, monkeypatch):
    theirs, ours, train = pair(configured(shop, name, **MODELS[name]))
    computed = []
    for module in ("fast.loss", "fast.bert4rec"):
        monkeypatch.setattr(
            f"recbole_idp.recbole_models.{module}.softmax_loss",
            lambda *given: computed.append(given) or softmax.softmax_loss(*given),
        )
    assert_same(ours, theirs, next(iter(train)))
    assert len(computed) == 1


@pytest.mark.parametrize("name", MODELS)
def test_bpr_gives_the_same(shop, name):
    negatives = {"distribution": "uniform", "sample_num": 1}
    config = configured(shop, name, **{**MODELS[name], "loss_type": "BPR", "train_neg_sample_args": negatives})
    theirs, ours, train = pair(config)
    assert_same(ours, theirs, next(iter(train)))


@pytest.mark.parametrize("name", MODELS)
def test_the_loss_of_a_batch_in_parts_is_that_of_the_whole(shop, name):
    config = configured(shop, name, **MODELS[name])
    theirs, ours, train = pair(config)
    rows = next(iter(train))
    batch = TrimmedLoader(train, "item_length", "_list").trim(rows)
    assert len(batch.parts) > 1
    losses = ours.batch_loss(batch), theirs.calculate_loss(rows)
    assert torch.allclose(*losses, atol=1e-6)
    found, expected = (gradients(model, loss) for model, loss in zip((ours, theirs), losses, strict=True))
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[key], expected[key], atol=1e-6) for key in expected)


def test_features_are_embedded_once_a_batch(shop):
    config = configured(shop, "FDSA", **SMALL)
    _, ours, train = pair(config)
    rows, embedded = next(iter(train)), []
    (layer,) = (module for module in ours.modules() if isinstance(module, FeatureSeqEmbLayer))
    layer.register_forward_pre_hook(lambda layer, given: embedded.append(given[1]))
    batch = TrimmedLoader(train, "item_length", "_list").trim(rows)
    ours.batch_loss(batch)
    (items,) = embedded
    assert (
        items.flatten().tolist()
        == torch.cat([part["item_id_list"].flatten() for part in batch.parts]).unique().tolist()
    )
    ours.full_sort_predict(rows)
    assert len(embedded) == 2 and embedded[1].flatten().tolist() == rows["item_id_list"].unique().tolist()


@pytest.mark.parametrize(("name", "exact"), [*((name, False) for name in MODELS), ("SASRec", True), ("NARM", True)])
def test_history_items_get_the_lowest_score_if_asked(shop, name, exact):
    config = configured(shop, name, exact_recbole=exact, exclude_history=True, **MODELS.get(name, {}))
    train, _, _ = data_preparation(config, make_dataset(config))
    model, rows = model_class(config)(config, train.dataset).eval(), next(iter(train))
    assert type(model) is not get_model(name) and isinstance(model, get_model(name))
    scores = model.full_sort_predict(rows)
    excluded = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, rows["item_id_list"], True)
    excluded[:, 0] = True
    assert torch.equal(scores == -torch.inf, excluded)
    plain = model_class(configured(shop, name, exact_recbole=exact, **MODELS.get(name, {})))(config, train.dataset)
    plain.eval().load_state_dict(model.state_dict())
    assert torch.allclose(plain.full_sort_predict(rows)[~excluded], scores[~excluded])


def test_exact_recbole_takes_recboles_class(shop):
    for name in (*FAST_MODELS, "Pop"):
        assert model_class(configured(shop, name, exact_recbole=True)) is get_model(name)
    assert model_class(configured(shop, "NARM")) is get_model("NARM")
    assert model_class(configured(shop, "Pop", exclude_history=True)) is get_model("Pop")


def test_a_checkpoint_is_opened_with_the_class_that_wrote_it(shop):
    for exact in (False, True):
        config = configured(shop, "SASRec", exact_recbole=exact, **{**MODELS["SASRec"], "epochs": 1})
        train, valid, _ = data_preparation(config, make_dataset(config))
        trainer = trainer_class(config)(config, model_class(config)(config, train.dataset))
        trainer.fit(train, valid, saved=True, verbose=False)
        _, opened, *_ = load_data_and_model(trainer.saved_model_file)
        assert type(opened) is type(trainer.model) is model_class(config)


@pytest.mark.slow
def test_items_of_the_history_are_left_out_in_both_loops_if_asked(shop):
    values = {"exclude_history": True, "epochs": 1, **MODELS["GRU4Rec"]}
    ours, theirs = (trained(configured(shop, "GRU4Rec", exact_recbole=exact, **values)) for exact in (False, True))
    for part, reference in zip(ours, theirs, strict=True):
        assert {name: part[name] for name in reference} == pytest.approx(dict(reference), abs=1e-4)
    assert ours != trained(configured(shop, "GRU4Rec", **{**values, "exclude_history": False}))


def test_item_knn_gives_recboles_metrics(shop):
    ours, theirs = (trained(configured(shop, "ItemKNN", exact_recbole=exact)) for exact in (False, True))
    for part, reference in zip(ours, theirs, strict=True):
        assert {name: part[name] for name in reference} == pytest.approx(dict(reference), abs=1e-4)


def test_pop_counts_each_event_where_recbole_counts_an_item_once_a_batch(shop):
    config = configured(shop, "Pop")
    train, _, _ = data_preparation(config, make_dataset(config))
    model = model_class(config)(config, train.dataset)
    trainer_class(config)(config, model).fit(train, saved=True, show_progress=False)
    events = train.dataset.inter_feat["item_id"]
    assert model.item_cnt.flatten().tolist() == torch.bincount(events, minlength=model.n_items).tolist()
    assert model.item_cnt.max() > len(train)


def test_occurrences_repeat_no_item_and_keep_every_row():
    items = torch.tensor([3, 1, 3, 3, 2, 1])
    parts = compat.occurrences(items)
    assert sorted(torch.cat(parts).tolist()) == list(range(6))
    assert all(len(set(items[part].tolist())) == len(part) for part in parts)


def test_what_a_seed_gives_does_not_hang_on_the_seeds_before_it(shop, workplace):
    found = {}
    for seeds in ([1, 2], [2]):
        changes = {**MODELS["SASRec"], "seeds": seeds, "result_dir": str(workplace / str(len(seeds)))}
        run(configured(shop, "SASRec", **changes))
        (path,) = Path(changes["result_dir"]).glob("*.json")
        found[len(seeds)] = read_ranks(path).trials["SASRec-2"]
    assert found[1].tolist() == found[2].tolist()


def test_a_run_trains_one_of_recboles_models_and_keeps_ranks(shop):
    result = run(configured(shop, "SASRec", **MODELS["SASRec"]))
    assert list(result["variants"]) == ["SASRec"]
    counted = run(configured(shop, "Pop"))
    assert counted["variants"]["Pop"]["runs"][0]["checkpoint"] is None


def test_general_models_are_tested_on_the_same_users(workplace):
    folder = workplace / "data"
    (folder / "Shop").mkdir(parents=True)
    # Users of one to six events.
    rows = [f"u{n}\ti{number}\t{number}" for n in range(1, 7) for number in range(n)]
    (folder / "Shop" / "Shop.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "\n".join(rows))
    users = {}
    for model in ("SASRec", "Pop"):
        _, valid, test = data_preparation(*_dataset(configured(folder, model)))
        users[model] = [sorted(loader.dataset.user_tokens()) for loader in (valid, test)]
    assert users["SASRec"] == users["Pop"] == [["u4", "u5", "u6"], ["u3", "u4", "u5", "u6"]]


def _dataset(config):
    return config, make_dataset(config)


def test_exact_recbole_is_refused_for_other_models(domains):
    with pytest.raises(UserError, match="exact_recbole is for RecBole's own models, and IDP is none"):
        trainer_class(StrictConfig("IDP", "shop", config_dict=settings(domains, exact_recbole=True)))


@pytest.mark.parametrize("model", ["SASRec", "PositionSASRec"])
def test_what_a_training_does_not_read_is_refused(shop, model):
    assert "enable_scaler is True" in refusal(configured, shop, model, enable_scaler=True)


def test_recboles_own_loop_reads_what_is_refused_elsewhere(shop):
    assert trainer_class(configured(shop, "SASRec", exact_recbole=True, enable_amp=True))
    assert trainer_class(configured(shop, "SASRec", shuffle=False))
