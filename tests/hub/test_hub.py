"""Folders are given away on the hub and fetched from it, over HTTP; the hub is a stand-in on this machine."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import constants

import recbole_idp
from recbole_idp.cli.main import main
from recbole_idp.hub.download import local_folder
from recbole_idp.hub.formats import KINDS, opener
from recbole_idp.leaderboard.plan import make_plan
from recbole_idp.leaderboard.run import fetch_given
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.serving.whole_folder import DESCRIPTION, GENERATIVE
from recbole_idp.storage.files import fingerprint, sha256_of_file
from recbole_idp.testing.toy import settings
from tests.support.commands import command, printed, refusal, refused
from tests.support.hub import TOKEN, running
from tests.support.python import ROOT, run_python
from tests.support.trained import bundle_of, resealed

REPOSITORY = "anna/toys"
ADDRESS = f"hf://{REPOSITORY}"


@pytest.fixture
def bundle(finished, tmp_path):
    """Copies the bundle of a finished run, to be changed."""
    return Path(shutil.copytree(bundle_of(finished / "data" / "saved"), tmp_path / "bundle"))


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Gives the hub's client an empty cache and a login, as its environment variables do before it is imported."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "hf" / "assets"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return tmp_path / "hf"


def at(monkeypatch, url):
    """Lets the client ask another place, as HF_ENDPOINT does before it is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def hub(client, monkeypatch):
    """The stand-in, which the client asks."""
    for hub in running():
        at(monkeypatch, hub.url)
        yield hub


def push(capfd, folder, *more):
    """Pushes a folder; returns what is printed."""
    return printed_of(capfd, "push", f"--bundle={folder}", f"--repo={REPOSITORY}", *more)


def printed_of(capfd, *argv):
    """Runs a command, whose progress goes to stderr; returns what it prints."""
    capfd.readouterr()
    status = main(list(argv))
    out, err = capfd.readouterr()
    assert status == 0, err
    assert TOKEN not in out + err
    return out


def test_every_kind_of_sealed_folder_can_travel():
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "recbole_idp").rglob("*.py"))
    described = set(re.findall(r'^ +description_file="(.+)",$', written, re.MULTILINE))
    assert described | {DESCRIPTION, GENERATIVE} == set(KINDS)
    for name in ("bundle.json", "trained.json"):
        assert opener(name).folder_format.description_file == name


def test_a_bundle_comes_back_as_it_was_and_gives_equal_metrics(hub, client, finished, workplace, capfd):
    bundle = bundle_of(finished / "data" / "saved")
    out = push(capfd, bundle, "--license=mit")
    first, use = out.splitlines()
    there = hub.repositories[REPOSITORY]
    assert (
        there.private
        and first.startswith(f"{hub.url}/{REPOSITORY} (private): 9 files")
        and there.number("main") in first
    )
    assert use == f"Use it: recbole-idp run --model=IDP --dataset=NAME --pretrained={ADDRESS}"
    sealed = {f"model/{path.relative_to(bundle).as_posix()}" for path in bundle.rglob("*") if path.is_file()}
    assert set(there.files()) == {".gitattributes", "README.md", *sealed}

    fetched = Path(local_folder(ADDRESS))
    assert client in fetched.parents and fetched.name == f"toys-{there.number('main')[:12]}"
    assert files_of(fetched) == files_of(bundle) and not any(path.is_symlink() for path in fetched.rglob("*"))

    shutil.rmtree(client)
    shutil.copytree(finished / "data", workplace / "data", ignore=shutil.ignore_patterns("saved", "results"))
    alike = {"source_domains": None, "variants": ["fine_tune"], "trained_dir": None}
    for place in (str(bundle), ADDRESS):
        printed_of(capfd, *command(workplace, **{**alike, "pretrained": place}))
    results = [json.loads(path.read_text()) for path in (workplace / "data" / "results").glob("*.json")]
    # The second has been trained: what is known of the first does not stand for it where the folder differs.
    assert len(results) == 2
    assert results[0]["variants"]["fine_tune"]["test"] == results[1]["variants"]["fine_tune"]["test"]
    used = {result["config"]["pretrained"] for result in results}
    assert used == {str(bundle), str(fetched)}


