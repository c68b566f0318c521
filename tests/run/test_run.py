"""The whole job on toy domains: what it compares, saves, finds again and refuses."""

import functools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from recbole.trainer import Trainer

from recbole_idp import add_model, registry, testing
from recbole_idp.config.strict import StrictConfig
from recbole_idp.errors import UserError
from recbole_idp.evaluation.gains import gains
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.models.idp.variants import VARIANTS
from recbole_idp.recbole_models.choose import trainer_class
from recbole_idp.report.few_shot import study_table
from recbole_idp.report.result import markdown_table, read_ranks, read_result
from recbole_idp.run.prepare import check_is_matched
from recbole_idp.run.run import pretrain, run
from recbole_idp.testing.toy import write_dataset
from recbole_idp.train.resumable import Resumable
from recbole_idp.train.run_trainer import RunTrainer
from tests.support.trained import bundles

configured = functools.partial(testing.configured, model="IDP")
ALL_VARIANTS = ["scratch", "random_match", "zero_shot", "fine_tune", "new_encoder"]


def test_run_compares_all_variants_and_leaves_one_json(domains, capsys):
    result = run(configured(domains, variants=ALL_VARIANTS))
    (path,) = (domains / "results").glob("*.json")
    saved = read_result(path)
    assert list(saved["variants"]) == ALL_VARIANTS
    assert saved["variants"] == json.loads(json.dumps(result["variants"]))
    assert set(saved["stages"]) == {"read", "pretrain", "encode", "cdim", "match", "predict", "transfer", "evaluate"}
    assert saved["stages"]["pretrain"]["targets_per_second"] > 0
    assert saved["peak_memory_mb"] > 0
    assert {"format", "model", "dataset", "data_fingerprint", "protocol", "seed", "config", "versions"} <= set(saved)
    for variant in saved["variants"].values():
        assert {"hit@1", "hit@5", "ndcg@5", "mrr@5", "mrr"} <= set(variant["test"])
    printed = capsys.readouterr().out
    assert markdown_table(saved) in printed and "±" not in printed
    assert f"Result: {path}" in printed


def test_each_variant_is_trained_with_each_seed_and_the_table_shows_mean_and_deviation(domains, capsys):
    together = run(configured(domains, variants=["scratch", "fine_tune"], seeds=[5, 2020, 7]))
    assert len(bundles(domains / "saved")) == 1
    printed = capsys.readouterr().out
    assert "mean ± standard deviation of seeds 5, 2020, 7" in printed
    for row in together["variants"].values():
        values = [trial["test"]["ndcg@5"] for trial in row["runs"]]
        assert [trial["seed"] for trial in row["runs"]] == [5, 2020, 7]
        assert len(set(values)) > 1
        assert row["test"]["ndcg@5"] == pytest.approx(np.mean(values))
        assert row["test_deviation"]["ndcg@5"] == pytest.approx(np.std(values, ddof=1), abs=1e-6)
        assert f"{np.mean(values):.4f}" in printed and f"± {np.std(values, ddof=1):.4f}" in printed

    alone = run(configured(domains, variants=["scratch"], seed=7))
    assert alone["variants"]["scratch"]["test"] == together["variants"]["scratch"]["runs"][2]["test"]
    alone = run(configured(domains, variants=["fine_tune"]))
    assert alone["seeds"] == [2020]
    assert alone["variants"]["fine_tune"]["test"] == together["variants"]["fine_tune"]["runs"][1]["test"]
    alone = run(configured(domains, variants=["scratch"], seeds=[5]))
    assert alone["variants"]["scratch"]["test"] == together["variants"]["scratch"]["runs"][0]["test"]
    names = [path.name for path in (domains / "results").glob("*.json")]
    assert {re.match(r"IDP-shop-(.+?)-[A-Z]", name)[1] for name in names} == {"3-seeds", "7", "2020", "5"}


def test_ranks_lie_beside_the_result_and_give_its_metrics(domains):
    result = run(configured(domains, variants=["scratch", "zero_shot"], seeds=[1, 2]))
    (path,) = (domains / "results").glob("*.json")
    ranks = read_ranks(path)
    assert set(ranks.trials) == {"scratch-1", "scratch-2", "zero_shot-1", "zero_shot-2"}
    assert sorted(ranks.users) == sorted(f"su{user}" for user in range(30))
    for row, variant in result["variants"].items():
        for trial in variant["runs"]:
            found = gains(ranks.trials[f"{row}-{trial['seed']}"], "NDCG@5").mean()
            assert found == pytest.approx(trial["test"]["ndcg@5"], abs=5e-5)
    assert np.array_equal(ranks.trials["zero_shot-1"], ranks.trials["zero_shot-2"])


