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
from recbole_idp.recbole_models.choose import make_dataset, trainer_class
from recbole_idp.recbole_models.fast.item_features import embed_features_once
from recbole_idp.recbole_models.fast.last_layer import take_short_last_layers
from recbole_idp.recbole_models.fast.layers import take_faster_layers
from recbole_idp.recbole_models.fast.softmax import take_chunked_softmax
from recbole_idp.report.result import read_ranks
from recbole_idp.run.run import run
from recbole_idp.testing.interruption import assert_ends_like_uninterrupted
from recbole_idp.testing.toy import settings, write_dataset

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
    trainer = trainer_class(config)(config, get_model(config["model"])(config, train.dataset))
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
        trainer = trainer_class(config)(config, get_model(model)(config, train.dataset))
        trainer.latest = latest
        trainer.fit(train, valid, verbose=False, saved=True)
        return trainer

    assert_ends_like_uninterrupted(train, workplace / "latest.safetensors")


@pytest.mark.parametrize(("name", "activation"), [("SASRec", "gelu"), ("SASRec", "relu"), ("FDSA", "gelu")])
def test_faster_layers_compute_the_same(shop, name, activation):
    config = configured(shop, name, **{**SMALL, "hidden_act": activation})
    train, _, _ = data_preparation(config, make_dataset(config))
    init_seed(1, True)
    model, batch = get_model(name)(config, train.dataset).eval(), next(iter(train))
    before, names = model.full_sort_predict(batch), list(model.state_dict())
    chances = [layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)]
    take_faster_layers(model)
    assert torch.allclose(model.full_sort_predict(batch), before, atol=1e-6)
    assert list(model.state_dict()) == names
    assert [layer.probability for layer in model.modules() if isinstance(layer, Dropout)] == chances
    assert len(chances) > 0


@pytest.mark.parametrize("name", ["SASRec", "FDSA", "BERT4Rec"])
def test_last_layers_computed_where_they_are_read_give_the_same(shop, name):
    config = configured(shop, name, **{**SMALL, "n_layers": 2})
    train, _, _ = data_preparation(config, make_dataset(config))
    init_seed(1, True)
    model, batch = get_model(name)(config, train.dataset).eval(), next(iter(train))
    computed = []
    *_, encoder = (module for module in model.modules() if isinstance(module, TransformerEncoder))
    encoder.layer[-1].feed_forward.register_forward_hook(
        lambda layer, given, found: computed.append(found[..., 0].numel())
    )

    def found():
        model.zero_grad()
        loss = model.calculate_loss(batch)
        loss.backward()
        return [loss, model.full_sort_predict(batch), *(weights.grad for weights in model.parameters())]

    expected = [None if value is None else value.clone() for value in found()]
    take_short_last_layers(model)
    for ours, theirs in zip(found(), expected, strict=True):
        assert theirs is None if ours is None else torch.allclose(ours, theirs, atol=1e-6)
    rows, positions = len(batch), batch["item_id_list"].numel()
    read = int((batch["MASK_INDEX"] > 0).sum()) if name == "BERT4Rec" else rows
    assert computed == [positions, positions, read, rows] and read < positions


@pytest.mark.parametrize("name", MODELS)
def test_the_softmax_in_chunks_gives_the_same(shop, name, monkeypatch):
    config = configured(shop, name, **MODELS[name])
    train, _, _ = data_preparation(config, make_dataset(config))
    init_seed(1, True)
    model, batch = get_model(name)(config, train.dataset).eval(), next(iter(train))
    take_short_last_layers(model)
    if name == "BERT4Rec":
        torch.nn.init.normal_(model.output_bias)

    def found():
        model.zero_grad()
        loss = model.calculate_loss(batch)
        loss.backward()
        return [loss, model.full_sort_predict(batch), *(weights.grad for weights in model.parameters())]

    expected, computed = [None if value is None else value.clone() for value in found()], []
    monkeypatch.setattr(
        "recbole_idp.recbole_models.fast.softmax.softmax_loss",
        lambda *given: computed.append(given) or softmax.softmax_loss(*given),
    )
    take_chunked_softmax(model)
    for ours, theirs in zip(found(), expected, strict=True):
        assert theirs is None if ours is None else torch.allclose(ours, theirs, atol=1e-6)
    assert len(computed) == 1 and type(model.calculate_loss(batch)) is torch.Tensor


def test_features_embedded_once_a_batch_give_the_same(shop):
    config = configured(shop, "FDSA", **SMALL)
    train, _, _ = data_preparation(config, make_dataset(config))
    init_seed(1, True)
    model, batch = get_model("FDSA")(config, train.dataset).eval(), next(iter(train))
    parts = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]

    def found():
        model.zero_grad()
        losses = [model.calculate_loss(part) for part in parts]
        sum(losses).backward()
        return [*losses, *(weights.grad.clone() for weights in model.parameters())]

    expected, embedded = found(), []
    (layer,) = (module for module in model.modules() if isinstance(module, FeatureSeqEmbLayer))
    embed = layer.forward
    layer.forward = lambda users, items: embedded.append(items) or embed(users, items)
    once = embed_features_once(model)
    with once([part["item_id_list"] for part in parts]):
        kept = found()
    (items,) = embedded
    assert items.flatten().tolist() == batch["item_id_list"].unique().tolist()
    for ours, alone, theirs in zip(kept, found(), expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6) and torch.allclose(alone, theirs, atol=1e-6)
    assert len(embedded) == 1 + len(parts)


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
    model = get_model("Pop")(config, train.dataset)
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
    config = configured(shop, model, enable_scaler=True)
    with pytest.raises(UserError, match=f"enable_scaler is True, but the training of {model} does not read it"):
        trainer_class(config)


def test_recboles_own_loop_reads_what_is_refused_elsewhere(shop):
    assert trainer_class(configured(shop, "SASRec", exact_recbole=True, enable_amp=True))
    assert trainer_class(configured(shop, "SASRec", shuffle=False))
