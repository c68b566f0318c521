"""Adapter4Rec: the contract, what each form of adapters trains and leaves, what is served, measured and refused."""

import os
from pathlib import Path
from typing import NamedTuple, get_args

import pytest
import torch
from torch.nn import functional

from recbole_idp import testing
from recbole_idp.data.rows import Batch
from recbole_idp.errors import UserError
from recbole_idp.models.adapter4rec.model import last_target
from recbole_idp.models.morec.model import MoRec
from recbole_idp.nn.adapters.forms import AdapterKind
from recbole_idp.serving.pack import trained_model
from recbole_idp.testing import ModelContract
from recbole_idp.testing.toy import title, write_dataset, write_domains
from tests.support import models
from tests.support.bias_free import parity_encoder, right_padded
from tests.support.encoders import write_bert
from tests.support.parity import equal, parity_arrays
from tests.support.trained import run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

KINDS = get_args(AdapterKind)
SMALL = {"user_adapter_size": 4, "encoder_adapter_size": 4, "lora_rank": 2, "encoder_lora_rank": 2, "prompt_length": 3}


class TestAdapter4Rec(ModelContract):
    model = "Adapter4Rec"
    changes = {"train_encoder": "none", "transfer": "adapters"}
    random_start = {"transfer": "scratch"}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None
    # Of eight items on a circle nearly all are the user's own, which are no negatives: see the wide circle below.
    test_learns_which_item_follows_which = None


class Start(NamedTuple):
    """Toy domains, a text encoder, and a MoRec that was pre-trained with it."""

    domains: str
    options: dict


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A MoRec whose content encoder was pre-trained on toy sources; not to be changed."""
    folder = tmp_path_factory.mktemp("start")
    (folder / "bert").mkdir()
    words = sorted({word for item in range(40) for word in title(item).split()})
    write_bert(folder / "bert", words)
    before = os.getcwd()
    os.chdir(folder)
    try:
        domains = write_domains(folder / "data")
        options = {"text_encoder": str(folder / "bert"), "pretrain_epochs": 1, "epochs": 1, "text_tokens": 16, **SMALL}
        found = MoRec.find_pretrained(testing.configured(domains, "Adapter4Rec", **options))
    finally:
        os.chdir(before)
    return Start(domains, {**options, "pretrained": str(found.folder)})


def fitted(start, workplace, **changes):
    """Trains on the shop, which writes into the test's own folder; returns the model and its trainer."""
    own = {"checkpoint_dir": str(workplace / "saved"), "cache_path": str(workplace / "cache")}
    model, trainer, _ = models.fitted(start.domains, "Adapter4Rec", **{**start.options, **own, **changes})
    return model, trainer


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_alone_are_trained_and_what_comes_out_is_served(start, workplace, kind):
    model, trainer = fitted(start, workplace, adapter=kind)
    plain, not_trained = fitted(start, workplace, transfer="zero_shot")
    assert not_trained.facts()["trained_share"] == 0
    found, base = model.state_dict(), plain.state_dict()
    # All that is no adapter is what was pre-trained.
    kept = {name: value for name, value in found.items() if "adapter" not in name.split(".")}
    assert {name for name in kept if not name.startswith("content.")} == set(base)
    assert all(torch.equal(kept[name], value) for name, value in base.items())
    own = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert own and all("adapter" in name.split(".") for name in own)
    # Adapters are there on both sides, but for the prompt, and some of each side have changed.
    sides = {name.split(".")[0] for name in own}
    assert sides == ({"content"} if kind == "soft_prompt" else {"content", "encoder"})
    facts = trainer.facts()
    sizes = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert facts["trained_parameters"] == sizes and facts["trained_share"] < 0.6
    # A folder for the task recommend, which needs neither texts nor RecBole.
    train = testing.models.loaders_of(trainer.config)[0].dataset
    about = {"variant": "adapters", "seed": 1, "valid": {}, "test": {}}
    served = trained_model(model, trainer.config, train, [""] * (model.n_items - 1), about)
    assert served is not None
    served.save(workplace / "served")
    opened = type(served).open(workplace / "served")
    assert opened.user_encoder() is not None
    joined_by_its_text(opened, start.domains, workplace)
    # Weights of an encoder with other adapters are refused.
    opened.content.weights.pop(next(name for name in opened.content.weights if name.startswith("adapters.")))
    with pytest.raises(ValueError, match="are not those that its description says"):
        opened.content.vectors(["red thing"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["houlsby", "compacter", "lora", "k_adapter"])
def test_items_join_where_the_last_layer_alone_has_adapters(start, workplace, kind):
    model, trainer = fitted(start, workplace, adapter=kind, train_encoder="last_n", trained_layers=1)
    train = testing.models.loaders_of(trainer.config)[0].dataset
    about = {"variant": "adapters", "seed": 1, "valid": {}, "test": {}}
    served = trained_model(model, trainer.config, train, [""] * (model.n_items - 1), about)
    served.save(workplace / "served")
    joined_by_its_text(type(served).open(workplace / "served"), start.domains, workplace)


def joined_by_its_text(opened, domains, workplace):
    """Adds an item that has the text of another to a trained folder, and checks that both have one vector."""
    lines = (Path(domains) / "shop" / "shop.item").read_text().splitlines()
    known = dict(line.split("\t") for line in lines[1:])
    (workplace / "new.item").write_text(f"{lines[0]}\nnew\t{known[opened.tokens[2]]}\n")
    longer, _ = opened.with_items(workplace / "new.item")
    torch.testing.assert_close(longer.item_vectors[-1], opened.item_vectors[3], rtol=0, atol=1e-3)
    distances = (opened.item_vectors[1:] - opened.item_vectors[3]).norm(dim=1)
    assert (longer.item_vectors[-1] - opened.item_vectors[3]).norm() < 0.1 * distances[distances > 0.02].min()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["houlsby", "pfeiffer", "lora"])