def files_of(folder):
    return {path.relative_to(folder): sha256_of_file(path) for path in folder.rglob("*") if path.is_file()}


def test_the_card_tells_the_facts_of_the_folder(hub, bundle, capfd):
    push(capfd, bundle, "--license=mit", "--private=false")
    assert not hub.repositories[REPOSITORY].private
    _, head, body = hub.repositories[REPOSITORY].files()["README.md"].decode().split("---\n", 2)
    head = yaml.safe_load(head)
    assert head["library_name"] == "recbole_idp" and head["license"] == "mit" and head["domains"] == ["pens", "lamps"]
    assert "sequential-recommendation" in head["tags"]
    assert f"recbole-idp run --model=IDP --dataset=NAME --pretrained={ADDRESS}\n" in body and "pip install" in body
    about = Bundle.open(bundle).description
    for fact in (
        about["fingerprint"],
        f"ndcg@5 {about['valid']['ndcg@5']:.4f}",
        "kind SASRec",
        "| pens | 40 | 8 | 280 |",
    ):
        assert fact in body
    assert "THIS_FOLDER" not in body and str(bundle) not in body
    push(capfd, bundle, "--private=false")
    assert "license" not in hub.repositories[REPOSITORY].files()["README.md"].decode()


@pytest.mark.slow
def test_a_second_push_replaces_the_first(hub, finished, bundle, capfd):
    push(capfd, bundle)
    before = hub.repositories[REPOSITORY].number("main")
    printed_of(capfd, "push", f"--folder={finished / 'made'}", f"--repo={REPOSITORY}")
    files = hub.repositories[REPOSITORY].files()
    assert "model/trained.json" in files and "model/bundle.json" not in files
    # What was pushed first is still to be had.
    assert (Path(local_folder(f"{ADDRESS}@{before}")) / "bundle.json").is_file()
    assert (Path(local_folder(ADDRESS)) / "trained.json").is_file()


@pytest.mark.slow
def test_a_trained_model_recommends_from_the_hub(hub, finished, capfd):
    push(capfd, finished / "made")
    table = printed_of(capfd, "recommend", f"--trained={ADDRESS}", "--history=si1,si2", "--k=3")
    assert table == printed_of(capfd, "recommend", f"--trained={finished / 'made'}", "--history=si1,si2", "--k=3")
    assert table.count("\n") == 4
    found = recbole_idp.load(ADDRESS).trained
    assert torch.equal(found.item_vectors, recbole_idp.load(finished / "made").trained.item_vectors)


def test_what_nobody_has_sealed_is_not_pushed(hub, bundle, capfd):
    def line(*says):
        return refused(capfd, ["push", f"--bundle={bundle}", f"--repo={REPOSITORY}"], *says)

    (bundle / "notes.txt").write_text("for me alone")
    line("holds notes.txt, which its list of files does not name")
    (bundle / "notes.txt").unlink()
    (bundle / "items.tsv").write_text("changed")
    line("items.tsv is damaged or was changed")
    (bundle / "bundle.json").unlink()
    line("is no folder that a run has pre-trained or trained")
    shutil.rmtree(bundle)
    line("there is no such folder")
    assert hub.requests == []


def test_a_folder_with_users_is_not_pushed(hub, bundle, capfd):
    items = bundle / "items.tsv"
    items.write_text(items.read_text().replace("domain\titem_id", "user_id\titem_id", 1))
    resealed(bundle, Bundle.folder_format)
    line = refused(capfd, ["push", f"--folder={bundle}", f"--repo={REPOSITORY}"], "holds users (items.tsv)")
    assert "--keep_users=false" in line and hub.requests == []


@pytest.mark.slow
def test_a_trained_folder_with_users_is_not_pushed(hub, finished, tmp_path, capfd):
    with_users = str(tmp_path / "users")
    printed_of(capfd, *command(finished, trained_dir=with_users, variants=["fine_tune"], keep_users=True))
    refused(capfd, ["push", f"--folder={with_users}", f"--repo={REPOSITORY}"], "holds users (users.")
    assert hub.requests == []


