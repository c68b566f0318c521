"""MoRec and TCF whose text encoder is trained with the rest."""

import dataclasses
import re

import pytest
import torch

from recbole_idp.content.trainable.memory import StepMemory, kept_bytes, text_bytes
from recbole_idp.data.rows import Batch
from recbole_idp.errors import UserError
from recbole_idp.models.morec.model import MoRec
from recbole_idp.nn.adapters.bert import adapt_layers
from recbole_idp.nn.adapters.forms import AdapterForm
from recbole_idp.testing import configured
from recbole_idp.testing.toy import title, write_dataset
from tests.support.encoders import write_bert
from tests.support.models import fitted, made

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

BATCH = Batch(((torch.tensor([[1, 2, 3], [4, 2, 0]]), torch.tensor([[2, 3, 5], [2, 6, 0]])),), 5)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The folder of an untrained BERT of three layers, that knows the toy texts' words."""
    folder = tmp_path_factory.mktemp("encoders") / "bert"
    folder.mkdir()
    write_bert(folder, sorted({word for item in range(40) for word in title(item).split()}), n_layers=3)
    return str(folder)


@pytest.mark.parametrize("depth", [{"train_encoder": "all"}, {"train_encoder": "last_n", "trained_layers": 2}])
def test_training_starts_from_what_the_frozen_encoder_gives(domains, bert, depth):
    frozen, _, _ = made(domains, "MoRec", text_encoder=bert)
    tuned, _, _ = made(domains, "MoRec", text_encoder=bert, **depth)
    tuned.item_encoder.load_state_dict(frozen.item_encoder.state_dict())
    with torch.no_grad():
        # Random weights were given to all parts: take the encoder's own again.
        tuned.content = MoRec(configured(domains, "MoRec", text_encoder=bert, **depth), data(domains, bert)).content
        expected, found = frozen.eval().encode_items(), tuned.eval().encode_items()
    # Outputs of lower layers are kept in half precision.
    tolerance = 1e-4 if depth["train_encoder"] == "all" else 2e-2
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


def data(domains, bert):
    """Returns the training data of the shop."""
    _, _, loaders = made(domains, "PositionSASRec", text_encoder=bert)
    return loaders[0].dataset


@pytest.mark.parametrize("model", ["MoRec", "TCF"])
@pytest.mark.parametrize("loss", ["CE", "BCE"])
def test_a_step_encodes_each_item_once_and_reaches_the_encoder(domains, bert, model, loss, monkeypatch):
    built, _, _ = made(domains, model, text_encoder=bert, train_encoder="all", loss_type=loss)
    encoded = []
    encode = built.content.encode_distinct
    monkeypatch.setattr(built.content, "encode_distinct", lambda places: encoded.extend(places) or encode(places))
    built.train()
    built.position_loss(BATCH).backward()
    assert encoded and len(encoded) == len(set(encoded))
    softmax_over_all = model == "MoRec" and loss == "CE"
    assert (len(encoded) == len(built.content.texts)) == softmax_over_all
    if not softmax_over_all:
        # six items of the batch and, for MoRec, five negatives at most
        assert len(encoded) <= (11 if model == "MoRec" else 6)
    gradients = [parameter.grad for parameter in built.encoder_parameters()]
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


def test_recomputed_states_give_the_same_gradients(domains, bert):
    found = []
    for recompute in (False, True):
        options = {"train_encoder": "all", "gradient_checkpointing": recompute, "hidden_dropout_prob": 0.0}
        built, _, _ = made(domains, "MoRec", text_encoder=bert, attn_dropout_prob=0.0, **options)
        built.eval()
        built.position_loss(BATCH).backward()
        found.append([parameter.grad.clone() for parameter in built.encoder_parameters() if parameter.grad is not None])
    assert len(found[0]) > 10
    for plain, recomputed in zip(*found, strict=True):
        torch.testing.assert_close(plain, recomputed)