def test_adapters_in_bsarec_are_served(domains, workplace, kind):
    sizes = {"encoder": "BSARec", "transformer_block": "RecBole", "train_encoder": "none", "adapter": kind}
    config = testing.configured(domains, "Adapter4Rec", **sizes, epochs=1)
    model, trainer, _ = models.fitted(domains, "Adapter4Rec", **sizes, epochs=1)
    train = testing.models.loaders_of(config)[0].dataset
    about = {"variant": "adapters", "seed": 1, "valid": {}, "test": {}}
    served = trained_model(model, trainer.config, train, [""] * (model.n_items - 1), about)
    assert served is not None and served.description["encoder"]["kind"] == "BSARecAdapted"


@pytest.mark.parametrize("kind", ["lora", "houlsby", "parallel", "pfeiffer_attention", "compacter"])
def test_the_right_forms_start_where_pre_training_ended(start, workplace, kind):
    plain, _ = fitted(start, workplace, transfer="zero_shot")
    vectors, padding = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 5).bool()
    with torch.no_grad():
        expected = plain.eval().encoder(vectors, padding)
        model = untrained(start, workplace, adapter=kind)
        found = model.encoder(vectors, padding)
        torch.testing.assert_close(found, expected, rtol=0, atol=(1e-5 if kind == "lora" else 0.1))
        if kind == "lora":
            contents = model.content_vectors(torch.arange(9))
            torch.testing.assert_close(contents, plain.text_vectors, rtol=0, atol=1e-4)
        if kind in ("parallel", "compacter"):
            other = untrained(start, workplace, adapter=kind, adapter_form="reference").encoder(vectors, padding)
            assert (other - expected).abs().max() > 0.3


def untrained(start, workplace, **changes):
    """Returns the model with adapters as they begin and the pre-trained weights, in evaluation mode."""
    own = {"checkpoint_dir": str(workplace / "saved"), "cache_path": str(workplace / "cache")}
    config = testing.configured(start.domains, "Adapter4Rec", **{**start.options, **own, **changes})
    train, _, _ = testing.models.loaders_of(config)
    torch.manual_seed(3)
    model = config.model_class(config, train.dataset)
    model.start_from(model.find_pretrained(config).state)
    return model.eval()


def test_norms_are_trained_where_they_are_to_be(start, workplace):
    model = untrained(start, workplace, train_layer_norms=True)
    model.freeze()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    others = {name for name in trained if "adapter" not in name.split(".")}
    assert others and all("norm" in name.lower() for name in others)
    assert "encoder.norm.weight" in others and any(name.startswith("content.") for name in others)


def test_k_adapter_sees_no_future_and_no_padding(start, workplace):
    model = untrained(start, workplace, adapter="k_adapter")
    testing.models.perturbed(model)
    with torch.no_grad():
        first = model.encode(torch.tensor([[1, 2, 3, 4]]))
        changed = model.encode(torch.tensor([[1, 2, 3, 7]]))
        torch.testing.assert_close(first[:, :3], changed[:, :3])
        assert not torch.allclose(first[:, 3], changed[:, 3])
        # One chunk of texts of different lengths gives what each gives alone.
        rows = torch.tensor([1, 2, 5, 7])
        together = model.content(rows)
        alone = torch.cat([model.content(row.view(1)) for row in rows])
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_a_prompt_reaches_the_words_and_is_no_part_of_the_pooled_text(start, workplace):
    model = untrained(start, workplace, adapter="soft_prompt")
    rows = torch.tensor([1, 2, 5, 7])
    with torch.no_grad():
        before = model.content(rows)
        alone = torch.cat([model.content(row.view(1)) for row in rows])
        torch.testing.assert_close(before, alone, rtol=0, atol=1e-5)
        # A constant would be taken off by the norm of the embeddings.
        model.content.beside.adapter.add_(torch.randn(3, 16, generator=torch.Generator().manual_seed(0)))
        assert (model.content(rows) - before).abs().max() > 1e-3


def test_the_last_target_of_each_row_is_that_of_cpc(domains):
    targets = torch.tensor([[3, 4, 5], [6, 7, 0], [0, 0, 0]])
    assert last_target(targets).tolist() == [[0, 0, 5], [0, 7, 0], [0, 0, 0]]


