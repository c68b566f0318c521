"""Imports point down, and a paper's folder imports no other paper's: the contracts of pyproject.toml."""

import ast
import re

import pytest

from tests.support.python import ROOT


def test_imports_keep_the_contracts(monkeypatch):
    linter = pytest.importorskip("importlinter.cli")
    monkeypatch.chdir(ROOT)
    assert linter.lint_imports(no_cache=True) == linter.EXIT_STATUS_SUCCESS


def test_at_most_eight_files_lie_flat():
    package = ROOT / "recbole_idp"
    assert len(list(package.glob("*.py"))) <= 8


def test_the_configuration_is_named_at_hooks_and_jobs_alone():
    """All other functions take typed values; see the page on style."""
    found = {place for path in sorted((ROOT / "recbole_idp").rglob("*.py")) for place in _takes_config(path)}
    assert sorted(found - _JOBS) == [], "take an XSettings.of(config), or plain values"
    assert sorted(_JOBS - found) == [], "no longer there: take it off the list"


# RecBole calls these, or they are methods that models and trainers override.
_HOOKS = {
    "__init__",
    "of",
    "build_content",
    "build_encoder",
    "build_item_encoder",
    "check_config",
    "check_sources",
    "content_parts",
    "current_encoder",
    "describe_encoder",
    "find_pretrained",
    "find_start",
    "keeps_ids",
    "load_text_encoder",
    "load_tokenizer",
    "prepare_start",
    "read_attributes",
    "read_items",
    "read_texts",
    "set_first_weights",
    "start_encoder",
    "training_batches",
}
# These work on configurations themselves.
_OF_CONFIGURATIONS = ("benchmark", "compat", "config", "hooks", "recbole_models.choose", "testing")
# A paper's way to what is pre-trained for a configuration.
_FINDERS = ("find_or_",)
# The jobs, and what reads a configuration's datasets by RecBole or builds its models.
_JOBS = {
    "data.domains.load_domains",
    "data.domains.read_domain",
    "data.domains.source_events",
    "data.domains.source_locations",
    "models.idp.pretrain.planned_encoder",
    "models.idp.transfer.prepare_start",
    "models.morec.kinds.content_kind",
    "models.morec.kinds.of_sources",
    "models.p5.catalogue._numbers",
    "models.p5.catalogue.source_catalogue",
    "models.p5.catalogue.target_catalogue",
    "models.precise.replay._made",
    "models.precise.slices.load_slices",
    "models.precise.universal.held_out_values",
    "models.precise.universal_data.load_universal",
    "models.transrec.target.target_settings",
    "run.best_model._best_model",
    "run.best_model.keep_best",
    "run.fusion.fuse",
    "run.fusion.fused_model",
    "run.inspect.inspect",
    "run.not_joined.read_not_joined",
    "run.prepare.prepare",
    "run.run.pretrain",
    "run.run.run",
    "run.tasks._read_by",
    "run.tasks.run_tasks",
    "run.warm_up._study",
    "run.warm_up.check_study",
    "run.warm_up.warm_up",
    "serving.generative_pack.generative_model",
    "serving.pack.trained_model",
    "train.source_sequences.load_sequences",
    "train.source_sequences.sequence_locations",
    "train.source_training.chosen_values",
    "train.source_training.read_domains",
    "train.source_training.read_sources",
    "train.source_training.train_resumably",
}


def _takes_config(path):
    """Yields the functions of a module that take RecBole's configuration and are neither hooks nor make another one."""
    module = ".".join(path.relative_to(ROOT / "recbole_idp").with_suffix("").parts).removesuffix(".__init__")
    if module.startswith(_OF_CONFIGURATIONS):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    of_classes = {id(node) for cls in ast.walk(tree) if isinstance(cls, ast.ClassDef) for node in cls.body}
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        is_hook = node.name in _HOOKS if id(node) in of_classes else node.name.startswith(_FINDERS)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if not is_hook and not _names_config(node.returns) and any(_names_config(one.annotation) for one in arguments):
            yield f"{module}.{node.name}"


def _names_config(annotation):
    """Returns whether an annotation names RecBole's configuration or ours."""
    names = [node for node in ast.walk(annotation) if isinstance(node, ast.Name)] if annotation is not None else []
    return any(name.id in ("Config", "StrictConfig") for name in names)


def test_the_files_that_the_page_on_architecture_names_are_there():
    page = (ROOT / "docs" / "develop" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| (.*) \|$", page, re.MULTILINE)[2:]
    named = [name for row in rows for name in re.findall(r"`(\w+/[\w/]*(?:\.py)?)`", row)]
    assert len(named) > 15
    assert [name for name in named if not (ROOT / "recbole_idp" / name).exists()] == []