@pytest.mark.slow
def test_the_report_says_whether_transfer_helped(domains, capsys):
    changes = {"pretrain_epochs": 60, "pretrain_learning_rate": 0.01, "pretrain_stopping_step": 60, "top_m": 2}
    variants = ["scratch", "random_match", "zero_shot"]
    result = run(configured(domains, variants=variants, epochs=1, seeds=[1, 2], **changes))
    printed = capsys.readouterr().out
    assert [(one["variant"], one["baseline"]) for one in result["comparisons"]] == [
        ("random_match", "scratch"),
        ("zero_shot", "scratch"),
    ]
    zero_shot = result["comparisons"][1]
    ours, theirs = (result["variants"][name]["test"] for name in ("zero_shot", "scratch"))
    assert (zero_shot["users"], zero_shot["seeds"], zero_shot["metric"]) == (30, 2, "NDCG@5")
    # By the metric that is watched.
    assert zero_shot["ours"] == pytest.approx(ours["ndcg@5"], abs=1e-4)
    assert zero_shot["theirs"] == pytest.approx(theirs["ndcg@5"], abs=1e-4)
    assert zero_shot["gain"] == pytest.approx(zero_shot["ours"] / zero_shot["theirs"] - 1)
    assert zero_shot["p_holm"] < 1e-4
    assert f"zero_shot is {100 * zero_shot['gain']:.1f} % above scratch in NDCG@5 (95 % interval" in printed
    assert "Transfer helped against scratch: zero_shot is significantly above it" in printed
    assert result["transfer_helped"] == [
        {"baseline": "scratch", "train_users_share": 1.0, "variant": "zero_shot", "helped": "yes"}
    ]


@pytest.mark.slow
def test_a_few_shot_study_is_one_result_with_a_table_and_a_plot(domains, capsys):
    study = run(configured(domains, variants=["scratch", "fine_tune"], few_shot=[0.2, 1.0], seeds=[1, 2]))
    printed = capsys.readouterr().out
    assert list(study["variants"]) == ["scratch@0.2", "fine_tune@0.2", "scratch@1", "fine_tune@1"]
    assert [row["train_users"] for row in study["variants"].values()] == [6, 6, 30, 30]
    (path,) = (domains / "results").glob("*.json")
    assert study_table(read_result(path), "ndcg@5") in printed
    assert "20 % (6 users)" in printed and "With 20 % of the training users: fine_tune is" in printed
    plot = path.with_suffix(".svg").read_text()
    assert "<svg" in plot and f"Plot: {path.with_suffix('.svg')}" in printed

    for share in (0.2, 1.0):
        alone = run(configured(domains, variants=["fine_tune"], train_users_share=share, seeds=[1, 2]))
        runs = [
            [trial["test"] for trial in runs]
            for runs in (alone["variants"]["fine_tune"]["runs"], study["variants"][f"fine_tune@{share:g}"]["runs"])
        ]
        assert runs[0] == runs[1]


def test_the_checkpoint_of_a_few_shot_trial_is_opened_with_its_own_users(domains):
    from recbole.quick_start import load_data_and_model

    study = run(configured(domains, variants=["scratch"], few_shot=[0.2, 1.0], seeds=[3]))
    config, _, _, train, _, test = load_data_and_model(study["variants"]["scratch@0.2"]["runs"][0]["checkpoint"])
    assert (config["seed"], config["train_users_share"]) == (3, 0.2)
    assert len(set(train.dataset.user_tokens())) == 6 and len(test.dataset) == 30


def test_sampled_candidates_are_ranked_and_compared(domains):
    mode = {"eval_args": {"mode": "uni5"}, "topk": [5]}
    result = run(configured(domains, variants=["scratch", "zero_shot"], **mode))
    (path,) = (domains / "results").glob("*.json")
    assert result["protocol"] == "uni5" and len(result["comparisons"]) == 1
    assert all(values.max() <= 6 for values in read_ranks(path).trials.values())


@pytest.mark.slow
def test_the_same_command_gives_the_same_numbers_and_pre_trains_once(domains):
    first = run(configured(domains))
    (folder,) = bundles(domains / "saved")
    made = (folder / "bundle.json").stat().st_mtime_ns
    second = run(configured(domains))
    assert (folder / "bundle.json").stat().st_mtime_ns == made
    assert "pretrain" not in second["stages"]
    shutil.rmtree(domains / "saved")
    third = run(configured(domains))
    for other in (second, third):
        for name, variant in first["variants"].items():
            assert variant["test"] == other["variants"][name]["test"]


def test_a_variant_alone_gives_what_it_gives_among_others(domains):
    together = run(configured(domains, variants=["scratch", "zero_shot", "fine_tune"]))
    alone = run(configured(domains, variants=["fine_tune"]))
    assert alone["variants"]["fine_tune"]["test"] == together["variants"]["fine_tune"]["test"]