def test_the_last_layers_learn_at_their_own_rate_and_the_others_stay(domains, bert, caplog):
    caplog.set_level("INFO")
    options = {"train_encoder": "last_n", "trained_layers": 1, "epochs": 1, "encoder_learning_rate": 1e-2}
    model, trainer, _ = fitted(domains, "MoRec", text_encoder=bert, **options)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [trainer.config["learning_rate"], 1e-2]
    assert "The content encoder is trained" in caplog.text and "minutes on this machine" in caplog.text
    before = MoRec(configured(domains, "MoRec", text_encoder=bert, **options), data(domains, bert)).content
    changed = [name for name, value in model.content.state_dict().items() if (value != before.state_dict()[name]).any()]
    assert changed and all(name.startswith("trained.0.") for name in changed)
    tuned, fresh = model.content.tuned_encoder(), before.tuned_encoder()
    ours, theirs = tuned.model.state_dict(), fresh.model.state_dict()
    assert {name.split(".layer.")[1][0] for name in ours if not torch.equal(ours[name], theirs[name])} == {"2"}


def test_the_estimate_changes_no_number(domains, bert, monkeypatch):
    from recbole_idp.train.encoder_trainer import EncoderTrainer

    options = {"text_encoder": bert, "train_encoder": "all", "epochs": 1}
    first, _, _ = fitted(domains, "MoRec", **options)
    monkeypatch.setattr(EncoderTrainer, "_estimate", lambda self, data: None)
    second, _, _ = fitted(domains, "MoRec", **options)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"text_encoder": "lsa", "train_encoder": "all"}, "lsa has no layers to train"),
        ({"train_encoder": "last_n", "trained_layers": 4}, "trained_layers is 4, but .* has 3 layers: give fewer"),
    ],
)
def test_encoders_without_such_layers_are_refused_in_one_line(domains, bert, changes, line):
    with pytest.raises(UserError, match=line) as caught:
        made(domains, "MoRec", **{"text_encoder": bert, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_memory_of_a_step_is_told_and_what_will_not_suffice_is_refused_with_the_key_that_helps(
    domains, bert, caplog
):
    caplog.set_level("INFO")
    write_dataset(domains, "wide", 80, n_items=200)
    options = {"text_encoder": bert, "train_encoder": "all", "epochs": 1}
    model, _, _ = fitted(domains, "MoRec", "wide", **options)
    assert re.search(r"a step takes about \d+\.\d\d GiB of memory", caplog.text)
    sizes, trained = model.step_memory(64), sum(p.numel() for p in model.content.parameters())
    assert (sizes.contents, sizes.parameters) == (len(model.content.texts), trained) and sizes.each > 0
    line = r"takes about 0\.00 GiB of memory a step, and 0\.00 GiB are available: give --gradient_checkpointing=true"
    with pytest.raises(UserError, match=line) as caught:
        fitted(domains, "MoRec", "wide", memory_limit_mb=1, **options)
    assert "\n" not in str(caught.value)
    fitted(domains, "MoRec", "wide", memory_limit_mb=1, gradient_checkpointing=True, **options)


def test_the_first_key_that_suffices_is_named():
    sizes = StepMemory(contents=1000, each=text_bytes(30, 12, 768, 12), parameters=110_000_000)
    assert 10 < sizes.n_bytes / 2**30 < 60
    assert sizes.remedy(sizes.n_bytes * 3 // 4).startswith("give --gradient_checkpointing=true, with which it is about")
    little = dataclasses.replace(sizes, contents=20, parameters=1_000_000)
    assert little.remedy(little.n_bytes * 3 // 4).startswith("give --encoder_precision=bfloat16")
    both = dataclasses.replace(sizes, contents=20, parameters=0)
    assert both.remedy(both.n_bytes * 2 // 5).startswith("give fewer trained_layers")
    assert sizes.remedy(1 << 30).startswith("give fewer trained_layers")
    last = StepMemory(contents=1000, each=text_bytes(30, 2, 768, 12), parameters=14_000_000)
    assert last.n_bytes < sizes.n_bytes / 5


@pytest.mark.parametrize("frozen", [False, True])
def test_the_estimate_of_a_steps_states_is_what_autograd_keeps(frozen):
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 3, "intermediate_size": 256}
    bert = BertModel(BertConfig(vocab_size=30, **sizes), add_pooling_layer=False).train()
    if frozen:
        bert.requires_grad_(False)
        adapt_layers(bert.encoder, AdapterForm("houlsby", 16, 4), "bert")
    ids = torch.randint(30, (16, 24), generator=torch.Generator().manual_seed(0))
    found = kept_bytes(lambda: bert(input_ids=ids, attention_mask=torch.ones_like(ids))[0], bert)
    assert 16 * text_bytes(24, 3, 64, 4, frozen) == pytest.approx(found, rel=0.25)
