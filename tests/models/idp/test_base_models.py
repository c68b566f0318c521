"""IDP on other base models: the contract, what training reads, and what is taken over from another kind of encoder."""

import pytest
import torch

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.masked_rows import MaskedBatches, append_event
from recbole_idp.data.rows import Batch, PositionBatches, PrefixBatches
from recbole_idp.errors import UserError
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.models.idp.pretrain import pretrain_config
from recbole_idp.run.run import pretrain, run
from recbole_idp.testing import ModelContract, configured
from recbole_idp.testing.toy import settings
from tests.support.targets import targets_of

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

MASK = 99
LENGTHS = [3, 5, 9, 15]
# BERT4Rec has to learn from positions which event is the one before: easy where there is no other.
SHORT_ROWS = {"MAX_ITEM_LIST_LENGTH": 2, "ft_ratio": 1.0}


class TestIDPGRU4Rec(ModelContract):
    model = "IDP_GRU4Rec"
    random_start = {"transfer": "scratch"}
    changes = {"gru_hidden_size": 24, "gru_dropout_prob": 0.1}


class TestIDPBERT4Rec(ModelContract):
    model = "IDP_BERT4Rec"
    random_start = {"transfer": "scratch"}
    causal = False
    learning = {**SHORT_ROWS, "epochs": 30}

    def one_target_each(self, model, items, target):
        hidden, _ = append_event(items, (items > 0).sum(1), model.mask_token, model.max_length)
        targets = torch.nn.functional.pad(torch.zeros_like(items), (0, 1))
        targets[:, -1] = target
        return Batch(((hidden, targets),), len(items))


class TestIDPBERT4RecWithSampledSoftmax(TestIDPBERT4Rec):
    changes = {"train_negatives": 5}

    # Drawn negatives: two calls differ, and so small a catalogue is learnt slowly.
    test_learns_which_item_follows_which = None
    test_prefix_and_position_losses_agree_where_there_is_one_target = None


class TestIDPBS(TestIDPBERT4Rec):
    model = "IDP_BS"

    # From scratch it is IDP_BERT4Rec, which has shown that it learns.
    test_learns_which_item_follows_which = None


def masked(rows, mask_ratio, ft_ratio, max_length=6):
    generator = torch.Generator().manual_seed(0)
    batches = rows(targets_of(LENGTHS, held_out=1), max_length, 8, generator)
    return MaskedBatches(batches, rows is PositionBatches, MASK, mask_ratio, ft_ratio, max_length, generator)


@pytest.mark.parametrize("rows", [PositionBatches, PrefixBatches])
def test_hidden_events_are_the_targets_and_no_other_ones(rows):
    batches, last_events, shares = masked(rows, 0.5, 0.0), {3, 25, 49, 75}, []
    for _ in range(40):
        for batch in batches:
            assert batch.n_targets == sum(int((targets > 0).sum()) for _, targets in batch.parts)
            for items, targets in batch.parts:
                assert items.shape == targets.shape and items.shape[1] <= 6
                assert torch.equal(items == MASK, targets > 0) and (targets > 0).any(1).all()
                events = torch.where(items == MASK, targets, items)
                inside = events > 0
                # Padding on the right, events of one user one after the other, none that was held out.
                assert (inside[:, :-1] >= inside[:, 1:]).all()
                assert (torch.diff(events, dim=1)[inside[:, 1:]] == 1).all()
                assert not last_events & set(events.flatten().tolist())
                shares.append((targets > 0).sum(1) / inside.sum(1))
    # A little more than the ratio, since no row is without a hidden event.
    assert 0.5 < float(torch.cat(shares).mean()) < 0.6


def test_each_event_is_hidden_at_times_and_draws_differ_from_epoch_to_epoch():
    batches, seen = masked(PositionBatches, 0.2, 0.0), []
    for _ in range(60):
        seen.append(
            {item for batch in batches for _, targets in batch.parts for item in targets.flatten().tolist()} - {0}
        )
    assert seen[0] != seen[1]
    assert set.union(*seen) == {1, 2, *range(21, 25), *range(41, 49), *range(61, 75)}
    again = masked(PositionBatches, 0.2, 0.0)
    assert seen[0] == {item for batch in again for _, part in batch.parts for item in part.flatten().tolist()} - {0}


@pytest.mark.parametrize("rows", [PositionBatches, PrefixBatches])
def test_each_target_is_the_last_event_of_a_row_at_times(rows):
    batches, seen = masked(rows, 1.0, 1.0), set()
    for _ in range(60 if rows is PositionBatches else 1):
        for items, targets in (part for batch in batches for part in batch.parts):
            last = (items > 0).sum(1, keepdim=True) - 1
            assert torch.equal(targets > 0, torch.arange(items.shape[1]) == last) and (last > 0).all()
            before, hidden = items.gather(1, last - 1), targets.gather(1, last)
            assert torch.equal(before + 1, hidden)
            seen |= set(hidden.flatten().tolist())
    assert seen == set(targets_of(LENGTHS, held_out=1).items.tolist())


def test_the_last_event_alone_is_hidden_in_the_wanted_share_of_rows():
    batches = masked(PrefixBatches, 1.0, 0.3)
    parts = [part for _ in range(40) for batch in batches for part in batch.parts]
    alone = torch.cat([(targets > 0).sum(1) == 1 for _, targets in parts])
    assert float(alone.float().mean()) == pytest.approx(0.3, abs=0.05)