def test_wrong_options_of_push_are_refused(hub, bundle, capfd):
    refused(capfd, ["push", f"--repo={REPOSITORY}"], "--bundle=DIR or --folder=DIR")
    refused(capfd, ["push", f"--repo={REPOSITORY}", "--bundle=a", "--folder=b"], "one folder")
    refused(capfd, ["push", f"--bundle={bundle}"], "push needs --repo")
    for name in ("toys", "anna/toys/more", "../toys", "anna/to--ys", f"hf://{REPOSITORY}"):
        refused(capfd, ["push", f"--bundle={bundle}", f"--repo={name}"], "--repo=user/name")
    refused(capfd, ["push", f"--bundle={bundle}", f"--repo={REPOSITORY}", "--license=nonsense"], "check --license")


@pytest.mark.slow
def test_a_public_repository_gets_nothing_that_should_be_private(hub, bundle, capfd):
    push(capfd, bundle, "--private=false")
    before = hub.repositories[REPOSITORY].number("main")
    refused(capfd, ["push", f"--bundle={bundle}", f"--repo={REPOSITORY}"], "is public", "--private=false")
    assert hub.repositories[REPOSITORY].number("main") == before


def test_the_hub_says_no_in_one_line(hub, bundle, capfd, monkeypatch):
    argv = ["push", f"--bundle={bundle}", "--repo=bert/toys"]
    refused(capfd, argv, "does not let you", "status 403", "hf auth login")
    push(capfd, bundle)
    monkeypatch.delenv("HF_TOKEN")
    refused(capfd, ["push", f"--bundle={bundle}", f"--repo={REPOSITORY}"], "hf auth login")
    assert "no such repository" in refusal(local_folder, ADDRESS)
    assert "no such repository" in refusal(local_folder, "hf://anna/none")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert "no such revision" in refusal(local_folder, f"{ADDRESS}@v2")
    hub.repositories[REPOSITORY].branches["v2"] = hub.repositories[REPOSITORY].number("main")
    assert (Path(local_folder(f"{ADDRESS}@v2")) / "bundle.json").is_file()
    hub.repositories["anna/other"] = type(hub.repositories[REPOSITORY])()
    assert "has no folder that recbole-idp push" in refusal(local_folder, "hf://anna/other")
    for address in ("hf://toys", "hf://", "hf://anna/toys@", "hf://anna/toys@../x", "hf://a/b/c"):
        assert "write hf://user/name" in refusal(local_folder, address)


def test_what_was_changed_on_the_hub_is_refused_and_not_kept(hub, client, bundle, domains, capfd):
    push(capfd, bundle)
    whole = hub.repositories[REPOSITORY].files()
    weights = whole["model/items.safetensors"]
    hub.change(REPOSITORY, "model/items.safetensors", weights[:-1] + bytes([weights[-1] ^ 1]))
    argv = command(domains.parent, source_domains=None, pretrained=ADDRESS)
    refused(capfd, argv, ADDRESS, "items.safetensors is damaged or was changed")
    assert not list((client / "assets").rglob("bundle.json"))
    hub.change(REPOSITORY, "model/items.safetensors", weights)
    description = json.loads(whole["model/bundle.json"])
    hub.change(REPOSITORY, "model/bundle.json", json.dumps({**description, "seed": 1}).encode())
    assert "bundle.json is damaged or was changed" in refusal(local_folder, ADDRESS)
    # A card that was edited on the hub's page breaks nothing, and files that no seal lists do not travel.
    hub.change(REPOSITORY, "model/bundle.json", whole["model/bundle.json"])
    hub.change(REPOSITORY, "README.md", b"# Better words")
    hub.change(REPOSITORY, "model/evil.py", b"print('boo')")
    assert files_of(Path(local_folder(ADDRESS))) == files_of(bundle)
    assert not any("evil" in path for _, path in hub.requests)


