"""What a user can get wrong, through the real command line: one line, exit status 2, nothing half-written."""

import json
import shutil
from pathlib import Path

import pytest

from recbole_idp.cli.main import main
from tests.support.headers import INTER_HEADER, ITEM_HEADER
from tests.support.mistakes import (
    INTER,
    ITEM,
    SOURCE,
    Case,
    command,
    parametrized,
    refused,
    removed,
    replaced,
    run_case,
    toy_bundle,
    written,
)
from tests.support.trained import toy_after


def results(folder):
    return sorted((folder / "data" / "results").glob("*.json"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Toy domains with their bundle, made once."""
    folder = tmp_path_factory.mktemp("prepared")
    return toy_after(folder, command(folder, "pretrain"))


@pytest.fixture
def place(prepared, workplace):
    """A copy of the toy domains and their bundle, in the current folder."""
    shutil.copytree(prepared / "data", workplace / "data")
    return workplace


def accepted(folder, **changes):
    """Runs a command that must work; returns its result."""
    known = set(results(folder))
    assert main(command(folder, **changes)) == 0
    (path,) = set(results(folder)) - known
    assert not list(folder.rglob("*.tmp"))
    return json.loads(path.read_text())


DATA = [
    Case("no data folder", removed("."), {}, ("unknown dataset", "recbole-idp datasets")),
    Case("no .inter", removed(INTER), {}, ("shop has no .inter file", "add shop.inter")),
    Case("no .inter of a source", removed(SOURCE), {}, ("pens has no .inter file", "add pens.inter")),
    Case("empty .inter", written(INTER, ""), {}, ("shop.inter is empty", "must name the columns")),
    Case("empty .inter of a source", written(SOURCE, ""), {}, ("pens.inter is empty", "must name the columns")),
    Case("header alone", written(INTER, INTER_HEADER), {}, ("shop.inter has no rows",)),
    Case(
        "no user column", replaced(INTER, "user_id:", "person:"), {}, ("shop.inter has no column 'user_id'", "it has")
    ),
    Case("no item column", replaced(INTER, "item_id:", "thing:"), {}, ("shop.inter has no column 'item_id'", "it has")),
    Case("no time column", replaced(INTER, "timestamp:", "t:"), {}, ("shop.inter has no column 'timestamp'", "it has")),
    Case("no time in a source", replaced(SOURCE, "timestamp:", "t:"), {}, ("pens.inter has no column 'timestamp'",)),
    Case(
        "time is a list",
        replaced(INTER, "timestamp:float", "timestamp:token_seq"),
        {},
        ("shop.inter", "timestamp:float"),
    ),
    Case("item is a float", replaced(INTER, "item_id:token", "item_id:float"), {}, ("shop.inter", "item_id")),
    Case("no types", replaced(INTER, "user_id:token", "user_id"), {}, ("shop.inter, line 1", "user_id:token")),
    Case("unknown type", replaced(INTER, "item_id:token", "item_id:int"), {}, ("line 1", "'int'", "use token, float")),
    Case(
        "time is a word",
        replaced(INTER, "\t3\n", "\tMonday\n"),
        {},
        ("shop.inter, line", "'Monday'", "correct or drop"),
    ),
    Case("time is NaN", replaced(INTER, "\t3\n", "\tnan\n"), {}, ("shop.inter, line", "nan", "correct or drop")),
    Case(
        "time is infinite", replaced(INTER, "\t3\n", "\t1e999\n"), {}, ("shop.inter, line", "1e999", "correct or drop")
    ),
    Case("time is empty", replaced(INTER, "\t3\n", "\t\n"), {}, ("shop.inter, line", "timestamp", "correct or drop")),
    Case("a field too many", replaced(INTER, "\t3\n", "\t3\t4\n"), {}, ("shop.inter, line", "4 of 3 fields")),
    Case("a field too few", replaced(INTER, "\t3\n", "\n"), {}, ("shop.inter, line", "2 of 3 fields")),
    Case("empty user", replaced(INTER, "\nsu1\t", "\n\t"), {}, ("shop.inter, line", "user_id is empty")),
    Case("latin-1", replaced(ITEM, "red pen", "caf\xe9".encode("latin-1")), {}, ("shop.item, line 2", "UTF-8")),
    Case("latin-1 ids", replaced(INTER, "su1\t", b"s\xe9\t"), {}, ("shop.inter, line", "UTF-8")),
    Case("a NUL byte", replaced(ITEM, "red pen", "red\0pen"), {}, ("shop.item, line 2", "NUL")),
    Case("item twice", replaced(ITEM, "\nsi1\t", "\nsi0\t"), {}, ("shop.item", "'si0' occurs twice", "drop one")),
    Case("item twice in a source", replaced("pens/pens.item", "\npi1\t", "\npi0\t"), {}, ("pens.item", "'pi0'")),
    Case("no .item", removed(ITEM), {}, ("shop.item is missing", "one text an item")),
    Case("no .item of a source", removed("pens/pens.item"), {}, ("pens.item is missing", "one text an item")),
    Case("no text column", replaced(ITEM, "title:token_seq", "price:float"), {}, ("shop.item", "text_fields")),
    Case("unknown text field", None, {"text_fields": ["titel"]}, ("shop.item", "'titel'", "did you mean 'title'?")),
    Case("unknown source text field", None, {"source_text_fields": ["titel"]}, ("'titel'", "did you mean 'title'?")),
    Case("all items without text", written(ITEM, ITEM_HEADER + "si1\t\n"), {}, ("shop", "text")),
    Case(
        "no source item with text",
        lambda folder: [written(f"{name}/{name}.item", ITEM_HEADER + "x\t\n")(folder) for name in ("pens", "lamps")],
        {},
        ("text",),
    ),
    Case(
        "no user of three events",
        written(
            INTER, INTER_HEADER + "".join(f"u{user}\tsi{item}\t{item}\n" for user in range(9) for item in range(2))
        ),
        {},
        ("shop has no user of three interactions",),
    ),
    Case("one event", written(INTER, INTER_HEADER + "u\ti\t1\n"), {}, ("shop has no user of three interactions",)),
    Case(
        "sources of one event a user",
        lambda folder: [
            written(f"{name}/{name}.inter", INTER_HEADER + "u\tpi1\t1\nv\tpi2\t1\n")(folder)
            for name in ("pens", "lamps")
        ],
        {},
        ("no user of pens, lamps has two events",),
    ),
    Case(
        "filters leave nothing",
        None,
        {"user_inter_num_interval": "[100,inf)"},
        ("shop", "user_inter_num_interval"),
    ),
    Case("broken filter", None, {"user_inter_num_interval": "[5;inf)"}, ("user_inter_num_interval",)),
    Case("filter by unknown column", None, {"val_interval": {"rating": "[3,5]"}}, ("val_interval", "rating")),
]


@parametrized(DATA)
def test_wrong_data_is_refused_in_one_line(case, place, capfd):
    run_case(capfd, place, case)


OPTIONS = [
    Case("unknown dataset", None, {"dataset": "shpo"}, ("unknown dataset 'shpo'", "did you mean shop")),
    Case(
        "unknown domain", None, {"source_domains": ["pens", "lamp"]}, ("unknown dataset 'lamp'", "did you mean lamps")
    ),
    Case("unknown task", None, {"task": "transfr"}, ("unknown task 'transfr'",)),
    Case("unknown model", None, {"model": "SASRek"}, ("unknown model 'SASRek'", "did you mean SASRec?")),
    Case("unknown key", None, {"learing_rate": 0.5}, ("unknown key --learing_rate", "did you mean --learning_rate?")),
    Case("unknown variant", None, {"variants": ["finetune"]}, ("variants takes", "did you mean fine_tune?")),
    Case("unknown search", None, {"search": "hsnw"}, ("search takes", "did you mean hnsw?")),
    Case("unknown depth", None, {"cdim_depth": "heads"}, ("cdim_depth takes none, head, last_n", "did you mean head?")),
    Case("unknown loss", None, {"cdim_losses": ["text", "behavior"]}, ("cdim_losses takes", "did you mean behaviour?")),
    Case("no loss", None, {"cdim_losses": []}, ("cdim_losses is empty",)),
    Case("cold losses", None, {"cdim_temperature": 0}, ("cdim_temperature must be more than 0",)),
    Case("all dropped out of the head", None, {"cdim_dropout": 1}, ("cdim_dropout must be less than 1",)),
    Case("no neighbours", None, {"cdim_neighbours": 0}, ("cdim_neighbours must be 1 or more",)),
    Case("layers that are not there", None, {"cdim_depth": "last_n"}, ("lsa has none", "use head or none")),
    Case("impossible recall", None, {"search_recall": 95}, ("search_recall must be from 0 to 1",)),
    Case("no variant", None, {"variants": []}, ("variants is empty", "name at least one")),
    Case("variant twice", None, {"variants": ["scratch", "scratch"]}, ("variants", "scratch", "twice")),
    Case("wrong type", None, {"epochs": "many"}, ("epochs must be a whole number", "'many'")),
    Case("target is a source", None, {"source_domains": ["pens", "shop"]}, ("shop is one of source_domains",)),
    Case("source twice", None, {"source_domains": ["pens", "pens"]}, ("names pens twice", "once")),
    Case("no source", None, {"source_domains": []}, ("source_domains is empty", "name at least one")),
    Case("unknown sharer", None, {"shared_users": [["pens", "lamp"]]}, ("shared_users", "did you mean lamps?")),
    Case("path as dataset", None, {"dataset": "../shop"}, ("'../shop'", "data_path")),
    Case("width 0", None, {"hidden_size": 0}, ("hidden_size must be 1 or more",)),
    Case("negative width", None, {"hidden_size": -16}, ("hidden_size must be 1 or more",)),
    Case("no layer", None, {"n_layers": 0}, ("n_layers must be from 1 to 1000",)),
    Case("three heads", None, {"n_heads": 3}, ("hidden_size 16 is no multiple of n_heads 3", "choose a width")),
    Case("all dropped out", None, {"hidden_dropout_prob": 1}, ("hidden_dropout_prob must be", "but is 1")),
    Case("all attention dropped out", None, {"attn_dropout_prob": 1.0}, ("attn_dropout_prob must be", "but is 1")),
    Case("negative dropout", None, {"hidden_dropout_prob": -0.1}, ("hidden_dropout_prob must be", "-0.1")),
    Case("nothing hidden", None, {"model": "IDP_BERT4Rec", "mask_ratio": 0}, ("mask_ratio must be more than 0",)),
    Case("too many last", None, {"model": "IDP_BERT4Rec", "ft_ratio": 2}, ("ft_ratio must be from 0 to 1", "2")),
    Case("no GRU", None, {"model": "IDP_GRU4Rec", "gru_layers": 0}, ("gru_layers must be from 1 to",)),
    Case("key of another model", None, {"gru_layers": 1}, ("unknown key --gru_layers",)),
    Case("unknown source model", None, {"pretrain_model": "IPD"}, ("unknown model 'IPD'", "did you mean IDP?")),
    Case("no epoch", None, {"epochs": 0}, ("epochs must be 1 or more",)),
    Case("batch 0", None, {"train_batch_size": 0}, ("train_batch_size must be 1 or more",)),
    Case("length 0", None, {"MAX_ITEM_LIST_LENGTH": 0}, ("MAX_ITEM_LIST_LENGTH must be 1 or more",)),
    Case("temperature 0", None, {"match_temperature": 0}, ("match_temperature must be", "but is 0")),
    Case("learning rate NaN", None, {"learning_rate": ".nan"}, ("learning_rate must be 0 or more", "nan")),
    Case("learning rate infinite", None, {"learning_rate": ".inf"}, ("learning_rate", "inf")),
    Case("negative seed", None, {"seed": -1}, ("seed must be", "-1")),
    Case("huge seed", None, {"seed": 2**70}, ("seed must be",)),
    Case("seeds are words", None, {"seeds": "one,two"}, ("each of seeds must be a whole number", "'one'")),
    Case("a seed twice", None, {"seeds": [1, 2, 1]}, ("seeds has 1 twice", "name it once")),
    Case("no seeds", None, {"seeds": []}, ("seeds is empty", "remove seeds")),
    Case("negative among seeds", None, {"seeds": [1, -1]}, ("seeds must be", "-1")),
    Case("no users", None, {"train_users_share": 0}, ("train_users_share must be more than 0",)),
    Case("too many users", None, {"train_users_share": 10}, ("train_users_share must be from 0 to 1", "10")),
    Case("users as a list", None, {"train_users_share": [0.1]}, ("train_users_share must be a number",)),
    Case("a share is a word", None, {"few_shot": "0.1,all"}, ("each of few_shot must be a number", "'all'")),
    Case("a share of percents", None, {"few_shot": [0.1, 50]}, ("few_shot must be from 0 to 1", "50")),
    Case("a share twice", None, {"few_shot": [0.1, 0.1]}, ("few_shot has 0.1 twice",)),
    Case("two kinds of few-shot", None, {"few_shot": [0.1], "train_users_share": 0.5}, ("give one of the two",)),
    Case("negative choice of users", None, {"train_users_seed": -1}, ("train_users_seed must be", "-1")),
    Case("no step", None, {"epoch_steps": 0}, ("epoch_steps must be 1 or more",)),
    Case("cut-off 0", None, {"topk": 0}, ("topk must be 1 or more",)),
    Case("no cut-off", None, {"topk": []}, ("topk",)),
    Case("valid_metric's cut-off", None, {"valid_metric": "NDCG@0"}, ("NDCG@0 has no cut-off", "write NDCG@10")),
    Case("valid_metric's name", None, {"valid_metric": "Recal@5"}, ("Recal@5 is no metric", "did you mean Recall?")),
    Case("scores beside ranks", None, {"metrics": ["AUC", "NDCG"]}, ("AUC", "NDCG", "name one kind")),
    Case("labels of all items", None, {"metrics": ["AUC"], "valid_metric": "AUC"}, ("full ranking", "uni100")),
    Case("ranks of labels", None, {"eval_args": {"mode": "labeled"}}, ("labeled", "no lists to rank")),
    Case("unknown metric", None, {"metrics": ["Foo"]}, ("metrics takes", "'Foo'")),
    Case("no metric", None, {"metrics": []}, ("metrics",)),
    Case("eval_args is text", None, {"eval_args": "full"}, ("eval_args must be a map", "'full'")),
    Case("eval_args is cut", None, {"eval_args": "{split: {LS: valid_and_test}"}, ("eval_args must be a map",)),
    Case("unknown split", None, {"eval_args": {"split": {"XX": 1}}}, ("split", "XX")),
    Case("unknown left-out", None, {"eval_args": {"split": {"LS": "everything"}}}, ("LS", "everything")),
    Case("split without numbers", None, {"eval_args": {"split": {"RS": "a"}}}, ("split", "RS")),
    Case("unknown mode", None, {"eval_args": {"mode": "uni0"}}, ("mode takes", "'uni0'")),
    Case("unknown group", None, {"eval_args": {"group_by": "usr"}}, ("group_by", "usr")),
    Case("random order", None, {"eval_args": {"order": "RO"}}, ("order", "TO")),
    Case("clip_grad_norm", None, {"clip_grad_norm": {"max": 1}}, ("clip_grad_norm", "max_norm")),
    Case("wrong separator", None, {"field_separator": ";;"}, ("field_separator", "one ASCII character")),
    Case("unknown encoding", None, {"encoding": "utf-9"}, ("unknown encoding 'utf-9'",)),
    Case("learning rate of 1e30", None, {"learning_rate": 1e30, "epochs": 3}, ("diverged", "lower learning_rate")),
    Case("mixed precision", None, {"enable_amp": True}, ("enable_amp is True", "IDP does not read it", "remove it")),
    Case("no shuffling", None, {"shuffle": False}, ("shuffle is False", "IDP does not read it")),
    Case("a transform", None, {"transform": "crop_itemseq"}, ("transform is crop_itemseq", "does not read it")),
    Case(
        "RecBole's negatives",
        None,
        {"loss_type": "BPR", "train_neg_sample_args": {"distribution": "popularity"}},
        ("train_neg_sample_args is {'distribution': 'popularity'", "does not read it"),
    ),
    Case("two option values", None, {"task": "run pretrain"}, ("run pretrain",)),
]


@parametrized(OPTIONS)
def test_wrong_options_are_refused_in_one_line(case, place, capfd):
    run_case(capfd, place, case)


CONFIG_FILES = [
    ("missing", None, ("configuration file a.yaml does not exist", "--config_files")),
    ("tab", "epochs:\n\t1\n", ("a.yaml, line 2", "a tab stands", "spaces")),
    ("list", "- epochs\n", ("a.yaml holds a list", "key: value")),
    ("key twice", "epochs: 1\nseed: 1\nepochs: 2\n", ("a.yaml, line 3", "duplicate key 'epochs'")),
    ("not closed", "topk: [1, 2\n", ("a.yaml, line 2",)),
    ("unknown key", "epoch: 1\n", ("unknown key epoch in a.yaml", "did you mean epochs?")),
    ("an object", "epochs: !!python/object/apply:os.system [ls]\n", ("a.yaml, line 1", "not valid YAML")),
    ("latin-1", b"dataset: caf\xe9\n", ("a.yaml", "UTF-8")),
]


@pytest.mark.parametrize(("content", "says"), [row[1:] for row in CONFIG_FILES], ids=[row[0] for row in CONFIG_FILES])
def test_wrong_configuration_files_are_refused_in_one_line(content, says, place, capfd):
    if content is not None:
        (place / "a.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(capfd, place, command(place, config_files="a.yaml", epochs=None), *says)


def a_file(folder):
    """Makes a regular file where a folder is wanted; returns its path."""
    path = folder / "file"
    path.write_text("content\n")
    return path


PLACES = [
    Case("results are a file", None, {"result_dir": lambda folder: str(a_file(folder))}, ("file", "cannot write")),
    Case("results below a file", None, {"result_dir": lambda folder: f"{a_file(folder)}/x"}, ("cannot write",)),
    Case("results below a device", None, {"result_dir": "/dev/full/x"}, ("/dev/full/x", "cannot write")),
    Case("checkpoints below a file", None, {"checkpoint_dir": lambda folder: f"{a_file(folder)}/x"}, ("cannot write",)),
    Case("cache below a file", None, {"cache_path": lambda folder: f"{a_file(folder)}/x"}, ("cannot write",)),
    Case("data path is a file", None, {"data_path": lambda folder: str(a_file(folder))}, ("unknown dataset",)),
    Case("log is a file", lambda folder: (folder / "log").write_text(""), {}, ("log", "cannot write")),
    Case("tensorboard is a file", lambda folder: (folder / "log_tensorboard").write_text(""), {}, ("cannot write",)),
]


@parametrized(PLACES)
def test_places_that_cannot_be_written_are_refused_before_any_work(case, place, capfd):
    run_case(capfd, place, case)


def no_weights(*names):
    """Returns a step that makes the folder of a text encoder with these files in place of weights."""

    def step(folder):
        (folder / "encoder").mkdir()
        (folder / "encoder" / "config.json").write_text('{"model_type": "bert"}')
        for name in names:
            (folder / "encoder" / name).write_bytes(b"\x80\x04.")

    return step


ENCODERS = [
    Case("no weights", no_weights(), {"text_encoder": "encoder"}, ("encoder: weights are missing",)),
    Case("pickle", no_weights("pytorch_model.bin"), {"text_encoder": "encoder"}, ("pickle only", "save_pretrained")),
    Case("damaged weights", no_weights("model.safetensors"), {"text_encoder": "encoder"}, ("cannot load", "lsa")),
    Case("empty folder", lambda folder: (folder / "encoder").mkdir(), {"text_encoder": "encoder"}, ("config.json",)),
    Case("no such folder", None, {"text_encoder": "./encoder"}, ("no such folder", "lsa")),
    Case("out of reach", None, {"text_encoder": "nobody/nothing"}, ("nobody/nothing", "out of reach", "lsa")),
    Case("unknown pooling", None, {"text_pooling": "sum"}, ("text_pooling takes", "'sum'")),
]


@parametrized(ENCODERS)
def test_wrong_text_encoders_are_refused_in_one_line(case, place, capfd, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    run_case(capfd, place, case)


def bundle_files():
    return ["bundle.json", "encoder.safetensors", "items.safetensors", "items.tsv", "README.md"]


@pytest.mark.parametrize("how", ["flipped", "truncated", "emptied", "removed"])
def test_a_bundle_with_any_damaged_file_is_refused(how, place, capfd):
    bundle = toy_bundle(place)
    paths = sorted(path for path in bundle.rglob("*") if path.is_file())
    assert {path.name for path in paths} >= set(bundle_files()) and len(paths) > len(bundle_files())
    for path in paths:
        content = path.read_bytes()
        middle = len(content) // 2
        if how == "flipped":
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        elif how == "truncated":
            path.write_bytes(content[:middle])
        elif how == "emptied":
            path.write_bytes(b"")
        else:
            path.unlink()
        refused(capfd, place, command(place, pretrained=str(bundle)), bundle.name, path.name)
        path.write_bytes(content)


def other_version(folder):
    path = toy_bundle(folder) / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))


BUNDLES = [
    Case("no such folder", None, {"pretrained": "nowhere"}, ("nowhere is no bundle", "pretrain")),
    Case("a file", None, {"pretrained": lambda folder: str(a_file(folder))}, ("file is no bundle", "pretrain")),
    Case("a data set", None, {"pretrained": "data/pens"}, ("data/pens is no bundle", "pretrain")),
    Case(
        "version",
        other_version,
        {"pretrained": lambda folder: str(toy_bundle(folder))},
        ("version 99", "version 2"),
    ),
    Case("found, of another version", other_version, {}, ("version 99", "version 2")),
    Case(
        "target among its sources",
        None,
        {
            "pretrained": lambda folder: str(toy_bundle(folder)),
            "dataset": "pens",
            "source_domains": ["lamps"],
        },
        ("pens is among the bundle's source domains", "choose another"),
    ),
    Case(
        "other width",
        None,
        {"pretrained": lambda folder: str(toy_bundle(folder)), "hidden_size": 32},
        ("hidden_size=16", "--hidden_size=16"),
    ),
]


@parametrized(BUNDLES)
def test_bundles_that_do_not_suit_are_refused_in_one_line(case, place, capfd):
    run_case(capfd, place, case)


def test_where_a_file_lies_in_the_place_of_a_bundle_the_line_says_so(place, capfd):
    bundle = toy_bundle(place)
    shutil.rmtree(bundle)
    bundle.write_text("")
    refused(capfd, place, command(place), bundle.name)


def test_a_mistake_in_the_target_shows_before_the_pre_training(place, capfd):
    shutil.rmtree(toy_bundle(place))
    (place / ITEM_PATH).unlink()
    refused(capfd, place, command(place), "shop.item is missing")


ITEM_PATH = Path("data") / ITEM


# ---- what is strange, and works


def title(text):
    return replaced(ITEM, "red pen 0", text)


def crlf(folder):
    for path in (folder / "data").glob("*/*.*"):
        if path.suffix in (".inter", ".item"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def commas(folder):
    for path in (folder / "data").glob("*/*.*"):
        if path.suffix in (".inter", ".item"):
            path.write_bytes(path.read_bytes().replace(b"\t", b","))


def long_user(folder):
    with open(folder / "data" / INTER, "a") as file:
        file.writelines(f"long\tsi{step % 8}\t{step}\n" for step in range(1000))


def equal_times(folder):
    path = folder / "data" / INTER
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line.rpartition("\t")[0] + "\t7" for line in lines[1:])]) + "\n")


def renamed(name, old, new):
    return lambda folder: [replaced(f"{name}/{name}.{part}", old, new, -1)(folder) for part in ("inter", "item")]


STRANGE = [
    ("a title of 100,000 characters", title("long " * 20_000), {}),
    ("a title that opens a quotation", title('"Weird Al" says "hi'), {}),
    ("a single quotation mark", title('"'), {}),
    ("emoji", title("📎 clip 👩‍🔬 ½″"), {}),
    ("line separators of Unicode", title("a\u2028b\u0085c\x0bd"), {}),
    ("carriage returns", crlf, {}),
    ("byte order marks", replaced(INTER, "user_id:", "\ufeffuser_id:"), {}),
    ("equal times", equal_times, {}),
    ("ids with spaces", renamed("shop", "si1\t", "s i 1\t"), {}),
    ("ids that look like missing values", renamed("shop", "si1\t", "NaN\t"), {}),
    ("ids with leading zeros", renamed("shop", "si1\t", "007\t"), {}),
    ("a user of 1,000 events", long_user, {}),
    ("a cut-off beyond the catalogue", None, {"topk": [5, 50]}),
    ("more matches than source items", None, {"top_m": 1000}),
    ("an approximate search of 16 items", None, {"search": "ivf"}),
    ("an item without text", title(""), {}),
    ("an item that .item does not have", replaced(ITEM, "\nsi1\t", "\nother\t"), {}),
    ("one user", written(INTER, INTER_HEADER + "".join(f"u\tsi{item}\t{item}\n" for item in range(8))), {}),
    ("one item", written(INTER, INTER_HEADER + "".join(f"u{row // 4}\tsi1\t{row}\n" for row in range(40))), {}),
    (
        "one item in the sources",
        written(SOURCE, INTER_HEADER + "".join(f"u{n // 4}\tpi1\t{n}\n" for n in range(40))),
        {},
    ),
    ("one of the matcher's losses", None, {"cdim_losses": ["behaviour"]}),
    ("more neighbours than source items", None, {"cdim_neighbours": 1000}),
    ("a matcher's batch of one item", None, {"cdim_batch_size": 1, "cdim_epochs": 1}),
    ("negatives beyond the catalogue", None, {"train_negatives": 1000}),
    (
        "one item and BPR",
        written(INTER, INTER_HEADER + "".join(f"u{n // 4}\tsi1\t{n}\n" for n in range(40))),
        {"loss_type": "BPR"},
    ),
    ("dropout 0", None, {"hidden_dropout_prob": 0, "attn_dropout_prob": 0.0}),
    ("commas between fields", commas, {"field_separator": ","}),
    ("a test without validation", None, {"eval_args": {"split": {"LS": "test_only"}}}),
    ("a split by shares", None, {"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}}}),
    ("a filter", None, {"user_inter_num_interval": "[6,inf)"}),
    ("clipping", None, {"clip_grad_norm": {"max_norm": 5}}),
    (
        "other columns in another order",
        replaced(ITEM, "title:token_seq", "price:token_seq"),
        {"text_fields": ["price"]},
    ),
]


@pytest.mark.parametrize(("prepare", "changes"), [row[1:] for row in STRANGE], ids=[row[0] for row in STRANGE])
def test_strange_but_valid_input_works(prepare, changes, place):
    if prepare is not None:
        prepare(place)
    result = accepted(place, **changes)
    assert all(0 <= value <= 1 for value in result["variants"]["fine_tune"]["test"].values())


def test_hits_beyond_the_catalogue_cannot_be(place):
    test = accepted(place, topk=[5, 50])["variants"]["fine_tune"]["test"]
    assert test["hit@50"] == 1
    assert test["mrr@50"] == test["mrr"]


def test_a_damaged_cache_of_text_vectors_is_made_again(place, capfd):
    first = accepted(place)
    for damage in (lambda content: content[:30], lambda content: b"", lambda content: content[:-1] + b"?"):
        for shard in (place / "data" / "saved" / "cache").rglob("*.safetensors"):
            shard.write_bytes(damage(shard.read_bytes()))
        again = accepted(place)
        assert again["stages"]["encode"]["encoded"] == 8
        assert again["variants"]["fine_tune"]["test"] == first["variants"]["fine_tune"]["test"]
    assert "Traceback" not in capfd.readouterr().err