@pytest.mark.parametrize("objective", ["sasrec", "cpc"])
def test_both_losses_and_their_gradients_are_those_of_the_authors_code(domains, objective, monkeypatch):
    arrays = parity_arrays("adapter4rec")
    write_dataset(domains, "ten", 25, n_items=10)
    sizes = {"hidden_size": 8, "n_heads": 2, "n_layers": 2, "MAX_ITEM_LIST_LENGTH": 4, "train_encoder": "none"}
    sizes |= {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "transfer": "scratch", "objective": objective}
    model, _, _ = models.made(domains, "Adapter4Rec", "ten", **sizes)
    model.encoder = parity_encoder(arrays, "user")
    vectors = arrays["user/id_embedding.weight"]
    monkeypatch.setattr(model, "encode_items", lambda: vectors)
    mask = arrays["in/log_mask"] > 0
    positive, negative = arrays["in/sample_items"].unbind(-1)
    items, targets = right_padded(positive[:, :-1]), right_padded(positive[:, 1:] * mask)
    drawn = right_padded(negative[:, :-1] * mask)
    monkeypatch.setattr(model, "draw_negatives", lambda batch, wanted: drawn[batch.parts[0][1] > 0].unsqueeze(1))
    with torch.no_grad():
        states = model.encode(items)
    equal(states[items > 0], arrays["out/user_states"][mask])
    loss = model.position_loss(Batch(((items, targets),), int(mask.sum())))
    equal(loss, arrays[f"out/loss_{objective}"])
    loss.backward()
    name = "user_encoder.transformer_encoder.transformer_blocks.0.multi_head_attention.w_Q.weight"
    found = model.encoder.blocks[0].attention.query_key_value.weight.grad[:8]
    equal(found, arrays[f"grad/loss_{objective}/{name}"])


@pytest.mark.slow
def test_a_run_reports_share_memory_and_seconds_beside_full_fine_tuning(start, workplace):
    result = run(start.domains.parent, "Adapter4Rec", **start.options, checkpoint_dir=str(workplace / "saved"))
    assert list(result["variants"]) == ["fine_tune", "adapters"]
    runs = {name: row["runs"][0] for name, row in result["variants"].items()}
    assert runs["fine_tune"]["trained_share"] == 1 > runs["adapters"]["trained_share"]
    assert runs["adapters"]["trained_parameters"] < runs["fine_tune"]["trained_parameters"]
    assert all(row["seconds"] > 0 for row in runs.values())
    if os.path.exists("/proc/self/clear_refs"):
        assert all(row["training_memory_mb"] is None or row["training_memory_mb"] >= 0 for row in runs.values())


@pytest.mark.slow
def test_adapters_learn_an_order_that_the_sources_do_not_have(tmp_path):
    # In the sources each title follows the one before; the target's circle runs the other way.
    domains = tmp_path / "data"
    write_dataset(domains, "pens", 80, n_items=24, prefix="p", seed=1)
    write_dataset(domains, "shop", 80, n_items=24, prefix="s", seed=3)
    path = domains / "shop" / "shop.item"
    header, *rows = path.read_text().splitlines()
    tokens, titles = zip(*(row.split("\t") for row in rows), strict=True)
    path.write_text("\n".join([header, *(f"{a}\t{b}" for a, b in zip(tokens, titles[::-1], strict=True))]) + "\n")
    changes = {"source_domains": ["pens"], "pretrain_epochs": 40, "pretrain_stopping_step": 40}
    changes |= {"pretrain_learning_rate": 0.01, "train_encoder": "none", "exclude_history": True, "loss_type": "CE"}
    _, trainer, test = models.fitted(domains, "Adapter4Rec", transfer="zero_shot", **changes)
    before = trainer.evaluate(test)["hit@1"]
    tuning = {"epochs": 60, "stopping_step": 60, "learning_rate": 0.01, "train_layer_norms": True}
    _, trainer, test = models.fitted(domains, "Adapter4Rec", transfer="adapters", **tuning, **changes)
    assert before < 0.1 and trainer.evaluate(test)["hit@1"] > 0.5


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"adapter": "soft_prompt", "train_encoder": "last_n", "trained_layers": 1}, "soft_prompt changes what the"),
        ({"adapter": "soft_prompt", "prompt_length": 1000}, "prompt_length is 1000, and the text encoder has room for"),
        ({"adapter": "compacter", "user_adapter_size": 6}, "Compacter's layer from 16 to 6 is made of 4 parts"),
        ({"id_fusion": "add"}, "id_fusion is add, and IDs do not transfer"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(start, workplace, changes, line):
    with pytest.raises(UserError, match=line) as caught:
        fitted(start, workplace, **changes)
    assert "\n" not in str(caught.value)


def test_adapters_in_the_last_layers_leave_the_lower_ones_cached(start, workplace):
    model, _ = fitted(start, workplace, train_encoder="last_n", trained_layers=1)
    names = [name for name, parameter in model.content.named_parameters() if parameter.requires_grad]
    assert names and all(name.startswith("trained.0.") for name in names)
    vectors = functional.normalize(model.content_vectors(torch.arange(3)), dim=1)
    assert torch.isfinite(vectors).all()