def test_other_sources_or_settings_make_another_bundle(domains):
    pretrain(configured(domains))
    pretrain(configured(domains, source_domains=["pens"]))
    pretrain(configured(domains, pretrain_epochs=1))
    assert len(bundles(domains / "saved")) == 3
    (domains / "pens" / "pens.inter").write_text(
        (domains / "pens" / "pens.inter").read_text() + "pnew\tpi1\t1\npnew\tpi2\t2\n"
    )
    pretrain(configured(domains))
    assert len(bundles(domains / "saved")) == 4


def test_a_bundle_given_by_its_folder_needs_no_source_data(domains, tmp_path):
    bundle = pretrain(configured(domains))
    moved = shutil.move(bundle.folder, tmp_path / "elsewhere")
    expected = run(configured(domains, variants=["zero_shot"]))
    shutil.rmtree(domains / "pens")
    shutil.rmtree(domains / "lamps")
    result = run(configured(domains, variants=["zero_shot"], pretrained=str(moved)))
    assert result["variants"]["zero_shot"]["test"] == expected["variants"]["zero_shot"]["test"]


@pytest.mark.slow
def test_zero_shot_knows_the_order_that_the_sources_taught(domains):
    # The titles are the same in all domains, so each target item finds its twins, and the twins' order holds.
    changes = {"pretrain_epochs": 60, "pretrain_learning_rate": 0.01, "pretrain_stopping_step": 60, "top_m": 2}
    result = run(configured(domains, variants=["scratch", "zero_shot"], epochs=1, **changes))
    assert result["variants"]["zero_shot"]["test"]["hit@1"] > 0.9
    assert result["variants"]["scratch"]["test"]["hit@1"] < 0.5


def test_domains_that_share_users_join_their_histories(domains):
    from recbole_idp.data.domains import load_domains

    for name in ("a", "b"):
        write_dataset(domains, name, 10, prefix="", seed=5)
    apart = load_domains(configured(domains, source_domains=["a", "b"]))
    joined = load_domains(configured(domains, source_domains=["a", "b"], shared_users=[["a", "b"]]))
    assert (apart.sequences.lengths() > 0).sum() == 20
    assert (joined.sequences.lengths() > 0).sum() == 10
    assert joined.sequences.n_events == apart.sequences.n_events
    assert len(joined.item_tokens) == len(apart.item_tokens) == 17


def test_items_without_text_are_counted_and_the_run_goes_on(domains):
    path = domains / "shop" / "shop.item"
    lines = path.read_text().splitlines()
    lines[3] = lines[3].split("\t")[0] + "\t"
    path.write_text("\n".join(lines) + "\n")
    result = run(configured(domains, variants=["fine_tune"]))
    assert result["stages"]["encode"]["target_items_without_text"] == 1