def test_a_list_of_files_may_name_no_other_place(hub, bundle, capfd):
    push(capfd, bundle)
    whole = json.loads(hub.repositories[REPOSITORY].files()["model/bundle.json"])
    for name in ("../outside.json", "/etc/passwd.txt", "a/../../b.json", "run.py", ".hidden.json"):
        changed = {**whole, "sha256": {**whole["sha256"], name: "0" * 64}}
        del changed["checksum"]
        changed["checksum"] = fingerprint(changed)
        hub.change(REPOSITORY, "model/bundle.json", json.dumps(changed).encode())
        assert f"names {name}, which no such folder holds: do not use it" in refusal(local_folder, ADDRESS)


def test_too_large_a_folder_is_refused_before_it_is_fetched(hub, bundle, capfd, monkeypatch):
    push(capfd, bundle)
    monkeypatch.setattr("recbole_idp.hub.download.MOST_BYTES", 1000)
    hub.requests.clear()
    assert "more than 10,000 of 1,000: do not use it" in refusal(local_folder, ADDRESS)
    assert not any(path.endswith(".safetensors") for _, path in hub.requests)


def test_without_the_hub_the_copy_that_was_fetched_is_used(hub, client, bundle, capfd, monkeypatch, caplog):
    push(capfd, bundle)
    fetched = local_folder(ADDRESS)
    hub.broken = 503
    assert local_folder(ADDRESS) == fetched and "the copy that was fetched before is used" in caplog.text
    hub.broken = None
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    assert local_folder(ADDRESS) == fetched
    # The client's own cache is enough.
    shutil.rmtree(client / "assets")
    assert local_folder(ADDRESS) == fetched and files_of(Path(fetched)) == files_of(bundle)
    shutil.rmtree(client)
    assert "HF_HUB_OFFLINE is set" in refusal(local_folder, ADDRESS)
    assert hub.requests == []


def test_without_a_network_there_is_one_line(client, domains, capfd, monkeypatch):
    at(monkeypatch, "http://127.0.0.1:9")
    refused(capfd, command(domains.parent, source_domains=None, pretrained=ADDRESS), ADDRESS, "out of reach")
    argv = ["recommend", f"--trained={ADDRESS}", "--history=a"]
    refused(capfd, argv, ADDRESS, "out of reach", "give a folder of this machine")


@pytest.mark.slow
def test_the_jobs_of_a_leaderboard_use_one_commit(hub, bundle, domains, capfd):
    push(capfd, bundle)
    given = {**settings(domains), "model": "IDP", "dataset": "shop", "pretrained": ADDRESS}
    plan = make_plan({key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()})
    fetch_given(plan)
    assert plan.options["pretrained"] == str(local_folder(ADDRESS))
    job = plan.job("IDP", "shop", 2020)
    hub.change(REPOSITORY, "README.md", b"# Better words")
    assert f"--pretrained={plan.options['pretrained']}" in job.arguments()


def test_a_dry_run_asks_nobody(hub, domains, capfd):
    argv = [*command(domains.parent, source_domains=None, pretrained=ADDRESS), "--dry_run"]
    assert ADDRESS in printed(capfd, *argv)
    assert hub.requests == []


@pytest.mark.slow
def test_the_environment_of_the_client_is_obeyed(hub, finished, tmp_path):
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}

    def command(*argv, **more):
        return run_python("-m", "recbole_idp", *argv, environment={**environment, **more}, cwd=tmp_path)

    del environment["HF_TOKEN"]
    folder, asked = finished / "made", ("recommend", f"--trained={ADDRESS}", "--history=si1")
    done = command("push", f"--folder={folder}", f"--repo={REPOSITORY}", HF_TOKEN=TOKEN)
    assert done.returncode == 0 and done.stderr == "" and TOKEN not in done.stdout
    done = command(*asked)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no such repository" in done.stderr
    done = command(*asked, HF_TOKEN=TOKEN)
    assert done.returncode == 0 and done.stdout.startswith("rank"), done.stderr
    again = command(*asked, HF_HUB_OFFLINE="1")
    assert again.returncode == 0 and again.stdout == done.stdout
    done = command(*asked, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "other"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "HF_HUB_OFFLINE is set" in done.stderr