def test_a_full_row_loses_its_oldest_event():
    items = torch.tensor([[1, 2, 3], [4, 5, 0]])
    rows, lengths = append_event(items, torch.tensor([3, 2]), MASK, 3)
    assert rows.tolist() == [[2, 3, MASK], [4, 5, MASK]] and lengths.tolist() == [3, 3]
    rows, lengths = append_event(items, torch.tensor([3, 2]), torch.tensor([7, 8]), 9)
    assert rows.tolist() == [[1, 2, 3, 7], [4, 5, 8, 0]] and lengths.tolist() == [4, 3]


@pytest.mark.parametrize(("model", "kind"), [("IDP_BERT4Rec", "BERT4Rec"), ("IDP_GRU4Rec", "GRU4Rec")])
def test_a_base_model_is_pre_trained_and_taken_over(domains, model, kind):
    # The titles are the same in both domains, so that each target item gets the ID of its twin, and with it the order.
    changes = {"pretrain_epochs": 30, "pretrain_learning_rate": 0.01, "pretrain_stopping_step": 30, "epochs": 1}
    changes |= SHORT_ROWS if kind == "BERT4Rec" else {"MAX_ITEM_LIST_LENGTH": 2}
    changes |= {"pretrain_valid_users": 20, "source_domains": ["pens"], "generator": "paper", "top_m": 1}
    variants = ["scratch", "zero_shot", "fine_tune", "new_encoder"]
    result = run(configured(domains, model, variants=variants, **changes))
    found = {name: variant["test"]["hit@1"] for name, variant in result["variants"].items()}
    assert found["zero_shot"] > 0.9 and found["fine_tune"] > 0.9 and found["scratch"] < 0.5
    bundle = Bundle.open(result["bundle"])
    assert bundle.description["encoder"]["kind"] == kind
    assert f"Sequence encoder: {kind}" in (bundle.folder / "README.md").read_text()


def test_sasrecs_ids_start_a_new_bert4rec(domains):
    config = configured(domains, "IDP_BS")
    assert (config["variants"], config["transfer"]) == (["scratch", "new_encoder"], "new_encoder")
    result = run(config)
    assert set(result["variants"]) == {"scratch", "new_encoder"}
    bundle = Bundle.open(result["bundle"])
    assert bundle.description["encoder"]["kind"] == "SASRec" and "mask_vector" not in bundle.encoder
    # It is the bundle of IDP itself, be it asked for with the target's model or alone.
    assert pretrain(configured(domains, "IDP")).folder == bundle.folder


def test_the_pre_trained_model_has_its_own_defaults_and_what_the_user_changed(domains):
    changes = settings(domains)
    for key in ("hidden_dropout_prob", "attn_dropout_prob"):
        changes.pop(key)
    config = StrictConfig("IDP_BS", "shop", config_dict={**changes, "attn_dropout_prob": 0.3})
    planned = pretrain_config(config)
    assert (planned["model"], planned["hidden_dropout_prob"], planned["attn_dropout_prob"]) == ("IDP", 0.5, 0.3)
    assert (config["model"], config["hidden_dropout_prob"]) == ("IDP_BS", 0.2)
    again = StrictConfig.from_dict(config.as_dict())
    assert pretrain_config(again)["hidden_dropout_prob"] == 0.5


@pytest.mark.parametrize("variant", ["fine_tune", "zero_shot", "random_match"])
def test_an_encoder_of_another_kind_is_refused_before_any_work(domains, variant):
    with pytest.raises(
        UserError, match=f"{variant} takes over the encoder, but SASRec was pre-trained.*new_encoder"
    ) as caught:
        run(configured(domains, "IDP_BS", variants=["scratch", variant]))
    assert "\n" not in str(caught.value)
    assert not list((domains / "saved").rglob("*")) and not (domains / "results").exists()


def test_a_bundle_of_another_kind_gives_its_ids(domains):
    bundle = pretrain(configured(domains, "IDP")).folder
    given = {"pretrained": str(bundle), "source_domains": []}
    run(configured(domains, "IDP_GRU4Rec", variants=["new_encoder"], **given))
    with pytest.raises(UserError, match="SASRec was pre-trained and IDP_GRU4Rec is GRU4Rec"):
        run(configured(domains, "IDP_GRU4Rec", variants=["fine_tune"], **given))


@pytest.mark.parametrize(
    ("name", "line"), [("IDP_GRU", "did you mean IDP_GRU4Rec"), ("SASRec", "cannot be pre-trained")]
)
def test_what_cannot_be_pre_trained_is_refused_in_one_line(domains, name, line):
    with pytest.raises(UserError, match=line):
        run(configured(domains, "IDP_BERT4Rec", pretrain_model=name))
    assert not list((domains / "saved").rglob("*"))


@pytest.mark.parametrize("model", ["IDP_BERT4Rec", "IDP_BS", "IDP_GRU4Rec"])
def test_recboles_own_functions_train_and_open_it(domains, monkeypatch, model):
    from recbole.quick_start import load_data_and_model, run_recbole
    from recbole.utils.case_study import full_sort_topk

    monkeypatch.setattr("sys.argv", ["recbole"])
    outcome = run_recbole(model=model, dataset="shop", config_dict=settings(domains))
    assert 0 <= outcome["test_result"]["hit@5"] <= 1
    (checkpoint,) = (domains / "saved").glob("IDP_*.safetensors")
    config, opened, dataset, _, _, test = load_data_and_model(model_file=str(checkpoint))
    assert config["model"] == model
    users = dataset.token2id(dataset.uid_field, ["su0", "su1"])
    scores, items = full_sort_topk(users, opened, test, k=3, device=config["device"])
    assert scores.shape == items.shape == (2, 3) and (items > 0).all()