def test_an_interrupted_run_goes_on_from_the_last_finished_stage(domains, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("recbole_idp.models.idp.transfer.retrieve", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(configured(domains))
    (folder,) = bundles(domains / "saved")
    made = (folder / "bundle.json").stat().st_mtime_ns
    assert not (domains / "results").exists()
    result = run(configured(domains))
    assert (folder / "bundle.json").stat().st_mtime_ns == made
    assert "pretrain" not in result["stages"]
    assert result["stages"]["encode"]["encoded"] == 0


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"source_domains": []}, "source_domains is empty"),
        ({"source_domains": ["pens", "pens"]}, "names pens twice"),
        ({"source_domains": ["pens", "shop"]}, "shop is the target and among source_domains"),
        ({"source_domains": ["pen"]}, "pens"),
        ({"shared_users": [["pens", "lamp"]]}, "did you mean lamps"),
        ({"text_fields": ["titel"]}, "title"),
        ({"pretrained": "nowhere"}, "nowhere is no bundle"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(domains, changes, line):
    with pytest.raises(UserError, match=line) as caught:
        run(configured(domains, **changes))
    assert "\n" not in str(caught.value)
    assert not (domains / "results").exists()


def test_a_target_without_users_of_three_events_is_refused(domains):
    (domains / "tiny").mkdir()
    (domains / "tiny" / "tiny.inter").write_text(
        "user_id:token\titem_id:token\ttimestamp:float\nu1\ti1\t1\nu1\ti2\t2\nu2\ti1\t1\n"
    )
    with pytest.raises(UserError, match="tiny has no user of three interactions"):
        run(configured(domains, dataset="tiny"))


def test_a_target_that_is_a_source_of_the_bundle_is_refused(domains):
    bundle = pretrain(configured(domains))
    with pytest.raises(UserError, match="pens is among the bundle's source domains"):
        run(configured(domains, dataset="pens", pretrained=str(bundle.folder)))


@pytest.fixture
def bundle(domains):
    """A bundle on disk."""
    return pretrain(configured(domains)).folder


def test_a_bundle_tells_what_it_is(bundle):
    opened = Bundle.open(bundle)
    assert opened.item_embeddings.shape == (16, 16)
    assert len(opened.text_vectors) == len(opened.tokens) == len(opened.titles) == len(opened.domains) == 16
    assert opened.domains[0] == "pens"
    assert opened.titles[0].split()[-1] == "0"
    assert "| pens | 40 | 8 |" in (bundle / "README.md").read_text()
    assert not list(bundle.rglob("*.bin")) and not list(bundle.rglob("*.pkl")) and not list(bundle.rglob("*.pth"))


def test_each_flipped_byte_is_noticed(bundle):
    for path in sorted(file for file in bundle.rglob("*") if file.is_file()):
        content = path.read_bytes()
        # In bundle.json a digit of a number that nothing else contradicts.
        place = content.index(b'"seed": 2020') + 8 if path.name == "bundle.json" else len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(UserError, match="damaged"):
            Bundle.open(bundle)
        path.write_bytes(content)
    Bundle.open(bundle)


def test_a_bundle_of_another_version_or_kind_is_refused(bundle):
    path = bundle / "bundle.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps({**description, "version": 99}))
    with pytest.raises(UserError, match="format version 99"):
        Bundle.open(bundle)
    path.write_text(json.dumps({"format": "something else"}))
    with pytest.raises(UserError, match="does not describe a bundle"):
        Bundle.open(bundle)
    path.write_text("{")
    with pytest.raises(UserError, match="damaged"):
        Bundle.open(bundle)


def test_a_bundle_cannot_name_files_outside_of_itself(bundle):
    from recbole_idp.storage.files import fingerprint, sha256_of_file

    path = bundle / "bundle.json"
    description = json.loads(path.read_text())
    description.pop("checksum")
    outside = bundle.parent / "outside.txt"
    outside.write_text("secret")
    description["sha256"]["../outside.txt"] = sha256_of_file(outside)
    description["checksum"] = fingerprint(description)
    path.write_text(json.dumps(description))
    with pytest.raises(UserError, match="outside of the bundle"):
        Bundle.open(bundle)


def test_inspect_is_refused_for_a_model_that_takes_nothing_over(domains):
    config = StrictConfig("SASRec", "shop", config_dict={"data_path": str(domains), "show_progress": False})
    with pytest.raises(UserError, match="SASRec does not transfer"):
        check_is_matched("SASRec", trainer_class(config).variants)


TRAINERS = {
    "IDP": "transfer",
    "UniSRec": "train",
    "PRECISE": "train",
    "PRECISE_TT": "train",
    "PositionSASRec": "train",
    "SASRec": "train",
    "NARM": "train",
    "Pop": "train",
}


@pytest.mark.parametrize(("model", "stage"), TRAINERS.items())
def test_every_trainer_has_the_interface_that_a_run_uses(domains, model, stage):
    config = StrictConfig(model, "shop", config_dict={"data_path": str(domains), "show_progress": False})
    trainer = trainer_class(config)
    assert issubclass(trainer, RunTrainer) and trainer.stage == stage
    assert list(trainer.variants) == (list(VARIANTS) if model == "IDP" else [])


def test_a_trainer_without_the_interface_is_refused_before_training(domains, monkeypatch):
    monkeypatch.setattr(registry, "_added", {})
    add_model(type("Plain", (SequenceModel,), {}), trainer=Trainer)
    config = testing.configured(domains, "Plain")
    with pytest.raises(UserError, match=r"the trainer of Plain, recbole\.trainer\.\S+, cannot be used by a run"):
        run(config)
    assert not (domains / "results").exists()


def test_a_failed_trial_leaves_no_checkpoint_unless_it_can_go_on(tmp_path):
    trainer, resume_file = FakeTrainer(tmp_path / "model.safetensors"), tmp_path / "latest"
    trainer.begin_trial("scratch-1", None, resume_file)
    checkpoint = Path(trainer.record().checkpoint)
    assert checkpoint.name == "model-scratch-1.safetensors" and trainer.latest == resume_file
    for state_was_saved in (True, False):
        checkpoint.touch()
        if state_was_saved:
            resume_file.touch()
        else:
            resume_file.unlink()
        trainer.discard_checkpoint()
        assert checkpoint.is_file() == state_was_saved


class FakeTrainer(Resumable):
    """As much of a trainer as names files."""

    def __init__(self, path):
        self.saved_model_file = str(path)
